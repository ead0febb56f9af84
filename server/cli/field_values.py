"""A form's values as people write and read them in a terminal."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.item_type import Field

_TRUE = frozenset({"true", "yes", "1", "是"})
_FALSE = frozenset({"false", "no", "0", "否"})
_STRUCTURED = frozenset({"geo_point", "photo_list"})
EMPTY = "—"


def parse_value(field: Field | None, text: str) -> Any:
    """The value of a field that somebody typed; nothing typed clears it. Raises ValueError for what is no such value.

    Sets are separated by commas; options may be typed as their words; positions and photos are JSON. Whatever else is
    wrong with a value, the form itself says.
    """
    if text == "":
        return None
    if field is None:
        return text
    if field.type in _STRUCTURED:
        return _json(text)
    if field.multi:
        return [_option(field, part.strip()) for part in text.replace("，", ",").split(",") if part.strip()]
    if field.type == "enum":
        return _option(field, text)
    if field.type == "boolean":
        return _boolean(text)
    return int(text) if field.type == "integer" else text


def describe_value(field: Field | None, value: Any) -> str:
    """A value in words, Chinese first, with the code that `parse_value` takes where the words differ from it."""
    if value is None:
        return EMPTY
    if isinstance(value, bool):
        return "是 true" if value else "否 false"
    if isinstance(value, str):
        return printable(_option_words(field, value))
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return printable(", ".join(_option_words(field, one) for one in value))
    if isinstance(value, dict) and "lon" in value:
        return f"{value['lon']:.6f}, {value['lat']:.6f} ({value.get('crs')})"
    if isinstance(value, list):
        return "\n".join(f"{photo['sha256'][:8]} ({photo.get('role')})" for photo in value)
    return printable(str(value))


def printable(text: str) -> str:
    """Text that cannot steer the terminal it is shown in."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise ValueError("not JSON") from error


def _option(field: Field, text: str) -> str:
    """An option by its value or its words; an unknown one stays, for the form to refuse."""
    return next((one.value for one in field.options if text in (one.value, one.zh, one.en)), text)


def _option_words(field: Field | None, value: str) -> str:
    option = next((one for one in field.options if one.value == value), None) if field else None
    return f"{option.zh} {option.value}" if option else value


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("neither yes nor no")
