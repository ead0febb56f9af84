"""Fills in a form: each field by its type and the habits for it, then what must agree across fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, ClassVar

from schemas.forms import CompiledType, packaged
from schemas.item_type import Field
from server.made_up import names
from server.made_up.forms.agreement import settle, settle_identity
from server.made_up.forms.habits import Habits, choices, habits, write
from server.made_up.forms.scene import NothingToReferToError, Scene
from server.made_up.names import Locality

_SELDOM = 0.12
_BOOLEAN_FILLED = 0.85
_ORDER = {"enum": 0, "photo_list": 2}


def make_fields(item_type: str, rng: Random, scene: Scene) -> dict[str, Any]:
    """The fields of a new item of this type, valid as a whole; its photos are put into the scene's album.

    Raises NothingToReferToError where a required reference has nothing to point to.
    """
    form = packaged().types[item_type]
    making = _Making(form, rng, scene)
    for field in _in_order(form):
        making.fill(field)
    if item_type == "0101":
        settle_identity(making.fields, rng, scene.now.date(), scene.where)
    settle(item_type, making.fields)
    return {key: making.fields[key] for key in form.fields if key in making.fields}


@cache
def _in_order(form: CompiledType) -> tuple[Field, ...]:
    """First what others are chosen by, last the photos."""
    return tuple(sorted(form.fields.values(), key=lambda field: _ORDER.get(field.type, 1)))


def missing_references(item_type: str, scene: Scene) -> list[tuple[str, ...]]:
    """What must be made first: for each required reference without a target, the item types it may point to."""
    fields = packaged().types[item_type].fields.values()
    return [field.ref for field in fields if field.required and field.ref and not targets(item_type, field, scene)]


def claimed_urgency(item_type: str, rng: Random) -> str:
    """The urgency that a worker claims: mostly the default of the type."""
    rule = packaged().types[item_type].type.urgency
    return rng.choice(rule.allowed) if rng.random() < _SELDOM else rule.default


def targets(item_type: str, field: Field, scene: Scene) -> list[str]:
    """The ids a reference may point to; a person has one care record."""
    found = [one for code in field.ref for one in scene.items.get(code, ())]
    return [one for one in found if one not in scene.cared] if item_type == "0104" else found


def draw(field: Field, habit: Habits, fields: dict[str, Any], rng: Random, where: Locality) -> Any:
    """A value for a field that needs no scene: text, number, boolean, enum or telephone."""
    return _DRAWN[field.type](field, habit, fields, rng, where)


class _Making:
    """One form on its way."""

    def __init__(self, form: CompiledType, rng: Random, scene: Scene) -> None:
        self.fields: dict[str, Any] = {}
        self._form, self._rng, self._scene = form, rng, scene
        self._habits = habits()[form.code]
        self._at = scene.place(rng)

    def fill(self, field: Field) -> None:
        """Fills the field, or leaves it empty where that is allowed and usual."""
        if field.required or self._is_filled(field):
            value = self._value(field)
            if value is not None:
                self.fields[field.key] = value

    def _is_filled(self, field: Field) -> bool:
        only_if = self._habits.only_if.get(field.key)
        if only_if and not all(self.fields[key] in options for key, options in only_if.items()):
            return False
        for keys in self._form.type.require_any:
            if field.key == keys[-1] and not any(key in self.fields for key in keys):
                return True
        if field.type == "photo_list" and self._least_photos() > 0:
            return True
        usual = _BOOLEAN_FILLED if field.type == "boolean" else self._habits.chance.get(field.key, 0.6)
        return self._rng.random() < usual

    def _value(self, field: Field) -> Any:
        drawn = _DRAWN.get(field.type)
        if drawn is not None:
            return drawn(field, self._habits, self.fields, self._rng, self._scene.where)
        return self._MAKERS[field.type](self, field)

    def _between(self, field: Field, usual: tuple[float, float]) -> int:
        low, high = self._habits.range.get(field.key, usual)
        return self._rng.randint(int(low), int(high))

    def _date(self, field: Field) -> str:
        return (self._scene.now.date() + timedelta(days=self._between(field, (-30, 0)))).isoformat()

    def _moment(self, field: Field) -> str:
        return (self._scene.now - timedelta(minutes=self._between(field, (5, 300)))).isoformat(timespec="seconds")

    def _reference(self, field: Field) -> str | None:
        found = targets(self._form.code, field, self._scene)
        if found:
            chosen = self._rng.choice(found)
            if self._form.code == "0104":
                self._scene.cared.add(chosen)
            return chosen
        if field.required:
            raise NothingToReferToError(field.ref)
        return None

    def _least_photos(self) -> int:
        rule = self._form.type.photo
        on_site = rule.on_site_fix
        fixed = on_site is not None and self.fields.get(on_site.field) is True
        return max([*rule.report_min_by_urgency.values(), on_site.report_min if on_site and fixed else 0])

    def _photos(self, field: Field) -> list[dict[str, Any]]:
        rule = self._form.type.photo
        count = max(1, self._least_photos()) + (self._rng.random() < 0.2)
        photos = [self._photo("report") for _ in range(min(count, field.max_items or count))]
        if rule.on_site_fix and self.fields.get(rule.on_site_fix.field) is True:
            photos += [self._photo("close") for _ in range(rule.on_site_fix.close_min)]
        return photos

    def _photo(self, role: str) -> dict[str, Any]:
        caption = f"{self._form.code} {self._form.type.slug} {role}"
        taken_at = self._scene.now - timedelta(seconds=self._rng.randint(20, 240))
        photo = self._scene.camera(self._rng, caption, taken_at, self._at)
        self._scene.album[photo.key] = photo.data
        return {"sha256": photo.sha256, "size": photo.size, "role": role}

    _MAKERS: ClassVar[dict[str, Callable[[_Making, Field], Any]]] = {
        "date": _date,
        "datetime": _moment,
        "geo_point": lambda self, _: self._scene.geo_point(self._rng, self._at),
        "reference": _reference,
        "photo_list": _photos,
        "national_id": lambda _, __: None,
    }


def _text(field: Field, habit: Habits, fields: dict[str, Any], rng: Random, where: Locality) -> str:
    if field.format == "uscc":
        return names.credit_code(rng, where)
    if field.format == "plate":
        return names.plate(rng)
    return write(rng.choice(choices(habit.texts[field.key], fields)), rng, where)


def _enum(field: Field, habit: Habits, fields: dict[str, Any], rng: Random, _: Locality) -> Any:
    options = [option.value for option in field.options]
    if field.key in habit.match:
        options = choices(habit.match[field.key], fields)
    weights = [habit.weights.get(field.key, {}).get(option, 1) for option in options]
    if not field.multi:
        return rng.choices(options, weights)[0]
    chosen = dict.fromkeys(rng.choices(options, weights, k=rng.choice((1, 1, 2))))
    return ["none"] if "none" in chosen else sorted(chosen)


def _integer(field: Field, habit: Habits, _: dict[str, Any], rng: Random, __: Locality) -> int:
    low, high = habit.range.get(field.key, (1, 10))
    return rng.randint(int(low), int(high))


def _decimal(field: Field, habit: Habits, _: dict[str, Any], rng: Random, __: Locality) -> str:
    """Small amounts are more frequent than large ones."""
    low, high = habit.range.get(field.key, (1, 1000))
    return f"{low * (high / low) ** rng.random():.{field.scale or 0}f}"


def _boolean(field: Field, habit: Habits, _: dict[str, Any], rng: Random, __: Locality) -> bool:
    return rng.random() < habit.chance.get(field.key, 0.5)


def _phone(_: Field, __: Habits, ___: dict[str, Any], rng: Random, ____: Locality) -> str:
    return f"0550-80{rng.randrange(10**5):05}" if rng.random() < 0.08 else names.mobile(rng)


_DRAWN: dict[str, Callable[[Field, Habits, dict[str, Any], Random, Locality], Any]] = {
    "text": _text,
    "enum": _enum,
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "phone": _phone,
}
