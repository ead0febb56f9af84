"""Items as the core sees them: the head, its past, and what is open about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

Fields = dict[str, Any]

_CANONICAL = msgspec.json.Encoder(order="sorted")
id_text: Callable[[UUID], str] = msgspec.to_builtins
"""An id as it is written: `str` takes four times as long for one that does not come from the database."""

_BLOCK = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class ItemState(Struct, frozen=True, gc=False):
    """The head of an item. `rev` is unsigned; `fields` holds only keys that have a value."""

    id: UUID
    type: str
    grid_id: UUID | None
    stream_class: str
    author_id: UUID
    in_own_stream: bool
    version: int
    rev: int
    touch: int
    deleted: bool
    urgency: str
    fields: Fields
    captured_at: datetime
    received_at: datetime
    updated_at: datetime


class Past(Struct, frozen=True, gc=False):
    """One earlier revision: which fields it changed, to what, and from which device it came (None: the console)."""

    version: int
    rev: int
    device_id: UUID | None
    fields: Fields


def revision_rev(secret: bytes, item: ItemState) -> int:
    """The `content_rev` of an item's head."""
    return content_rev(
        secret, item.id, item.type, item.version, item.grid_id, item.urgency, item.fields, deleted=item.deleted
    )


def content_rev(
    secret: bytes,
    item_id: UUID,
    type_code: str,
    version: int,
    grid_id: UUID | None,
    urgency: str,
    fields: Fields,
    *,
    deleted: bool = False,
) -> int:
    """64 bits of HMAC-SHA-256 under the item's key over its identity and content, unsigned.

    Two histories that reach the same version with other content differ in it, and nobody without the key can tell
    the content by trying.
    """
    content = _CANONICAL.encode([item_id, type_code, version, deleted, grid_id or "None", urgency, fields])
    return int.from_bytes(_hmac(secret, content)[:8], "big")


def _hmac(secret: bytes, content: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104) under a key of at most 64 bytes: `hmac.digest` takes twice as long to get ready."""
    key = secret.ljust(_BLOCK, b"\0")
    inner = sha256(key.translate(_INNER) + content).digest()
    return sha256(key.translate(_OUTER) + inner).digest()


def stream_keys(item: ItemState) -> frozenset[str]:
    """The streams that carry the item: none once it is deleted, only its author's own while it has no grid."""
    if item.deleted:
        return frozenset()
    if item.stream_class == "author" or item.grid_id is None:
        return frozenset((_own_stream(item.author_id),))
    there = class_stream(item.stream_class, item.grid_id)
    return frozenset((there, _own_stream(item.author_id)) if item.in_own_stream else (there,))


def _own_stream(user_id: UUID) -> str:
    """The key of a user's own stream."""
    return f"own/{id_text(user_id)}"


def class_stream(stream_class: str, grid_id: UUID) -> str:
    """The key of a grid's stream of one class."""
    return f"{'restricted' if stream_class == 'grid_restricted' else 'grid'}/{grid_id}"


def without_nulls(fields: Fields) -> Fields:
    """Only keys that have a value: an absent field and a null one are the same. Itself where there is none."""
    for value in fields.values():
        if value is None:
            return {key: value for key, value in fields.items() if value is not None}
    return fields


def referred(text: str) -> UUID:
    """The item that a field refers to, its form checked: `UUID(text)` in a third of the time."""
    return msgspec.convert(text, UUID)
