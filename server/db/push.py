"""What a push needs beside items: the device's counter, its stored sets, and the quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql


class Holder(NamedTuple):
    """A device as it is now; `revoked` also where its holder has left.

    `drained_at`: when it last had nothing left to send; its enrolment at first.
    """

    user_id: UUID
    revoked: bool
    drained_at: datetime


class Counter(NamedTuple):
    """The last number decided, and the last that a verified backup holds."""

    last_no: int
    safe_no: int


async def current_epoch(connection: Connection) -> str:
    """The id of the epoch that the database is in."""
    return str(await connection.fetchval(sql("current_epoch")))


async def lock_counter(connection: Connection, device_id: UUID, epoch: str) -> int:
    """Lock the device's counter, making it where it is new; returns the last number decided."""
    row = await connection.fetchrow(sql("lock_counter"), device_id, epoch)
    if row is None:
        await connection.execute(sql("ensure_counter"), device_id, epoch)
        row = await connection.fetchrow(sql("lock_counter"), device_id, epoch)
    assert row is not None
    return row["last_no"]


async def read_counter(connection: Connection, device_id: UUID, epoch: str) -> Counter:
    """The device's counter as the snapshot sees it; zeros where nothing was decided yet."""
    row = await connection.fetchrow(sql("read_counter"), device_id, epoch)
    return Counter(row["last_no"], row["safe_no"]) if row else Counter(0, 0)


async def advance_counter(connection: Connection, device_id: UUID, epoch: str, no: int) -> None:
    """Note that `no` was decided."""
    await connection.execute(sql("advance_counter"), device_id, epoch, no)


async def note_exchange(
    connection: Connection,
    device_id: UUID,
    epoch: str,
    *,
    at: datetime,
    unsent: int,
    app: str,
    acknowledged: int,
) -> None:
    """What the device reported about itself in this exchange."""
    await connection.execute(sql("note_exchange"), device_id, at, unsent, app, epoch, acknowledged)


async def device_holder(connection: Connection, device_id: UUID) -> Holder:
    """Who holds the device, and whether it still may sync."""
    row = await connection.fetchrow(sql("device_holder"), device_id)
    assert row is not None
    return Holder(row["user_id"], row["revoked"], row["drained_at"])


async def assignments_ever(connection: Connection, user_id: UUID) -> Sequence[Row]:
    """Every assignment a user has or had, with its validity."""
    return await connection.fetch(sql("assignments_ever"), user_id)


async def stored_set(connection: Connection, device_id: UUID, epoch: str, no: int) -> Row | None:
    """hash and receipt of a decided set."""
    return await connection.fetchrow(sql("stored_set"), device_id, epoch, no)


async def insert_change_set(connection: Connection, row: dict[str, Any]) -> None:
    """Keep a set's bytes and its receipt."""
    await connection.execute(sql("insert_change_set"), *(row[key] for key in _SET))


async def insert_forked_set(connection: Connection, row: dict[str, Any]) -> None:
    """Keep the bytes of a set whose number was used before."""
    await connection.execute(sql("insert_forked_set"), *(row[key] for key in _FORKED))


async def insert_quarantine(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Note what is kept and not applied."""
    if rows:
        await connection.execute(sql("insert_quarantine"), to_json(rows))


_SET = ("device_id", "epoch", "no", "hash", "sealed", "wrapped", "size", "receipt", "received_at")
_FORKED = ("device_id", "epoch", "no", "hash", "sealed", "wrapped", "received_at")
