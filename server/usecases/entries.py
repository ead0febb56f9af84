"""Feed entries as they travel: with the bodies that all readers of a stream see, encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from schemas.wire import Bits64, Entry, EntryItem, NoticeBody
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.bodies import entry_items, notice_bodies
from sync.feed import to_hex, unsigned64
from sync.framing import Form, encode_entry


class EncodedEntry(NamedTuple):
    """An entry's row and its bytes in the answer's form."""

    row: Row
    raw: msgspec.Raw


async def encoded_entries(
    connection: Connection, services: Services, rows: Sequence[Row], form: Form
) -> list[EncodedEntry]:
    """The rows with their bytes, in the same order; whoever calls has decided that they may be read."""
    items = await entry_items(connection, services, _ids(rows, is_item=True), form)
    notices = await notice_bodies(connection, services, _ids(rows, is_item=False))
    return [EncodedEntry(row, encode_entry(_entry(row, items, notices), form)) for row in rows]


def _entry(row: Row, items: Mapping[UUID, EntryItem], notices: Mapping[UUID, NoticeBody]) -> Entry:
    object_id, is_present = row["object_id"], row["present"]
    return Entry(
        position=row["position"],
        kind=row["kind"],
        id=object_id,
        version=row["version"],
        rev=Bits64(to_hex(unsigned64(row["rev"]))),
        touch=row["touch"],
        item=items.get(object_id) if is_present else None,
        notice=notices.get(object_id) if is_present else None,
        erased=row["erased"],
    )


def fitting(entries: Sequence[EncodedEntry], left: int) -> Sequence[EncodedEntry]:
    """As many entries as fit, and at least one while anything fits at all, so that every answer moves on."""
    taken = 0
    for entry in entries:
        if left <= 0:
            break
        left -= len(entry.raw)
        taken += 1
    return entries[:taken]


def size_of(entries: Sequence[EncodedEntry]) -> int:
    """Their bytes together."""
    return sum(len(entry.raw) for entry in entries)


def _ids(rows: Sequence[Row], *, is_item: bool) -> list[UUID]:
    return sorted({row["object_id"] for row in rows if row["present"] and (row["kind"] == "item") is is_item})
