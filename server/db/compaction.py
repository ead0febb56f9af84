"""Removing old absences from feeds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from server.db.database import Connection
from server.db.named import sql


async def streams_to_compact(connection: Connection, before: datetime, limit: int) -> Sequence[int]:
    """The ids of streams with absences from before this moment that may go."""
    return [row["stream_id"] for row in await connection.fetch(sql("streams_to_compact"), before, limit)]


async def compact_stream(connection: Connection, stream_id: int, before: datetime, limit: int) -> int:
    """Remove at most `limit` such absences of one stream, the lowest first, and raise its floor to the last of them.

    The stream is locked, as by whoever writes to it. Returns how many went.
    """
    await connection.execute(sql("lock_stream"), stream_id)
    removed = await connection.fetchval(sql("compact_stream"), stream_id, before, limit)
    assert removed is not None
    return removed
