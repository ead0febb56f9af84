"""Devices that were restored from a backup, and the ones that they are since."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from server.db.database import Connection
from server.db.named import sql


class Fork(NamedTuple):
    """A device that goes on for a copy of another one, and since when."""

    id: UUID
    enrolled_at: datetime


class Recent(NamedTuple):
    """How many forks were made of a person's devices lately; `seconds` until the oldest of them counts no more."""

    made: int
    seconds: int | None


async def forked_set_known(connection: Connection, device_id: UUID, no: int, set_hash: bytes) -> bool:
    """Whether this set of the device was refused because its number was used for another one."""
    return bool(await connection.fetchval(sql("forked_set_known"), device_id, no, set_hash))


async def fork_of(connection: Connection, device_id: UUID, install: str) -> Fork | None:
    """The fork of a device that calls itself so."""
    row = await connection.fetchrow(sql("fork_of"), device_id, install)
    return Fork(*row.values()) if row else None


async def recent_forks(connection: Connection, user_id: UUID, within: timedelta) -> Recent:
    """The forks of a person's devices within this time."""
    row = await connection.fetchrow(sql("recent_forks"), user_id, within)
    assert row is not None
    return Recent(*row.values())


async def insert_fork(
    connection: Connection, device_id: UUID, fork_id: UUID, install: str, described: tuple[str, str, str]
) -> Fork:
    """Add a device that goes on for a copy of this one; `described`: its name, platform and app."""
    enrolled_at = await connection.fetchval(sql("insert_fork"), device_id, fork_id, install, *described)
    assert enrolled_at is not None
    return Fork(fork_id, enrolled_at)
