"""What is left of an erased item, and of the change sets that held it."""

from __future__ import annotations

import re
from collections.abc import Set
from uuid import UUID

import msgspec

from schemas.forms import CompiledType
from schemas.item_type import FieldType
from sync.framing import Form, Unreadable, decode_change, decode_set, encode_set, set_form
from sync.items import Fields

FIGURES: frozenset[FieldType] = frozenset({"integer", "decimal", "boolean", "date", "datetime", "enum"})
"""Values that are counted. Free text, points, photos and references to other items tell of somebody and are not."""

_NOTHING = {"json": msgspec.Raw(b"null"), "msgpack": msgspec.Raw(b"\xc0")}
# Ids as JSON and MessagePack write them: text with or without hyphens, or 16 bytes of binary.
_TEXT_ID = re.compile(rb"[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}")
_BINARY_ID = re.compile(rb"\xc4\x10(.{16})", re.DOTALL)


def figures_of(compiled: CompiledType, fields: Fields) -> Fields:
    """What stays of an erased item's values: those that are not marked and are of a kind that is counted."""
    kept = {key for key, field in compiled.fields.items() if field.type in FIGURES} - compiled.marked
    return {key: value for key, value in fields.items() if key in kept}


def items_named(raw: bytes) -> frozenset[UUID]:
    """The items that a set is about; where it cannot be read, every id that stands there."""
    try:
        change_set = decode_set(raw)
    except Unreadable:
        return ids_in(raw)
    form = set_form(raw)
    return frozenset(item for change in change_set.changes for item in _items_of(change, form))


def without(raw: bytes, items: Set[UUID], wanted: Set[int] | None = None) -> bytes | None:
    """A set's bytes with nothing in the place of each change that is about one of these items.

    Of the others only those at the places `wanted` are left, or all. None where nothing is left, or where the set
    cannot be read and names one of the items somewhere.
    """
    try:
        change_set = decode_set(raw)
    except Unreadable:
        return None
    form = set_form(raw)
    nothing = bytes(_NOTHING[form])
    left = {
        place
        for place, change in enumerate(change_set.changes)
        if (wanted is None or place in wanted) and bytes(change) != nothing and not _items_of(change, form) & items
    }
    if not left:
        return None
    changes = [change if place in left else _NOTHING[form] for place, change in enumerate(change_set.changes)]
    return encode_set(msgspec.structs.replace(change_set, changes=changes), form)


def _items_of(change: msgspec.Raw, form: Form) -> frozenset[UUID]:
    try:
        return frozenset({decode_change(change, form).item})
    except Unreadable:
        return ids_in(bytes(change))


def ids_in(raw: bytes) -> frozenset[UUID]:
    """Every id that stands in bytes that cannot be read."""
    texts = {UUID(found.decode()) for found in _TEXT_ID.findall(raw)}
    return frozenset(texts | {UUID(bytes=found) for found in _BINARY_ID.findall(raw)})
