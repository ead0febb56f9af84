"""An item type's form, compiled: what is sound is told in C, what is not is explained field by field."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Union

from msgspec import UNSET, Struct, UnsetType, ValidationError, convert, defstruct

from schemas.forms import values
from schemas.forms.explain import labelled, value_fault
from schemas.forms.faults import Fault, fault, unknown_field
from schemas.item_type import Field, GridSource, ItemType, Kind, Merge, Stream

Fields = Mapping[str, object]


class _Identified:
    """A field whose format another field chooses, or whose check depends on the day."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self._key = field.key
        self._chooser = (field.format_by or {}).get("field")
        chosen = field.format_by or {None: field.format or ""}
        self._checks = {option: values.format_check(name) for option, name in chosen.items() if option != "field"}

    def fault_code(self, fields: Fields, today: date) -> str | None:
        """The fault code of the field in these fields; None where it is empty or no format is asked."""
        value = fields.get(self._key)
        option = fields.get(self._chooser) if self._chooser else None
        if not isinstance(value, str) or not (option is None or isinstance(option, str)):
            return None
        check = self._checks.get(option)
        return check(values.upper(value), today) if check is not None and values.filled(value) else None


class CompiledType:
    """The form of one item type, ready to check, to normalise and to merge by.

    `fields` by key; `marked`: keys whose values are personal or sensitive; `reference_fields`: key ->
    codes of the item types it may point to; `photo_field`: the key of its photos, if it may
    have any; `geo_fields`: the keys of its points; `territory`: what tells its grid, in the order in which it is asked,
    with the field that it reads, if it reads one; `point_field` and `belongs_to_field`: those of its sources point and
    reference, empty without.
    """

    def __init__(self, item_type: ItemType) -> None:
        self.type = item_type
        self.code: str = item_type.code
        self.kind: Kind = item_type.kind
        self.stream: Stream = item_type.stream
        self.fields: dict[str, Field] = {field.key: field for field in item_type.fields}
        self.marked = frozenset(f.key for f in item_type.fields if f.sensitivity != "none")
        self.reference_fields = {f.key: f.ref for f in item_type.fields if f.type == "reference"}
        self.photo_field = next(iter(_keys(item_type, "photo_list")), None)
        self.geo_fields = _keys(item_type, "geo_point")
        self.territory: dict[GridSource, str | None] = {one.source: one.field for one in item_type.territory_from}
        self.point_field = self.territory.get("point") or ""
        self.belongs_to_field = self.territory.get("reference") or ""
        self._shapes = {key: values.shape(field) for key, field in self.fields.items()}
        exacts = [(key, values.exact(field)) for key, field in self.fields.items()]
        self._exacts = tuple((key, exact) for key, exact in exacts if exact is not None)
        self._whole = _whole_struct(item_type, self._shapes)
        self._partial = _partial_struct(item_type, self._shapes)
        self._identified = tuple(_Identified(f) for f in item_type.fields if f.format_by or values.is_dated(f.format))
        self._judges_jointly = bool(self._identified or item_type.require_any)
        self._normalisers = _normalisers(item_type)

    def merge_policy(self, key: str) -> Merge:
        """How two edits of a field are merged; `manual` where nothing is said, and for events."""
        field = self.fields.get(key)
        return field.merge or "manual" if field is not None and self.kind == "record" else "manual"

    def check_change(self, fields: Fields) -> list[Fault]:
        """The faults of an update, which holds only what changes; None clears a field.

        What two fields say together is not judged here, because one of them may stay as it is.
        """
        if self._sound(self._partial, fields) and not self._cleared(fields):
            return []
        return [*self._value_faults(fields), *(labelled(f, "field_required") for f in self._cleared(fields))]

    def check_whole(self, fields: Fields, today: date) -> list[Fault]:
        """The faults of a whole item, as created or as merged; `today` bounds the birth dates in it."""
        if self._sound(self._whole, fields):
            return self._joint_faults(fields, today) if self._judges_jointly else []
        faults = [
            *self._value_faults(fields),
            *(labelled(f, "field_required") for f in self._missing(fields)),
        ]
        named = {one.field for one in faults}
        return faults + [one for one in self._joint_faults(fields, today) if one.field not in named]

    def check_edited(self, before: Fields, after: Fields, today: date) -> list[Fault]:
        """The faults of a whole item that an edit made of another, or that the form asks to be filled in since.

        A value that stood in it and that only a former catalogue took is no fault of the edit.
        """
        faults = self.check_whole(after, today)
        if not faults:
            return faults
        stood = {(one.field, one.code) for one in (*self._value_faults(before), *self._identity_faults(before, today))}
        return [
            one
            for one in faults
            if (one.field, one.code) not in stood or before.get(one.field or "") != after.get(one.field or "")
        ]

    def normalise(self, fields: Fields) -> dict[str, object]:
        """The fields in the one form that is stored, idempotent; values that are refused stay as they are."""
        normal = dict(fields)
        for key, normaliser in self._normalisers:
            if (value := normal.get(key)) is not None:
                normal[key] = normaliser(value)
        return normal

    def _sound(self, form: type[Struct], fields: Fields) -> bool:
        try:
            convert(fields, form, strict=True)
        except (ValidationError, UnicodeError):
            return False
        for key, exact in self._exacts:
            if (value := fields.get(key)) is not None and exact(value) is not None:
                return False
        return True

    def _value_faults(self, fields: Fields) -> Iterable[Fault]:
        for key, value in fields.items():
            field = self.fields.get(key)
            if field is None:
                yield unknown_field(key, photos_forbidden=self.type.photo.forbidden)
            elif value is not None:
                found = value_fault(field, self._shapes[key], values.exact(field), value)
                if found is not None:
                    yield found

    def _cleared(self, fields: Fields) -> list[Field]:
        return [self.fields[key] for key in fields if fields[key] is None and self._required(key)]

    def _required(self, key: str) -> bool:
        field = self.fields.get(key)
        return field is not None and field.required

    def _missing(self, fields: Fields) -> Iterable[Field]:
        return (field for field in self.type.fields if field.required and fields.get(field.key) is None)

    def _joint_faults(self, fields: Fields, today: date) -> list[Fault]:
        faults = [*self._identity_faults(fields, today)]
        for keys in self.type.require_any:
            if not any(values.filled(fields.get(key)) for key in keys):
                faults.append(fault("fields_any_required", keys[0], self._joined_labels(keys)))
        return faults

    def _identity_faults(self, fields: Fields, today: date) -> Iterable[Fault]:
        for rule in self._identified:
            code = rule.fault_code(fields, today)
            if code is not None:
                yield labelled(rule.field, code)

    def _joined_labels(self, keys: tuple[str, ...]) -> tuple[str, str]:
        named = [self.fields[key] for key in keys]
        return "”“".join(f.label_zh for f in named), "”, “".join(f.label_en for f in named)


