"""Value forms on the wire, by field type. They are protocol: a phone sends exactly these.

- text: a string without NUL or lone surrogates, at most `max_length` characters; blank counts as empty
- integer: a whole number written without fraction, below 2**53 in size, within `min` and `max`
- decimal: a string such as "-12.50": up to 12 digits before the point, `scale` after it, within `min`, `max`
- boolean: true or false
- date: "YYYY-MM-DD", a real day of the years 1900 to 2999
- datetime: RFC 3339 with an offset ("2024-06-01T08:30:00+08:00"), of the same years
- enum: one of the options as a string; with `multi` a list of distinct options
- phone: a mobile number, or a landline with its area code
- national_id: a string of at most 40 characters, as `format_by` asks
- geo_point: {lon, lat, crs: wgs84 | gcj02 | bd09, accuracy, provider, fixed_at}: degrees, metres, a datetime
  or null
- reference: an item's UUID, lower case with hyphens
- photo_list: a list of {sha256: 64 lower-case hex digits, size in bytes up to 20 MiB, role: report | close}

A field that is absent or null is empty. `shape` is what msgspec checks in C; `exact` checks the rest of a
value that has the shape.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schemas import identity
from schemas.item_type import Field, FieldType

PHOTO_MAX_BYTES = 20 * 1024 * 1024
LARGEST_INTEGER = 2**53 - 1
ID_MAX_LENGTH = 40

Exact = Callable[[Any], str | None]
FormatCheck = Callable[[str, date], str | None]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PROVIDER = re.compile(r"[\x21-\x7e]{1,32}")
_UPPER = {ord(lower): lower.upper() for lower in "abcdefghijklmnopqrstuvwxyz"}


class GeoPoint(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A position: degrees in `crs`, accuracy in metres, who gave it and when."""

    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    crs: Literal["wgs84", "gcj02", "bd09"]
    accuracy: Annotated[float, Meta(ge=0, le=1_000_000)]
    provider: str
    fixed_at: Annotated[datetime, Meta(tz=True)] | None = None


