"""Pictures for tests, made by Pillow from a seed, and their metadata written the way cameras do."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from PIL import ExifTags, Image

from server.storage.photos import Identity


def picture(seed: int = 0, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A picture whose left half is red and whose right half depends on the seed."""
    image = Image.new("RGB", size, (seed * 37 % 256, seed * 11 % 256, 200))
    image.paste((220, 20, 20), (0, 0, size[0] // 2, size[1]))
    return image


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """The file that holds the picture."""
    written = io.BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def jpeg(seed: int = 0, size: tuple[int, int] = (640, 480), **claims: Any) -> bytes:
    """A JPEG, with metadata where any is given (see `exif`)."""
    return encoded(picture(seed, size), exif=exif(**claims)) if claims else encoded(picture(seed, size))


def exif(
    taken: str | None = None,
    offset: str | None = None,
    place: tuple[float, float] | None = None,
    orientation: int | None = None,
) -> Image.Exif:
    """Metadata: local time `YYYY:MM:DD hh:mm:ss`, its offset, (longitude, latitude) in degrees, orientation 1 to 8."""
    written = Image.Exif()
    if orientation is not None:
        written[ExifTags.Base.Orientation] = orientation
    details = written.get_ifd(ExifTags.IFD.Exif)
    if taken is not None:
        details[ExifTags.Base.DateTimeOriginal] = taken
    if offset is not None:
        details[ExifTags.Base.OffsetTimeOriginal] = offset
    if place is not None:
        written.get_ifd(ExifTags.IFD.GPSInfo).update(_position(*place))
    return written


def _position(lon: float, lat: float) -> dict[int, Any]:
    return {
        ExifTags.GPS.GPSLatitudeRef: "N" if lat >= 0 else "S",
        ExifTags.GPS.GPSLatitude: _sexagesimal(abs(lat)),
        ExifTags.GPS.GPSLongitudeRef: "E" if lon >= 0 else "W",
        ExifTags.GPS.GPSLongitude: _sexagesimal(abs(lon)),
    }


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    minutes = (degrees % 1) * 60
    return float(int(degrees)), float(int(minutes)), (minutes % 1) * 60


def identity(data: bytes) -> Identity:
    """What these bytes are truly known by."""
    return Identity(hashlib.sha256(data).digest(), len(data))
