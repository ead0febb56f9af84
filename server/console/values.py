"""The values of a form as a person reads them, in his language, with what he need not know masked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from markupsafe import Markup

from schemas.forms import CompiledType
from schemas.item_type import Field, Option
from server.console import clock
from server.console.words import Language, text
from server.masking import HIDDEN, mask

_ALWAYS_MASKED = ("phone", "national_id")


class Shown(NamedTuple):
    """A field on a page. `hidden`: nothing of it is shown; `masked`: only a part."""

    key: str
    label: str
    value: Any
    hidden: bool = False
    masked: bool = False
    refers: bool = False


def label(language: Language, field: Field) -> str:
    """A field's name."""
    return field.label_zh if language == "zh" else field.label_en


def shown_fields(
    language: Language,
    compiled: CompiledType,
    fields: Mapping[str, Any],
    titles: Mapping[UUID, object],
    *,
    revealed: bool,
) -> list[Shown]:
    """The whole form in its own order, empty fields too; photos have a place of their own.

    `titles`: what the items are called that it refers to, as far as the reader may see them.
    """
    form = (field for field in compiled.fields.values() if field.type != "photo_list")
    shown = [_shown(language, field, fields.get(field.key), revealed) for field in form]
    return [one._replace(value=_linked(language, one.value, titles)) if one.refers else one for one in shown]


def references(compiled: CompiledType, fields: Mapping[str, Any]) -> list[UUID]:
    """The items that a form refers to."""
    return [UUID(fields[key]) for key in compiled.reference_fields if fields.get(key)]


def value_words(language: Language, field: Field | None, value: Any, *, revealed: bool) -> Any:
    """One value, masked unless it was revealed; a field that the form no longer has is hidden."""
    if field is None:
        return text(language, "item.hidden")
    return _shown(language, field, value, revealed).value


def photos_hidden(compiled: CompiledType, *, revealed: bool) -> bool:
    """Whether photos of this type are shown only when they were asked for: those of papers and injuries."""
    field = compiled.fields.get(compiled.photo_field or "")
    return not revealed and field is not None and field.sensitivity == "sensitive"


def summary(language: Language, compiled: CompiledType, fields: Mapping[str, Any]) -> str:
    """What tells one item from another in a list: the first choice of its form that says nothing about a person."""
    for field in compiled.fields.values():
        value = fields.get(field.key)
        if field.type == "enum" and field.sensitivity == "none" and value:
            return _enum(language, field, value)
    return ""


def _shown(language: Language, field: Field, value: Any, revealed: bool) -> Shown:
    name = label(language, field)
    if value is None or value in ("", []):
        return Shown(field.key, name, text(language, "empty"))
    allowed = value if revealed else _unmasked_part(field, value)
    if allowed == HIDDEN:
        return Shown(field.key, name, text(language, "item.hidden"), hidden=True)
    if allowed != value:
        return Shown(field.key, name, allowed, masked=True)
    return Shown(field.key, name, _words(language, field, value), refers=field.type == "reference")


def _linked(language: Language, value: Any, titles: Mapping[UUID, object]) -> Any:
    """A reference as a link, or that there is one, where it leads to what is not his to see."""
    target = UUID(value)
    if target not in titles:
        return text(language, "item.reference_hidden")
    return Markup('<a href="/console/items/{}">{}</a>').format(target, str(titles[target]))


def _unmasked_part(field: Field, value: Any) -> Any:
    """What of a value a reviewer sees without asking.

    He cannot judge a report without its description, so personal values that name or number nobody are shown; that
    the item was read is noted. Whatever is sensitive is hidden.
    """
    masked = mask(field, value)
    identifies = field.type in _ALWAYS_MASKED or field.format is not None
    if masked == HIDDEN and field.sensitivity == "personal" and not identifies:
        return value
    return masked


def _words(language: Language, field: Field, value: Any) -> Any:
    try:
        return _WORDS[field.type](language, field, value)
    except (KeyError, ValueError, TypeError, AttributeError):
        return str(value)  # a value from an older form


def _number(language: Language, field: Field, value: Any) -> str:
    return f"{value} {text(language, f'unit.{field.unit}')}" if field.unit else str(value)


def _enum(language: Language, field: Field, value: Any) -> str:
    options = {option.value: option for option in field.options}
    chosen: list[Any] = value if isinstance(value, list) else [value]
    return text(language, "separator").join(_option(language, options.get(one), one) for one in chosen)


def _option(language: Language, option: Option | None, value: object) -> str:
    if option is None:
        return str(value)
    return option.zh if language == "zh" else option.en


def _point(language: Language, _: Field, value: Any) -> str:
    return text(
        language,
        "point",
        lon=f"{value['lon']:.5f}",
        lat=f"{value['lat']:.5f}",
        accuracy=f"{value['accuracy']:g}",
        crs=text(language, f"crs.{value['crs']}"),
    )


_WORDS: dict[str, Callable[[Language, Field, Any], Any]] = {
    "text": lambda _, __, value: str(value),
    "phone": lambda _, __, value: str(value),
    "national_id": lambda _, __, value: str(value),
    "integer": _number,
    "decimal": _number,
    "boolean": lambda language, _, value: text(language, "yes" if value is True else "no"),
    "date": lambda language, _, value: clock.day(language, date.fromisoformat(value)),
    "datetime": lambda language, _, value: clock.shown(language, datetime.fromisoformat(value)),
    "enum": _enum,
    "geo_point": _point,
    "reference": lambda _, __, value: str(UUID(value)),
    "photo_list": lambda language, _, value: text(language, "queue.photos_count", count=len(value)),
}
