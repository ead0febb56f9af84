"""Answers what a device has not yet got: all of it read in one snapshot.

    scope -> heads -> entries after each cursor -> bodies -> pages, cut by bytes

A digest is given only for a stream that the answer completes: only there does the device hold whole change sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schemas.wire import Cursor, Entry, StreamPage
from server.db import feed
from server.db.database import Connection, Row
from server.metrics import PULLED_ENTRIES
from server.services import Services
from server.usecases.bodies import item_bodies, notice_bodies
from sync.feed import make_mark, to_hex, unsigned64
from sync.framing import Form

# No answer needs more entries of one stream than fit into a page of the smallest entries.
_ENTRIES_PER_STREAM = 2_000

# A stream that nothing was ever written to has no row yet.
_EMPTY: dict[str, Any] = {"id": 0, "head": 0, "digest": 0, "gc_floor": 0}

_ENCODERS = {"json": msgspec.json.Encoder(), "msgpack": msgspec.msgpack.Encoder()}


class Pulled(NamedTuple):
    """The pull half of an answer; entries are already encoded in the answer's form."""

    gained: list[str]
    lost: list[str]
    pages: list[StreamPage]
    more: bool
    mark: str | None


class _Start(NamedTuple):
    """Where the reading of one stream begins."""

    stream: Row
    cursor: Cursor
    reset: bool
    gained: bool


async def pull(
    connection: Connection,
    services: Services,
    *,
    scope: Sequence[str],
    epoch: str,
    cursors: Mapping[str, Cursor],
    form: Form,
    max_bytes: int,
) -> Pulled:
    """Pages of every stream in scope that has something after its cursor, at most about `max_bytes` in all.

    `connection` is one snapshot, in which the scope was read too.
    """
    streams: dict[str, Row] = {key: _EMPTY | {"key": key} for key in scope}
    streams |= {row["key"]: row for row in await feed.streams_of_scope(connection, scope)}
    starts = [_start(streams[key], cursors.get(key)) for key in scope]
    behind = [start for start in starts if start.cursor.position < start.stream["head"]]
    entries = await _entries(connection, services, behind, form)
    pages, more = _pages(starts, entries, max_bytes)
    PULLED_ENTRIES.inc(sum(len(page.entries) for page in pages))
    heads = {key: streams[key]["head"] for key in scope}
    return Pulled(
        gained=[key for key in scope if key not in cursors],
        lost=[key for key in cursors if key not in heads],
        pages=pages,
        more=more,
        mark=None if more else make_mark(epoch, heads),
    )


async def current_mark(connection: Connection, scope: Sequence[str], epoch: str) -> str:
    """The mark of a device that holds everything."""
    heads = await feed.heads_of_scope(connection, scope)
    return make_mark(epoch, {key: heads.get(key, 0) for key in scope})


def _start(stream: Row, held: Cursor | None) -> _Start:
    """A cursor that cannot be used begins again; one at zero begins a fill at the head as it is now."""
    cursor = held or Cursor()
    reset = cursor.position > stream["head"] or stream["gc_floor"] > max(cursor.position, cursor.fill)
    if reset or cursor.position == 0:
        cursor = Cursor(0, stream["head"])
    return _Start(stream, cursor, reset and held is not None and held.position > 0, held is None)


async def _entries(
    connection: Connection, services: Services, behind: Sequence[_Start], form: Form
) -> dict[int, list[tuple[int, msgspec.Raw]]]:
    """Per stream the entries after its cursor, encoded: (position, bytes)."""
    reads = [(start.stream["id"], start.cursor.position, start.cursor.fill) for start in behind]
    rows = await feed.entries_after(connection, reads, _ENTRIES_PER_STREAM)
    items = await item_bodies(connection, services, _ids(rows, is_item=True))
    notices = await notice_bodies(connection, services, _ids(rows, is_item=False))
    entries: dict[int, list[tuple[int, msgspec.Raw]]] = {}
    for row in rows:
        entry = Entry(
            position=row["position"],
            kind=row["kind"],
            id=row["object_id"],
            version=row["version"],
            rev=to_hex(unsigned64(row["rev"])),
            touch=row["touch"],
            item=items.get(row["object_id"]) if row["present"] else None,
            notice=notices.get(row["object_id"]) if row["present"] else None,
        )
        encoded = msgspec.Raw(_ENCODERS[form].encode(entry))
        entries.setdefault(row["stream_id"], []).append((row["position"], encoded))
    return entries


def _ids(rows: Sequence[Row], *, is_item: bool) -> list[UUID]:
    return sorted({row["object_id"] for row in rows if row["present"] and (row["kind"] == "item") is is_item})


def _pages(
    starts: Sequence[_Start], entries: Mapping[int, list[tuple[int, msgspec.Raw]]], max_bytes: int
) -> tuple[list[StreamPage], bool]:
    pages: list[StreamPage] = []
    left = max_bytes
    more = False
    for start in starts:
        waiting = entries.get(start.stream["id"], [])
        taken = _take(waiting, left)
        left -= sum(len(encoded) for _, encoded in taken)
        complete = len(taken) == len(waiting) and len(waiting) < _ENTRIES_PER_STREAM
        more = more or not complete
        if taken or start.gained or start.reset or (complete and start.cursor.position < start.stream["head"]):
            pages.append(_page(start, taken, complete))
    return pages, more


def _take(waiting: Sequence[tuple[int, msgspec.Raw]], left: int) -> Sequence[tuple[int, msgspec.Raw]]:
    """As many entries as fit, and at least one while anything fits at all, so that every answer moves on."""
    taken = 0
    for _, encoded in waiting:
        if left <= 0:
            break
        left -= len(encoded)
        taken += 1
    return waiting[:taken]


def _page(start: _Start, taken: Sequence[tuple[int, msgspec.Raw]], complete: bool) -> StreamPage:
    position = start.stream["head"] if complete else taken[-1][0] if taken else start.cursor.position
    encoded: Any = [entry for _, entry in taken]
    return StreamPage(
        stream=start.stream["key"],
        entries=encoded,
        cursor=Cursor(position, start.cursor.fill),
        more=not complete,
        digest=to_hex(unsigned64(start.stream["digest"])) if complete else None,
        reset=start.reset,
    )
