"""Compaction: absences that are old enough are removed from the feeds.

A feed has one entry for each object, so what is present never piles up; what has left a stream would. A phone that was
away for longer than absences are kept finds its cursor below the stream's floor, and is told to compare what it holds
instead of being told what left. The time is longer than the offline lease, after which nothing that a phone brings is
applied as it stands anyway.

Absences of erased items are kept for good: they are few, and a phone that comes back shall forget its drafts too, not
only drop an entry.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from server.db import compaction
from server.db.database import Transaction
from server.metrics import COMPACTED
from server.services import Services

_STREAMS = 500
_BATCH = 1_000
"""Entries removed in one transaction, under the lock of one stream."""


async def compact(services: Services, now: datetime | None = None) -> int:
    """Remove every absence that is older than the settings say; returns how many there were.

    Streams one by one, each in transactions of a bounded size; whoever writes to the stream waits for one at most.
    """
    before = (now or datetime.now(UTC)) - timedelta(days=services.settings.absence_days)
    removed = 0
    while streams := await _streams(services, before):
        for stream_id in streams:
            removed += await _compact(services, stream_id, before)
    return removed


async def _streams(services: Services, before: datetime) -> list[int]:
    async with services.database.read() as connection:
        return list(await compaction.streams_to_compact(connection, before, _STREAMS))


async def _compact(services: Services, stream_id: int, before: datetime) -> int:
    removed, last = 0, _BATCH
    while last == _BATCH:
        last = await services.database.write(partial(_batch, stream_id=stream_id, before=before))
        removed += last
    COMPACTED.inc(removed)
    return removed


async def _batch(tx: Transaction, stream_id: int, before: datetime) -> int:
    return await compaction.compact_stream(tx.connection, stream_id, before, _BATCH)
