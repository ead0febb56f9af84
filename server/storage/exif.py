"""What a camera wrote about a picture: when, where, and which way up (Exif 2.32, tags of IFD0, Exif IFD and GPS IFD).

Nothing here is trusted, and nothing of it is needed: metadata that cannot be read counts as not there.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from math import isfinite
from typing import Any, NamedTuple

from PIL import ExifTags, Image

from sync.coordinates import CoordinateError, check_bounds

# Phones write local time; where they leave the offset out it is that of the city.
_CITY = timezone(timedelta(hours=8))
# A phone that lost its clock writes 1970 or 2000.
_EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, OverflowError, ZeroDivisionError, SyntaxError)
_UNREADABLE_FILE = (*_UNREADABLE, struct.error, EOFError, OSError)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Place(NamedTuple):
    """WGS-84 degrees."""

    lon: float
    lat: float


class Metadata(NamedTuple):
    """`taken_at` in UTC; `turn` is what sets the picture upright."""

    taken_at: datetime | None = None
    place: Place | None = None
    turn: Image.Transpose | None = None


def read_metadata(image: Image.Image) -> Metadata:
    """The camera's claims; what is missing or unreadable is None."""
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        position = exif.get_ifd(ExifTags.IFD.GPSInfo)
        turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    except _UNREADABLE_FILE:
        return Metadata()
    return Metadata(_time(details), _place(position), turn)


def _time(details: Mapping[int, Any]) -> datetime | None:
    try:
        local = _text(details[ExifTags.Base.DateTimeOriginal])
        moment = datetime.strptime(local, "%Y:%m:%d %H:%M:%S").replace(tzinfo=_offset(details))
        return moment.astimezone(UTC) if moment >= _EARLIEST else None
    except _UNREADABLE:
        return None


def _offset(details: Mapping[int, Any]) -> timezone:
    try:
        text = _text(details[ExifTags.Base.OffsetTimeOriginal])
        hours, minutes = int(text[1:3]), int(text[4:6])
        span = timedelta(hours=hours, minutes=minutes)
        return timezone(-span if text[0] == "-" else span)
    except _UNREADABLE:
        return _CITY


def _place(position: Mapping[int, Any]) -> Place | None:
    try:
        lat = _degrees(position[ExifTags.GPS.GPSLatitude], _text(position[ExifTags.GPS.GPSLatitudeRef]), "S")
        lon = _degrees(position[ExifTags.GPS.GPSLongitude], _text(position[ExifTags.GPS.GPSLongitudeRef]), "W")
        check_bounds(lon, lat)
    except (*_UNREADABLE, CoordinateError):
        return None
    # A receiver without a fix writes zeros.
    return None if lon == 0 and lat == 0 else Place(lon, lat)


def _degrees(parts: Any, side: str, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    if not isfinite(value):
        raise ValueError("not a number")
    return -value if side.upper() == negative else value


def _text(value: Any) -> str:
    return (value.decode("ascii") if isinstance(value, bytes) else str(value)).strip("\x00 ")
