"""What a rehearsal of a registry change sets and counts in a database of its own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from server.db.database import Connection, Row
from server.db.named import sql


async def set_devices_back(connection: Connection, devices: Iterable[UUID], at: datetime) -> None:
    """Let these devices have been enrolled, and have exchanged last, at `at`: they are offline since."""
    await connection.execute(sql("set_devices_back"), list(devices), at)


async def count_moved_items(connection: Connection, ids: Iterable[UUID], version: int) -> int:
    """How many of these items were moved to another grid because of a registry version."""
    return await connection.fetchval(sql("count_moved_items"), list(ids), version) or 0


async def count_items_in_grids(connection: Connection, ids: Iterable[UUID], grids: Iterable[UUID]) -> int:
    """How many of these items are in one of these grids now."""
    return await connection.fetchval(sql("count_items_in_grids"), list(ids), list(grids)) or 0


async def count_conflicts_of_items(connection: Connection, ids: Iterable[UUID]) -> int:
    """How many conflicts these items have or had."""
    return await connection.fetchval(sql("count_conflicts_of_items"), list(ids)) or 0


async def lock_waits(connection: Connection) -> list[Row]:
    """Who waits for a lock at this instant: pid, waitstart, and for how many seconds."""
    return await connection.fetch(sql("lock_waits"))
