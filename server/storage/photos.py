"""What the bytes of a photo say: a pure function from bytes to facts, or to the reason why they are refused.

Only what Pillow decodes by itself and phones write or export: JPEG, PNG and WebP. The bytes come from outside, so every
dimension is checked before anything is allocated for it, and the thumbnail is made from decoded pixels alone: nothing
of the metadata survives in it.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from PIL import Image

from schemas.forms.values import PHOTO_MAX_BYTES
from server.storage.exif import Metadata, Place, read_metadata

MAX_BYTES = PHOTO_MAX_BYTES
"""Largest photo taken, in bytes: as large as a form may name one."""

THUMBNAIL_SIDE = 320
"""Longer side of a thumbnail, in pixels."""

# Phones that write 64 megapixels write baseline JPEG, which is decoded at a fraction of its size; everything else is
# decoded whole, at up to 4 bytes a pixel.
_MAX_PIXELS_SCALED = 66_000_000
_MAX_PIXELS_WHOLE = 26_000_000
# A progressive JPEG has about ten scans; each costs a pass over the whole picture, however few bytes it takes.
_MAX_SCANS = 64
_START_OF_SCAN = b"\xff\xda"

_MEDIA_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_FORMATS = ("JPEG", "PNG", "WEBP")


class PhotoRefused(Exception):
    """The bytes are not what was declared, or no photo that can be shown; `code` is an entry of the error catalogue."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Identity(NamedTuple):
    """What a photo is known by: the SHA-256 of its bytes (32 bytes) and their number."""

    sha256: bytes
    size: int


@dataclass(frozen=True)
class Photo:
    """What was found in the bytes. `taken_at` (UTC) and `place` (WGS-84) are the camera's own claims."""

    media_type: str
    width: int
    height: int
    taken_at: datetime | None
    place: Place | None
    thumbnail: bytes = field(repr=False)


def examine(data: bytes, claimed: Identity) -> Photo:
    """Hold the bytes against the claim and decode them; raises PhotoRefused."""
    if len(data) != claimed.size:
        raise PhotoRefused("photo_size_differs")
    if hashlib.sha256(data).digest() != claimed.sha256:
        raise PhotoRefused("photo_hash_differs")
    with _open(data) as image:
        return _decode(image, data)


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError:
        raise PhotoRefused("photo_too_many_pixels") from None
    except Image.UnidentifiedImageError:
        raise PhotoRefused("photo_type_unknown") from None
    except MemoryError:
        raise
    except Exception as error:
        # Decoders raise whatever a crafted header leads them to: all of it means the same.
        raise PhotoRefused("photo_undecodable") from error


def _decode(image: Image.Image, data: bytes) -> Photo:
    width, height = image.size
    _check_cost(image, data)
    metadata = read_metadata(image)
    try:
        thumbnail = _thumbnail(image, metadata)
    except MemoryError:
        raise
    except Exception as error:
        raise PhotoRefused("photo_undecodable") from error
    media_type = _MEDIA_TYPES[image.format or ""]
    return Photo(media_type, width, height, metadata.taken_at, metadata.place, thumbnail)


def _check_cost(image: Image.Image, data: bytes) -> None:
    jpeg = image.format in ("JPEG", "MPO")
    scaled = jpeg and "progressive" not in image.info
    if image.width * image.height > (_MAX_PIXELS_SCALED if scaled else _MAX_PIXELS_WHOLE):
        raise PhotoRefused("photo_too_many_pixels")
    if jpeg and data.count(_START_OF_SCAN) > _MAX_SCANS:
        raise PhotoRefused("photo_undecodable")


def _thumbnail(image: Image.Image, metadata: Metadata) -> bytes:
    # A hint to the JPEG decoder alone: a half, quarter or eighth of the size while it reads every byte.
    image.draft("RGB", (2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE))
    image.load()
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
    if metadata.turn is not None:
        small = small.transpose(metadata.turn)
    # From the pixels alone, so that no metadata can come along.
    plain = Image.frombytes("RGB", small.size, small.convert("RGB").tobytes())
    written = io.BytesIO()
    plain.save(written, "JPEG", quality=80, optimize=True)
    return written.getvalue()
