"""Receipts that may be cut down: those that their devices have acknowledged."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql


class CounterKey(NamedTuple):
    """A device's counter in an epoch."""

    device_id: UUID
    epoch: str


async def counters_to_prune(connection: Connection, limit: int, after: CounterKey | None = None) -> list[CounterKey]:
    """Counters with acknowledged receipts that are still whole, by device and epoch."""
    device_id, epoch = after or (None, "")
    return [
        CounterKey(*row.values()) for row in await connection.fetch(sql("counters_to_prune"), device_id, epoch, limit)
    ]


async def lock_receipts_to_prune(connection: Connection, counter: CounterKey, limit: int) -> list[Row] | None:
    """Lock the counter and read the next such receipts: no, receipt.

    None where there are none, or where somebody else holds the counter.
    """
    row = await connection.fetchrow(sql("lock_counter_to_prune"), *counter)
    if row is None:
        return None
    return await connection.fetch(sql("receipts_between"), *counter, row["pruned"], row["acknowledged"], limit)


async def store_pruned(
    connection: Connection, counter: CounterKey, rows: list[dict[str, Any]], *, finished: bool
) -> None:
    """Store receipts (no, receipt) of a locked counter, and how far that is; `finished`: all that is acknowledged."""
    await connection.execute(sql("store_pruned"), *counter, to_json(rows))
    reached = None if finished else rows[-1]["no"]
    await connection.execute(sql("note_pruned"), *counter, reached)
