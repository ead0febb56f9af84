"""Moves the entries of changed objects to the head of the streams that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from server.db import feed
from server.db.database import Row, Transaction
from server.db.feed import FirstEntry
from server.usecases.sealed_items import head
from sync.feed import entry_hash, signed64
from sync.items import ItemState, stream_keys

_ORDER = attrgetter("id.int")
"""As the database orders ids, told by whole numbers, which are compared faster."""


class FeedWrite(Struct, frozen=True):
    """An object's new entry in one stream; `present` false leaves an absence behind."""

    stream: str
    object_id: UUID
    kind: str
    present: bool
    version: int
    rev: int = 0
    touch: int = 0


def writes_for_item(before: ItemState | None, after: ItemState) -> list[FeedWrite]:
    """Entries for an item that changed: present where it now is, absent where it was before."""
    now = stream_keys(after)
    gone = stream_keys(before) - now if before else frozenset[str]()
    return [
        FeedWrite(key, after.id, "item", key in now, after.version, after.rev, after.touch)
        for key in sorted(now | gone)
    ]


def writes_for_notices(rows: Iterable[Row]) -> list[FeedWrite]:
    """Entries in their users' own streams for notices that were opened, changed or closed."""
    return [FeedWrite(f"own/{row['user_id']}", row["id"], row["kind"], row["open"], row["version"]) for row in rows]


async def write_feed(tx: Transaction, writes: Sequence[FeedWrite], new: Sequence[ItemState] = ()) -> None:
    """Lock the streams (last of all locks, in one order) and hand out positions.

    `new`: items that no stream ever held, and that `writes` do not name.
    """
    first: dict[str, list[ItemState]] = {}
    for item in sorted(new, key=_ORDER):
        for key in stream_keys(item):
            first.setdefault(key, []).append(item)
    keys = {write.stream for write in writes}.union(first)
    if not keys:
        return
    ids = await feed.lock_streams(tx, sorted(keys))
    tx.moved.update(ids)
    if first:
        await feed.begin(tx.connection, _first_entries(first, ids))
    if writes:
        await feed.write(tx.connection, [feed_row(write, ids[write.stream]) for write in writes])


def _first_entries(first: Mapping[str, Sequence[ItemState]], ids: Mapping[str, int]) -> Iterator[FirstEntry]:
    """The entries of new items by stream, in each stream in the order of its items."""
    for key, items in first.items():
        stream_id = ids[key]
        for place, item in enumerate(items, 1):
            object_id, version, rev, touch = item.id, item.version, item.rev, item.touch
            hashed = signed64(entry_hash(object_id, version, rev, touch))
            yield stream_id, object_id, place, version, signed64(rev), touch, hashed


async def touch_items(tx: Transaction, item_ids: Iterable[UUID], also: Sequence[FeedWrite] = ()) -> None:
    """A change of review, case or evidence: count up each item's touch and move its entries.

    `also`: entries of the same transaction, so that all streams are locked in one order. The caller holds the items'
    locks, or has no other lock that it could wait for in another order.
    """
    ids = sorted(set(item_ids))
    rows = await feed.touch_items(tx.connection, ids) if ids else []
    items = [head(row, {}) for row in rows]
    await write_feed(tx, [*(write for item in items for write in writes_for_item(None, item)), *also])


def feed_row(write: FeedWrite, stream_id: int) -> dict[str, Any]:
    """An entry as its row, without its position; what is absent adds nothing to the stream's digest."""
    hashed = entry_hash(write.object_id, write.version, write.rev, write.touch) if write.present else 0
    row = msgspec.structs.asdict(write)
    del row["stream"]
    return row | {"stream_id": stream_id, "rev": signed64(write.rev), "hash": signed64(hashed)}
