"""Feed entries as they travel: with the bodies that all readers of a stream see, encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Raw, Struct

from schemas.wire import Entry, NoticeBody
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.bodies import ItemTeller, notice_bodies
from sync.framing import Form, encode_entry, spelled_bits


class EncodedEntry(Struct, frozen=True, gc=False):
    """An entry's place and its bytes in the answer's form. It holds no row: those are many, and large."""

    stream_id: int
    position: int
    raw: Raw


async def encoded_entries(
    connection: Connection, services: Services, rows: Sequence[Row], form: Form
) -> list[EncodedEntry]:
    """The rows with their bytes, in the same order; whoever calls has decided that they may be read."""
    teller = ItemTeller(services, form)
    notices = await notice_bodies(connection, services, _notices(rows))
    return [_encoded(row, teller, notices, form) for row in rows]


def _encoded(row: Row, teller: ItemTeller, notices: Mapping[UUID, NoticeBody], form: Form) -> EncodedEntry:
    stream_id, object_id, kind, position, present, version, rev, touch, erased, _, *columns = row.values()
    item = teller.tell(object_id, columns) if columns and columns[0] is not None else None
    notice = notices.get(object_id) if present and kind != "item" else None
    told = Entry(position, kind, object_id, version, spelled_bits(rev, form), touch, item, notice, erased)
    return EncodedEntry(stream_id, position, encode_entry(told, form))


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


def _notices(rows: Sequence[Row]) -> list[UUID]:
    return sorted({row["object_id"] for row in rows if row["present"] and row["kind"] != "item"})
