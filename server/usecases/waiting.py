"""What waits for a device in its streams, read stream after stream until the page is full.

A device that begins anew lacks far more than one page holds: what would not fit is not read, opened and encoded either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from schemas.wire import Cursor, Repair
from server.db import feed
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.entries import EncodedEntry, encoded_entries, size_of
from sync.framing import Form

# How many entries fill the page is guessed at first, and then told by those that were read.
_GUESSED_BYTES = 1_000
_MOST_ROWS = 2_000


class Start(NamedTuple):
    """Where the reading of one stream begins."""

    stream: Row
    cursor: Cursor
    reset: bool
    gained: bool
    asked: Repair | None


class Waiting(Struct):
    """What was read of one stream; `whole`: nothing is left behind it."""

    start: Start
    entries: list[EncodedEntry]
    whole: bool

    @property
    def position(self) -> int:
        """How far it was read."""
        return self.entries[-1].position if self.entries else self.start.cursor.position


async def read_waiting(
    connection: Connection, services: Services, starts: Sequence[Start], form: Form, max_bytes: int
) -> list[Waiting]:
    """The entries after each cursor, in the order of `starts`; those of the last streams only if the page has room.

    Over a jump to the head a device still has to learn what was erased: it may hold more of it than a membership.
    """
    waiting = [Waiting(start, [], start.cursor.position >= start.stream["head"]) for start in starts]
    resets = [start.stream["id"] for start in starts if start.reset]
    await _add(connection, services, waiting, await feed.erased_absences(connection, resets), form)
    read = held = 0
    while held < max_bytes and (behind := [one for one in waiting if not one.whole]):
        each = held // read if read else _GUESSED_BYTES
        reads = _next_reads(behind, min((max_bytes - held) // max(each, 1) + 1, _MOST_ROWS))
        rows = await feed.entries_after(connection, reads)
        await _add(connection, services, behind, rows, form)
        _note_whole(behind, reads, rows)
        read, held = read + len(rows), sum(size_of(one.entries) for one in waiting)
    return waiting


def _next_reads(behind: Sequence[Waiting], most: int) -> list[feed.Reading]:
    """Where to go on, for at most so many entries: no stream holds more than there are positions up to its head."""
    reads: list[feed.Reading] = []
    for one in behind:
        asked = min(most, one.start.stream["head"] - one.position)
        if asked:
            reads.append((one.start.stream["id"], one.position, one.start.cursor.fill, asked))
            most -= asked
    return reads


async def _add(
    connection: Connection, services: Services, waiting: Sequence[Waiting], rows: Sequence[Row], form: Form
) -> None:
    by_stream = {one.start.stream["id"]: one for one in waiting}
    for entry in await encoded_entries(connection, services, rows, form):
        by_stream[entry.stream_id].entries.append(entry)


def _note_whole(behind: Sequence[Waiting], reads: Sequence[feed.Reading], rows: Sequence[Row]) -> None:
    """A stream that reached its head, or gave less than it was asked for, has no more."""
    given = Counter(row["stream_id"] for row in rows)
    for one, (stream_id, _, _, asked) in zip(behind, reads, strict=False):
        one.whole = given[stream_id] < asked or one.position == one.start.stream["head"]
