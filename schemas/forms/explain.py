"""Why a field's value was refused: the slow path, walked only when something is wrong."""

from collections.abc import Callable
from typing import Any

from msgspec import ValidationError, convert

from schemas.forms.faults import Fault, fault
from schemas.forms.values import ID_MAX_LENGTH, LARGEST_INTEGER, PHOTO_MAX_BYTES, Exact
from schemas.item_type import Field, FieldType


def value_fault(field: Field, shape: Any, exact: Exact | None, value: object) -> Fault | None:
    """The fault of one filled field, or None. `shape` and `exact` are those of `schemas.forms.values`."""
    try:
        convert(value, shape, strict=True)
    except (ValidationError, UnicodeError):
        code = _shape_code(field, value)
    else:
        code = None if exact is None else exact(value)
    return None if code is None else labelled(field, code)


def labelled(field: Field, code: str) -> Fault:
    """A fault of this field, with its labels and the limit that the form sets."""
    return fault(code, field.key, (field.label_zh, field.label_en), _limit(field, code))


def _limit(field: Field, code: str) -> str:
    if code == "field_too_long":
        return str(field.max_length or ID_MAX_LENGTH)
    if code == "field_decimal":
        return str(field.scale or 0)
    if code == "photos_too_many":
        return str(field.max_items or 0)
    return f"{_bound(field.min, -LARGEST_INTEGER)} ~ {_bound(field.max, LARGEST_INTEGER)}"


def _bound(bound: float | None, otherwise: int) -> str:
    return f"{otherwise if bound is None else bound:.15g}"


def _shape_code(field: Field, value: object) -> str:
    """The code of a value that has not the field's shape."""
    expected = list if field.multi else _PYTHON_TYPES[field.type]
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is int):
        return "field_type"
    return _SHAPE_CODES[field.type](value)


def _point_code(value: dict[str, Any]) -> str:
    return "point_form" if value.get("crs") in ("wgs84", "gcj02", "bd09") else "point_crs"


def _photo_code(value: list[Any]) -> str:
    sizes = [photo.get("size") for photo in value if isinstance(photo, dict)]
    too_large = any(isinstance(size, int) and size > PHOTO_MAX_BYTES for size in sizes)
    return "photo_too_large" if too_large else "photo_form"


_PYTHON_TYPES: dict[FieldType, type] = {
    "text": str,
    "integer": int,
    "decimal": str,
    "boolean": bool,
    "date": str,
    "datetime": str,
    "enum": str,
    "phone": str,
    "national_id": str,
    "geo_point": dict,
    "reference": str,
    "photo_list": list,
}

_SHAPE_CODES: dict[FieldType, Callable[[Any], str]] = {
    "text": lambda _: "field_too_long",
    "integer": lambda _: "field_range",
    "decimal": lambda _: "field_decimal",
    "boolean": lambda _: "field_type",
    "date": lambda _: "field_date",
    "datetime": lambda _: "field_datetime",
    "enum": lambda _: "field_option",
    "phone": lambda _: "phone_form",
    "national_id": lambda _: "field_too_long",
    "geo_point": _point_code,
    "reference": lambda _: "reference_form",
    "photo_list": _photo_code,
}