def _keys(item_type: ItemType, of_type: str) -> tuple[str, ...]:
    return tuple(field.key for field in item_type.fields if field.type == of_type)


def _whole_struct(item_type: ItemType, shapes: dict[str, Any]) -> type[Struct]:
    required = [(f.key, shapes[f.key]) for f in item_type.fields if f.required]
    optional = [(f.key, shapes[f.key] | None, None) for f in item_type.fields if not f.required]
    return defstruct(f"Whole{item_type.code}", [*required, *optional], forbid_unknown_fields=True, gc=False)


def _partial_struct(item_type: ItemType, shapes: dict[str, Any]) -> type[Struct]:
    members = [(key, Union[shape, None, UnsetType], UNSET) for key, shape in shapes.items()]  # noqa: UP007
    return defstruct(f"Partial{item_type.code}", members, forbid_unknown_fields=True, gc=False)


def _normalisers(item_type: ItemType) -> tuple[tuple[str, Callable[[Any], object]], ...]:
    chosen = ((field.key, _normaliser(field)) for field in item_type.fields)
    return tuple((key, normaliser) for key, normaliser in chosen if normaliser is not None)


def _normaliser(field: Field) -> Callable[[Any], object] | None:
    if field.type == "national_id" or field.format is not None:
        return lambda value: values.upper(value) if isinstance(value, str) else value
    if field.multi:
        return _sorted_options
    return _photos_with_role if field.type == "photo_list" else None


def _sorted_options(value: Any) -> object:
    return sorted(set(value)) if _is_list_of(str, value) else value


def _photos_with_role(value: Any) -> object:
    """The role is written out, so that the same photo declared twice is equal."""
    if not _is_list_of(dict, value):
        return value
    return [photo if "role" in photo else {"role": "report", **photo} for photo in value]


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and set(map(type, value)) <= {kind}