class Photo(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A photo by the SHA-256 and size (bytes) of its file; `close` is taken after the handling."""

    sha256: Annotated[str, Meta(min_length=64, max_length=64)]
    size: Annotated[int, Meta(ge=1, le=PHOTO_MAX_BYTES)]
    role: Literal["report", "close"] = "report"


def shape(field: Field) -> Any:
    """The msgspec type of a field's value."""
    return _SHAPES[field.type](field)


def exact(field: Field) -> Exact | None:
    """The check of what `shape` cannot say; None where there is nothing left to check."""
    maker = _EXACT.get(field.type)
    check = None if maker is None else maker(field)
    may_be_blank = field.type in ("text", "photo_list") or field.multi
    return _not_blank(check) if field.required and may_be_blank else check


def upper(text: str) -> str:
    """ASCII letters in upper case; nothing else, so that no text grows."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def filled(value: object) -> bool:
    """Whether a value counts as filled in: not null, no blank text, no empty list."""
    return not value.isspace() and value != "" if isinstance(value, str) else value is not None and value != []


def whole_pattern(pattern: str) -> re.Pattern[str]:
    """A catalogue's pattern with ASCII classes, so that `\\d` takes no full-width digits."""
    return re.compile(pattern, re.ASCII)


def _not_blank(check: Exact | None) -> Exact:
    if check is storable:
        return _filled_and_storable

    def required(value: Any) -> str | None:
        if not filled(value):
            return "field_required"
        return None if check is None else check(value)

    return required


def _filled_and_storable(text: str) -> str | None:
    if text.isprintable() and text.strip():
        return None
    return storable(text) if filled(text) else "field_required"


def _text_shape(field: Field) -> Any:
    return Annotated[str, Meta(max_length=field.max_length)]


def _integer_shape(field: Field) -> Any:
    least = -LARGEST_INTEGER if field.min is None else int(field.min)
    most = LARGEST_INTEGER if field.max is None else int(field.max)
    return Annotated[int, Meta(ge=least, le=most)]


def _enum_shape(field: Field) -> Any:
    one = Literal[tuple(option.value for option in field.options)]
    return list[one] if field.multi else one


_SHAPES: dict[FieldType, Callable[[Field], Any]] = {
    "text": _text_shape,
    "integer": _integer_shape,
    "decimal": lambda _: Annotated[str, Meta(max_length=40)],
    "boolean": lambda _: bool,
    "date": lambda _: date,
    "datetime": lambda _: Annotated[datetime, Meta(tz=True)],
    "enum": _enum_shape,
    "phone": lambda _: Annotated[str, Meta(max_length=20)],
    "national_id": lambda _: Annotated[str, Meta(max_length=ID_MAX_LENGTH)],
    "geo_point": lambda _: GeoPoint,
    "reference": lambda _: Annotated[str, Meta(min_length=36, max_length=36)],
    "photo_list": lambda _: list[Photo],
}


def storable(text: str) -> str | None:
    """The fault code of a text without further rule: it may hold neither NUL nor a lone surrogate."""
    if text.isprintable():
        return None
    return "field_characters" if "\0" in text or _has_surrogate(text) else None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _exact_text(field: Field) -> Exact:
    if field.format in _UNDATED_FORMATS:
        return _if_filled(_UNDATED_FORMATS[field.format], upper)
    return storable if field.pattern is None else _if_filled(_exact_pattern(field.pattern))


def _if_filled(check: Exact, prepare: Callable[[str], str] = str) -> Exact:
    return lambda text: check(prepare(text)) if filled(text) else None


def _exact_pattern(pattern: str) -> Exact:
    written = whole_pattern(pattern)
    return lambda text: storable(text) if written.fullmatch(text) else "field_pattern"


def _exact_decimal(field: Field) -> Exact:
    fraction = rf"(?:\.[0-9]{{1,{field.scale}}})?" if field.scale else ""
    written = re.compile(rf"-?[0-9]{{1,12}}{fraction}")
    least = None if field.min is None else Decimal(repr(field.min))
    most = None if field.max is None else Decimal(repr(field.max))

    def check(text: str) -> str | None:
        if written.fullmatch(text) is None:
            return "field_decimal"
        value = Decimal(text)
        outside = (least is not None and value < least) or (most is not None and value > most)
        return "field_range" if outside else None

    return check


def _exact_date(text: str) -> str | None:
    return None if _within_years(text) else "field_date"


def _exact_datetime(written: object) -> str | None:
    if not isinstance(written, str):  # MessagePack carries moments of its own; only the text is protocol
        return "field_type"
    return None if _within_years(written) else "field_datetime"


def _within_years(text: str) -> bool:
    return "1900" <= text[:4] <= "2999"


def _exact_multi(field: Field) -> Exact | None:
    if not field.multi:
        return None
    return lambda values: None if len(set(values)) == len(values) else "field_options_repeated"


def _exact_point(point: dict[str, Any]) -> str | None:
    fixed_at = point.get("fixed_at")
    timely = fixed_at is None or _exact_datetime(fixed_at) is None
    return None if timely and _PROVIDER.fullmatch(point["provider"]) else "point_form"


def _exact_photos(field: Field) -> Exact:
    most = field.max_items or 0

    def check(photos: list[dict[str, Any]]) -> str | None:
        if len(photos) > most and _most_of_a_role(photos) > most:
            return "photos_too_many"
        hashes = [photo["sha256"] for photo in photos]
        if not _is_lower_hex("".join(hashes)):
            return "photo_form"
        return None if len(set(hashes)) == len(hashes) else "photo_repeated"

    return check


def _most_of_a_role(photos: list[dict[str, Any]]) -> int:
    closing = [photo.get("role") for photo in photos].count("close")
    return max(closing, len(photos) - closing)


def _is_lower_hex(text: str) -> bool:
    try:
        return bytes.fromhex(text).hex() == text
    except ValueError:
        return False


_EXACT: dict[FieldType, Callable[[Field], Exact | None]] = {
    "text": _exact_text,
    "decimal": _exact_decimal,
    "date": lambda _: _exact_date,
    "datetime": lambda _: _exact_datetime,
    "enum": _exact_multi,
    "phone": lambda _: identity.check_phone,
    "national_id": lambda _: lambda text: storable(text) if filled(text) else "id_form",
    "geo_point": lambda _: _exact_point,
    "reference": lambda _: lambda text: None if _UUID.fullmatch(text) else "reference_form",
    "photo_list": _exact_photos,
}

_UNDATED_FORMATS: dict[str, Callable[[str], str | None]] = {
    "foreign_pr": identity.check_foreign_resident,
    "passport": identity.check_passport,
    "uscc": identity.check_credit_code,
    "plate": identity.check_plate,
}

_DATED_FORMATS: dict[str, FormatCheck] = {
    "gb11643": identity.check_resident_id,
    "gb11643_hmt": identity.check_hmt_permit,
}

KNOWN_FORMATS = frozenset({*_UNDATED_FORMATS, *_DATED_FORMATS})
"""The formats that a catalogue may use."""


def is_dated(format_name: str | None) -> bool:
    """Whether a format holds a birth date, so that it can only be checked on a given day."""
    return format_name in _DATED_FORMATS


def format_check(name: str) -> FormatCheck:
    """The check of a known format: of a text in upper case on a day, for the fault code or None."""
    if name in _DATED_FORMATS:
        return _DATED_FORMATS[name]
    undated = _UNDATED_FORMATS[name]
    return lambda text, _: undated(text)
