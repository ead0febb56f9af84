"""What a push needs beside items: the device's counter, its stored sets, and the quarantine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from sync.access import Assignment


class Holder(NamedTuple):
    """Who holds a device, and every assignment he has or had.

    `drained_at`: when the device last had nothing left to send; its enrolment at first.
    """

    user_id: UUID
    revoked: bool
    drained_at: datetime
    assignments: list[Assignment]


class Counter(NamedTuple):
    """The last number decided, and the last that a verified backup holds."""

    last_no: int
    safe_no: int


async def current_epoch(connection: Connection) -> str:
    """The id of the epoch that the database is in."""
    return str(await connection.fetchval(sql("current_epoch")))


async def lock_counter(connection: Connection, device_id: UUID, epoch: str) -> tuple[int, Holder] | None:
    """Lock the device's counter, making it where it is new: the last number decided, of whatever epoch, and the holder.

    None where the epoch is over: another one began meanwhile.
    """
    row = await connection.fetchrow(sql("lock_counter"), device_id, epoch)
    if row is None:
        await connection.execute(sql("ensure_counter"), device_id, epoch)
        row = await connection.fetchrow(sql("lock_counter"), device_id, epoch)
    if row is None:
        return None
    last_no, user_id, revoked, drained_at, held = row.values()
    return last_no, Holder(user_id, revoked, drained_at, assignments_of(held))


async def read_counter(connection: Connection, device_id: UUID) -> Counter:
    """The device's counter as the snapshot sees it, carried on from former epochs; zeros where nothing was decided."""
    row = await connection.fetchrow(sql("read_counter"), device_id)
    assert row is not None
    return Counter(row["last_no"], row["safe_no"])


async def assignments_ever(connection: Connection, user_id: UUID) -> list[Assignment]:
    """Every assignment a user has or had, with its validity."""
    return assignments_of([row.values() for row in await connection.fetch(sql("assignments_ever"), user_id)])


def assignments_of(rows: Iterable[Iterable[Any]]) -> list[Assignment]:
    """Assignments from rows of role, grid_id, division, department, valid_from, valid_to."""
    return [Assignment(**dict(zip(_ASSIGNMENT, row, strict=True))) for row in rows]


async def stored_set(connection: Connection, device_id: UUID, no: int) -> Row | None:
    """hash and receipt of a set that was decided, in this epoch or in one before it."""
    return await connection.fetchrow(sql("stored_set"), device_id, no)


async def keep_change_set(connection: Connection, row: dict[str, Any]) -> None:
    """Keep a set's bytes and its receipt, and note that its number was decided.

    `traced`: whether a revision that came with it tells of each item that the receipt names.
    """
    await connection.execute(sql("keep_change_set"), *(row[key] for key in _SET))


async def insert_forked_set(connection: Connection, row: dict[str, Any]) -> None:
    """Keep the bytes of a set whose number was used before."""
    await connection.execute(sql("insert_forked_set"), *(row[key] for key in _FORKED))


async def insert_quarantine(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Note what is kept and not applied."""
    if rows:
        await connection.execute(sql("insert_quarantine"), to_json(rows))


_ASSIGNMENT = ("role", "grid_id", "division", "department", "valid_from", "valid_to")
_SET = ("device_id", "epoch", "no", "hash", "sealed", "wrapped", "size", "receipt", "received_at", "traced")
_FORKED = ("device_id", "epoch", "no", "hash", "sealed", "wrapped", "received_at")
