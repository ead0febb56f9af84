"""What a device or an office and the server say to each other about photos; their bytes go other ways."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from schemas.wire import Hex64

MOST_PHOTOS = 100
"""Photos named in one request."""

PhotoState = Literal["declared", "uploading", "stored", "verified", "refused"]
PhotoSize = Annotated[int, Meta(ge=1, lt=2**53)]


class PhotoRef(Struct, frozen=True):
    """A photo: SHA-256 and number of its bytes."""

    sha256: Hex64
    size: PhotoSize


class PhotosDeclared(Struct, frozen=True):
    """The photos whose bytes the sender holds."""

    photos: Annotated[list[PhotoRef], Meta(min_length=1, max_length=MOST_PHOTOS)]


class WayIn(Struct, frozen=True):
    """Where the bytes are to be PUT, plainly, without further headers, before it expires (UTC).

    Or appended to `/v1/uploads/<id>`, where the network is bad.
    """

    id: UUID
    url: str
    expires_at: datetime


class DeclaredPhoto(Struct, frozen=True):
    """How far a photo has come; `upload` is given where its bytes are missing.

    `code` is given for a photo that can never be taken, with the words for a person.
    """

    sha256: str
    size: int
    state: PhotoState
    upload: WayIn | None = None
    code: str | None = None
    zh: str | None = None
    en: str | None = None


class DeclarationAnswer(Struct, frozen=True):
    """The photos in the order in which they were named."""

    photos: list[DeclaredPhoto]


class PhotosUploaded(Struct, frozen=True):
    """The uploads whose bytes were sent."""

    uploads: Annotated[list[UUID], Meta(min_length=1, max_length=MOST_PHOTOS)]


class UploadedPhoto(Struct, frozen=True):
    """How far the photo of an upload has come; `code` tells why its bytes were not taken, with words for a person."""

    upload: UUID
    sha256: str
    size: int
    state: PhotoState
    code: str | None = None
    zh: str | None = None
    en: str | None = None


class UploadedAnswer(Struct, frozen=True):
    """The caller's own uploads in the order in which they were named; `unknown` are not his, or were never given."""

    photos: list[UploadedPhoto]
    unknown: list[UUID] = []


class PhotoAddress(Struct, frozen=True):
    """Where a photo can be read until the address expires (UTC)."""

    url: str
    expires_at: datetime
    media_type: str
