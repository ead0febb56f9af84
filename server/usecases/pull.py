"""Answers what a device has not yet got: all of it read in one snapshot.

    scope -> heads -> what waits after each cursor -> pages, cut by bytes

A digest is given only for a stream that the answer completes: only there does the device hold whole change sets, and
only there can the two be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schemas.wire import Bits64, Cursor, Repair, StreamPage
from server.db import feed
from server.db.database import Connection, Row
from server.metrics import PULLED_ENTRIES
from server.services import Services
from server.usecases.entries import EncodedEntry, fitting, size_of
from server.usecases.repairing import answer_repairs
from server.usecases.waiting import Start, Waiting, read_waiting
from sync.feed import make_mark, to_hex, unsigned64
from sync.framing import Form

# A stream that nothing was ever written to has no row yet.
_EMPTY: dict[str, Any] = {"id": 0, "head": 0, "digest": 0, "gc_floor": 0}


class Pulled(NamedTuple):
    """The pull half of an answer; entries are already encoded in the answer's form."""

    gained: list[str]
    lost: list[str]
    pages: list[StreamPage]
    more: bool
    mark: str | None


async def pull(
    connection: Connection,
    services: Services,
    *,
    scope: Sequence[str],
    epoch: str,
    directives: Sequence[UUID],
    cursors: Mapping[str, Cursor],
    repairs: Mapping[str, Repair],
    form: Form,
    max_bytes: int,
) -> Pulled:
    """Pages of every stream in scope that has something after its cursor, at most about `max_bytes` in all.

    A stream that `repairs` names without a cursor is held by the device since another epoch. `connection` is one
    snapshot, in which the scope was read too.
    """
    streams: dict[str, Row] = {key: _EMPTY | {"key": key} for key in scope}
    streams |= {row["key"]: row for row in await feed.streams_of_scope(connection, scope)}
    starts = [_start(streams[key], cursors.get(key), repairs.get(key)) for key in scope]
    waiting = await read_waiting(connection, services, starts, form, max_bytes)
    pages, more, left = _pages(waiting, max_bytes)
    pages = await _repaired(connection, services, pages, starts, form, left)
    PULLED_ENTRIES.inc(sum(map(_entries_on, pages)))
    heads = {key: streams[key]["head"] for key in scope}
    held = dict.fromkeys([*cursors, *repairs])
    return Pulled(
        gained=[key for key in scope if key not in held],
        lost=[key for key in held if key not in heads],
        pages=pages,
        more=more,
        mark=None if more else make_mark(epoch, services.catalogue.version, heads, directives),
    )


async def current_mark(
    connection: Connection, services: Services, scope: Sequence[str], epoch: str, directives: Sequence[UUID]
) -> str:
    """The mark of a device that holds everything and was told these directives."""
    heads = await feed.heads_of_scope(connection, scope)
    return make_mark(epoch, services.catalogue.version, {key: heads.get(key, 0) for key in scope}, directives)


def _start(stream: Row, held: Cursor | None, asked: Repair | None) -> Start:
    """From zero the fill is up to the head as it is now; a cursor that cannot be used jumps there, to be compared."""
    gained = held is None and asked is None
    if gained or (held is not None and held.position == 0):
        return Start(stream, Cursor(0, stream["head"]), False, gained, asked)
    if held is None or held.position > stream["head"] or stream["gc_floor"] > max(held.position, held.fill):
        return Start(stream, Cursor(stream["head"], stream["head"]), True, False, asked)
    return Start(stream, held, False, False, asked)


def _pages(waiting: Sequence[Waiting], max_bytes: int) -> tuple[list[StreamPage], bool, int]:
    """The pages of those streams of which there is something to tell, whether more waits, and the bytes left."""
    pages: list[StreamPage] = []
    left = max_bytes
    more = False
    for one in waiting:
        start, taken = one.start, fitting(one.entries, left)
        left -= size_of(taken)
        complete = one.whole and len(taken) == len(one.entries)
        more = more or not complete
        moved = complete and start.cursor.position < start.stream["head"]
        if taken or moved or start.gained or start.reset or start.asked:
            pages.append(_page(start, taken, complete))
    return pages, more, left


def _entries_on(page: StreamPage) -> int:
    return len(page.entries) + (len(page.repaired.entries) if page.repaired else 0)


def _page(start: Start, taken: Sequence[EncodedEntry], complete: bool) -> StreamPage:
    position = taken[-1].position if taken else start.cursor.position
    encoded: Any = [entry.raw for entry in taken]
    return StreamPage(
        stream=start.stream["key"],
        entries=encoded,
        cursor=Cursor(start.stream["head"] if complete else position, start.cursor.fill),
        more=not complete,
        digest=Bits64(to_hex(unsigned64(start.stream["digest"]))) if complete else None,
        reset=start.reset,
    )


async def _repaired(
    connection: Connection,
    services: Services,
    pages: Sequence[StreamPage],
    starts: Sequence[Start],
    form: Form,
    left: int,
) -> list[StreamPage]:
    """The pages with what they tell of a comparison; only what is complete can be compared."""
    whole = {page.stream for page in pages if not page.more}
    asking = [start for start in starts if start.asked != Repair() and start.stream["key"] in whole]
    asked = {start.stream["id"]: start.asked for start in asking if start.asked}
    told = await answer_repairs(connection, services, asked, form, left)
    by_key = {start.stream["key"]: told.get(start.stream["id"]) for start in starts}
    return [msgspec.structs.replace(page, repaired=by_key[page.stream]) for page in pages]
