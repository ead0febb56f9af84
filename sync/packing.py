"""Chance spelled in bytes, half of what text takes: how answers in MessagePack hold ids and hashes.

The values of a form are those of JSON, so a binary among an item's fields can only be one of two things: 16 bytes are
an id, 32 bytes are a hash. Whoever reads needs no form to tell. Ids elsewhere and `Bits64` are known by their types.
"""

from __future__ import annotations

import re
from typing import Any, cast
from uuid import UUID

from schemas.forms import CompiledType
from schemas.wire import Bits64

Fields = dict[str, Any]
_ID, _HASH = 16, 32


def packed(compiled: CompiledType, fields: Fields) -> Fields:
    """An item's fields with the ids it refers to, and the hashes of its photos, in bytes."""
    found: Fields = {}
    for key in compiled.reference_fields:
        if key in fields:
            found[key] = _packed_id(fields[key])
    key = compiled.photo_field
    if key in fields and isinstance(fields[key], list):
        found[key] = [_packed_photo(photo) for photo in fields[key]]
    return fields | found if found else fields


def unpacked(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {key: unpacked(one) for key, one in cast("Fields", value).items()}
    if isinstance(value, list):
        return [unpacked(one) for one in cast("list[Any]", value)]
    if isinstance(value, bytes):
        return str(UUID(bytes=value)) if len(value) == _ID else value.hex()
    return value


def to_bytes(value: Any) -> bytes:
    """What `Bits64` are in MessagePack: for an encoder. Raises TypeError for anything else."""
    return bytes.fromhex(_bits(value))


def to_text(value: Any) -> str:
    """What `Bits64` are in JSON: for an encoder. Raises TypeError for anything else."""
    return str(_bits(value))


def read_bits(kind: type, value: Any) -> Any:
    """`Bits64` out of either: for a decoder. Raises ValueError for anything else."""
    text = value.hex() if isinstance(value, bytes) else value
    if kind is not Bits64 or not isinstance(text, str) or len(text) != 16 or set(text) - _DIGITS:
        raise ValueError("not 64 bits")
    return Bits64(text)


def _bits(value: Any) -> Bits64:
    if not isinstance(value, Bits64):
        raise TypeError(f"{type(value).__name__} does not travel")
    return value


def _packed_id(value: Any) -> Any:
    """An id of the one spelling that `unpacked` gives back; what a form of another time held stays as it is."""
    if isinstance(value, str) and _ID_TEXT.fullmatch(value):
        return bytes.fromhex(value.replace("-", ""))
    return value


def _packed_photo(photo: Any) -> Any:
    text = photo.get("sha256") if isinstance(photo, dict) else None
    return {**photo, "sha256": bytes.fromhex(text)} if isinstance(text, str) and len(text) == 2 * _HASH else photo


_DIGITS = frozenset("0123456789abcdef")
_ID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
