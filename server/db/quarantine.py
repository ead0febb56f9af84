"""What was kept and not applied, as those who look after it see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection, Row
from server.db.named import sql

_FIRST = (datetime.min.replace(tzinfo=UTC), UUID(int=0))

State = Literal["held", "released", "discarded"]
Kind = Literal["quarantined", "rejected", "forked", "salvaged"]


class QuarantineSight(NamedTuple):
    """Whose rows somebody sees: everybody's, or those of people with a post in divisions with these prefixes."""

    everybody: bool
    prefixes: tuple[str, ...] = ()


class QuarantineFilter(Struct, frozen=True, kw_only=True):
    """What a list is narrowed to. `ids`, `devices`: the least and the greatest; `after`: where the last page ended."""

    ids: tuple[UUID, UUID] | None = None
    state: State | None = None
    outcome: Kind | None = None
    code: str | None = None
    devices: tuple[UUID, UUID] | None = None
    item: UUID | None = None
    after: tuple[datetime, UUID] | None = None


async def select(connection: Connection, sight: QuarantineSight, wanted: QuarantineFilter, limit: int) -> list[Row]:
    """Rows in sight, the oldest first, without the bytes."""
    statement = sql("list_quarantine").replace("{quarantine_in_sight}", sql("quarantine_in_sight"))
    ids, devices, after = wanted.ids or (None, None), wanted.devices or (None, None), wanted.after or _FIRST
    narrowed = (*ids, wanted.state, wanted.outcome, wanted.code, *devices, wanted.item, *after)
    prefixes = [f"{prefix}%" for prefix in sight.prefixes]
    return await connection.fetch(statement, sight.everybody, prefixes, *narrowed, limit)


async def lock(connection: Connection, quarantine_id: UUID) -> State:
    """Lock a row that is there; its state."""
    state: State | None = await connection.fetchval(sql("lock_quarantine"), quarantine_id)
    assert state is not None
    return state


async def settle(connection: Connection, quarantine_id: UUID, state: State) -> None:
    """Note what became of a locked row; a body of its own is let go of."""
    await connection.execute(sql("settle_quarantine"), quarantine_id, state)


async def bytes_of_set(connection: Connection, device_id: UUID, epoch: str, no: int) -> Row | None:
    """hash, sealed, wrapped of the set under this number."""
    return await connection.fetchrow(sql("bytes_of_set"), device_id, epoch, no)


async def bytes_of_forks(connection: Connection, device_id: UUID, epoch: str, no: int) -> list[Row]:
    """The same of the sets that used this number again."""
    return await connection.fetch(sql("bytes_of_forks"), device_id, epoch, no)


async def bytes_of_salvage(connection: Connection, quarantine_id: UUID) -> Row | None:
    """sealed, wrapped of a salvaged body."""
    return await connection.fetchrow(sql("bytes_of_salvage"), quarantine_id)


async def what_became(connection: Connection, quarantine_id: UUID) -> list[Row]:
    """at, actor_id, actor_name, action, reason of what was done about a row, the oldest first."""
    return await connection.fetch(sql("what_became_of_quarantine"), str(quarantine_id))


async def places_of_items(connection: Connection, item_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """type, grid_id, author_id of those of these items that are there and not erased, by id."""
    return {row["id"]: row for row in await connection.fetch(sql("places_of_items"), item_ids)}
