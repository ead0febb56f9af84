"""Conflicts as a person sees and settles them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection, Row
from server.db.named import sql
from server.db.reading import grant_rows, reached
from sync.access import Grant

_LEAST, _MOST = UUID(int=0), UUID(int=2**128 - 1)


class ConflictFilter(Struct, frozen=True, kw_only=True):
    """Which conflicts are asked for; None asks nothing.

    `least` to `most`: a range of ids. `division_prefix`: the first digits of the item's grid code. `after`: opening
    time and id of the last conflict that was shown.
    """

    least: UUID = _LEAST
    most: UUID = _MOST
    state: str | None = None
    kind: str | None = None
    item_type: str | None = None
    division_prefix: str | None = None
    opened_before: datetime | None = None
    after: tuple[datetime, UUID] | None = None


class Closing(Struct, frozen=True, kw_only=True):
    """How a conflict was settled: when, by whom, what was taken, as which revision of the item, and why."""

    at: datetime
    by: UUID
    take: str
    version: int
    reason: str


async def select_conflicts(
    connection: Connection, grants: Sequence[Grant], wanted: ConflictFilter, limit: int
) -> list[Row]:
    """At most `limit` conflicts within these grants, oldest first, each with its item's place, key and people."""
    opened_at, last_id = wanted.after or (None, None)
    return await connection.fetch(
        reached("select_conflicts"),
        grant_rows(grants),
        wanted.least,
        wanted.most,
        wanted.state,
        wanted.kind,
        wanted.item_type,
        wanted.division_prefix,
        wanted.opened_before,
        opened_at,
        last_id,
        limit,
    )


async def lock_conflict(connection: Connection, conflict_id: UUID) -> None:
    """Keep a conflict as it is until the transaction ends; its item is to be locked first."""
    await connection.execute(sql("lock_conflict"), conflict_id)


async def history_of_item(connection: Connection, item_id: UUID) -> list[Row]:
    """Every revision of an item with the names of its author and device, oldest first."""
    return await connection.fetch(sql("history_of_conflict_item"), item_id)


async def close_conflict(connection: Connection, conflict_id: UUID, closing: Closing) -> None:
    """Mark a locked conflict as settled."""
    values: tuple[Any, ...] = (closing.at, closing.by, closing.take, closing.version, closing.reason)
    await connection.execute(sql("close_conflict"), conflict_id, *values)


async def reopen_conflict(connection: Connection, conflict_id: UUID) -> None:
    """Mark a locked conflict as open again."""
    await connection.execute(sql("reopen_conflict"), conflict_id)
