"""Epochs, and what tells one life of the database from another."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import asyncpg

from server.db.database import Connection
from server.db.named import sql

# Any constant will do that no other lock of this program has.
_WITNESS_LOCK = 0x6F6E6577


class Epoch(NamedTuple):
    """One unbroken life of the database; `seq` counts them, `reason` says why it began."""

    seq: int
    id: str
    began_at: datetime
    reason: str


class Growth(NamedTuple):
    """What only ever grows: positions of all streams, numbers of all devices; and the database's own object id."""

    positions: int
    numbers: int
    database: int


class Cluster(NamedTuple):
    """The PostgreSQL cluster, its timeline, and how far its log is on disk, in bytes."""

    system: str
    timeline: int
    lsn: int


async def current(connection: Connection) -> Epoch:
    """The epoch that the database is in."""
    row = await connection.fetchrow(sql("epoch_now"))
    assert row is not None
    return Epoch(*row.values())


async def every(connection: Connection) -> list[Epoch]:
    """All epochs of this database, the present one last."""
    return [Epoch(*row.values()) for row in await connection.fetch(sql("every_epoch"))]


async def begin(connection: Connection, epoch: str, reason: str) -> None:
    """Begin an epoch. Until the commit no change set is decided, and afterwards none in the one before."""
    await connection.execute(sql("hold_counters"))
    await connection.execute(sql("insert_epoch"), epoch, reason)


async def knows(connection: Connection, epoch: str) -> bool:
    """Whether the database was ever in this epoch."""
    return bool(await connection.fetchval(sql("knows_epoch"), epoch))


async def went_back(connection: Connection) -> bool:
    """Whether this database was ever restored: only then can somebody hold what is newer than it."""
    return bool(await connection.fetchval(sql("went_back")))


async def growth(connection: Connection) -> Growth:
    """As the snapshot sees it."""
    row = await connection.fetchrow(sql("growth"))
    assert row is not None
    return Growth(*row.values())


async def cluster(connection: Connection) -> Cluster | None:
    """None where the database service does not let it be asked. Inside a transaction."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(sql("cluster"))
    except (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.UndefinedFunctionError,
        asyncpg.FeatureNotSupportedError,
        asyncpg.ObjectNotInPrerequisiteStateError,
    ):
        return None
    return Cluster(*row.values()) if row else None


async def lock_witness(connection: Connection) -> None:
    """Until the transaction ends nobody else looks at the witness."""
    await connection.execute(sql("lock_witness"), _WITNESS_LOCK)
