"""Photos as a phone takes them: small JPEG files with a drawn scene, a caption, and EXIF time and place.

EXIF tags are those of CIPA DC-008 (Exif 2.32): the time in the Exif IFD, the place in the GPS IFD.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from random import Random
from typing import Any

from msgspec import Struct
from PIL import Image, ImageDraw
from PIL.ExifTags import GPS, IFD, Base

_SIZES = ((240, 180), (320, 180), (320, 240))
_PHONES = (("HONOR", "Play 40"), ("vivo", "Y36"), ("OPPO", "A58"), ("Xiaomi", "Redmi 12"))


class Photo(Struct, frozen=True):
    """A photo's identity and its bytes."""

    sha256: str
    size: int
    data: bytes

    @property
    def key(self) -> str:
        """The identity as one text."""
        return f"{self.sha256}-{self.size}"


def take_photo(rng: Random, caption: str, taken_at: datetime, at: tuple[float, float] | None) -> Photo:
    """A JPEG of 2 to 30 kB; equal draws, equal bytes.

    `caption` in ASCII; `taken_at` aware; `at`: WGS-84 lon, lat, None where the phone does not tell.
    """
    width, height = rng.choice(_SIZES)
    image = Image.new("RGB", (width, height), _colour(rng, 170, 235))
    draw = ImageDraw.Draw(image)
    _draw_street(draw, rng, width, height)
    draw.rectangle((0, height - 14, width, height), fill=(20, 20, 20))
    draw.text((3, height - 13), f"{caption} {taken_at:%m-%d %H:%M:%S}", fill=(255, 220, 90))
    out = BytesIO()
    image.save(out, "JPEG", quality=rng.randint(55, 80), exif=_exif(rng, taken_at, at))
    data = out.getvalue()
    return Photo(sha256(data).hexdigest(), len(data), data)


def _draw_street(draw: ImageDraw.ImageDraw, rng: Random, width: int, height: int) -> None:
    """Houses with windows along a road, and something round in front."""
    ground = int(height * rng.uniform(0.6, 0.75))
    left = 0
    while left < width:
        right = left + rng.randint(width // 8, width // 4)
        top = rng.randint(height // 8, ground - height // 6)
        draw.rectangle((left, top, right, ground), fill=_colour(rng, 90, 200))
        for row in range(top + 6, ground - 6, 12):
            draw.rectangle((left + 5, row, right - 5, row + 4), fill=_colour(rng, 40, 120))
        left = right + rng.randint(0, 6)
    draw.rectangle((0, ground, width, height), fill=_colour(rng, 80, 130))
    x, y, radius = rng.randint(0, width), rng.randint(ground, height - 16), rng.randint(5, height // 8)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(rng, 0, 255))


def _colour(rng: Random, low: int, high: int) -> tuple[int, int, int]:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def _exif(rng: Random, taken_at: datetime, at: tuple[float, float] | None) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model] = rng.choice(_PHONES)
    written = f"{taken_at:%Y:%m:%d %H:%M:%S}"
    exif[Base.DateTime] = written
    exif.get_ifd(IFD.Exif).update({Base.DateTimeOriginal: written, Base.OffsetTimeOriginal: taken_at.isoformat()[-6:]})
    if at is not None:
        exif.get_ifd(IFD.GPSInfo).update(_gps(taken_at.astimezone(UTC), at))
    return exif


def _gps(utc: datetime, at: tuple[float, float]) -> dict[int, Any]:
    lon, lat = at
    return {
        GPS.GPSLatitudeRef: "N" if lat >= 0 else "S",
        GPS.GPSLatitude: _degrees(abs(lat)),
        GPS.GPSLongitudeRef: "E" if lon >= 0 else "W",
        GPS.GPSLongitude: _degrees(abs(lon)),
        GPS.GPSTimeStamp: (float(utc.hour), float(utc.minute), float(utc.second)),
        GPS.GPSDateStamp: f"{utc:%Y:%m:%d}",
        GPS.GPSMapDatum: "WGS-84",
    }


def _degrees(value: float) -> tuple[float, float, float]:
    """Degrees, minutes and seconds, to a few centimetres."""
    minutes = value * 60 % 60
    return float(int(value)), float(int(minutes)), round(minutes * 60 % 60, 3)
