"""Conflicts as a person sees and settles them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from server.db.reading import grant_rows, listed, reached
from sync.access import Grant

_LEAST, _MOST = UUID(int=0), UUID(int=2**128 - 1)
_FIRST = (datetime.min.replace(tzinfo=UTC), _LEAST)


class ConflictFilter(Struct, frozen=True, kw_only=True):
    """Which conflicts are asked for; None asks nothing.

    `least` to `most`: a range of ids. `division_prefix`: the first digits of the item's grid code, or of one that it
    may get. `authors`: who wrote what is parked. `after`: opening time and id of the last conflict that was shown.
    """

    least: UUID = _LEAST
    most: UUID = _MOST
    state: str | None = None
    kind: str | None = None
    item_type: str | None = None
    division_prefix: str | None = None
    opened_before: datetime | None = None
    authors: tuple[UUID, ...] | None = None
    after: tuple[datetime, UUID] | None = None


class Closing(Struct, frozen=True, kw_only=True):
    """How a conflict was settled: when, by whom, what was taken, as which revision of the item, and why.

    Nobody settled it, for no reason given, where it ended by itself: see `server.usecases.parking` and `claiming`.
    """

    at: datetime
    by: UUID | None
    take: str
    version: int
    reason: str | None


async def select_conflicts(
    connection: Connection, grants: Sequence[Grant], wanted: ConflictFilter, limit: int
) -> list[Row]:
    """At most `limit` conflicts within these grants, oldest first, each with its item's place, key and people."""
    way = "items_of_open_conflicts" if wanted.state == "open" else None
    way = "items_of_conflicts_between" if (wanted.least, wanted.most) != (_LEAST, _MOST) else way
    statement = _with_claims(listed("select_conflicts", "$7", way, near="within_or_nowhere"))
    return await connection.fetch(statement, *_asked(grants, wanted), *(wanted.after or _FIRST), limit)


async def are_of_erased(connection: Connection, grants: Sequence[Grant], ids: tuple[UUID, UUID]) -> bool:
    """Whether the conflicts within these grants with an id in this range are about erased items, and there is one."""
    return bool(await connection.fetchval(reached("conflict_of_erased"), grant_rows(grants), *ids))


async def count_conflicts(
    connection: Connection, grants: Sequence[Grant], wanted: ConflictFilter, now: datetime, ages: Sequence[float]
) -> list[Row]:
    """How many there are: grouped, kind, type, community, age, take, count, oldest; `ages`: bounds in seconds."""
    return await connection.fetch(_statement("count_conflicts"), *_asked(grants, wanted), now, list(ages))


async def count_all(connection: Connection, grants: Sequence[Grant], wanted: ConflictFilter) -> int:
    """How many conflicts there are within these grants."""
    return int(await connection.fetchval(_statement("count_all_conflicts"), *_asked(grants, wanted)) or 0)


async def people_named(connection: Connection, user_id: UUID | None, phone: bytes, name: str) -> tuple[UUID, ...]:
    """Those who have this id, this phone (its blind index) or this name, also who has left."""
    return tuple(row["id"] for row in await connection.fetch(sql("people_named"), user_id, phone, name))


def _asked(grants: Sequence[Grant], wanted: ConflictFilter) -> tuple[Any, ...]:
    return (
        grant_rows(grants),
        wanted.least,
        wanted.most,
        wanted.state,
        wanted.kind,
        wanted.item_type,
        wanted.division_prefix,
        wanted.opened_before,
        wanted.authors,
    )


def _statement(name: str) -> str:
    """Conflicts that are asked for, within grants; of items without a grid by what their code may stand for."""
    statement = sql(name).replace("{wanted}", sql("wanted_conflicts")).replace("{reached}", sql("reached"))
    return _with_claims(statement.replace("{grants}", sql("grants")))


def _with_claims(statement: str) -> str:
    statement = statement.replace("{claim_reached}", sql("claim_reached"))
    return statement.replace("{claim_within}", sql("claim_within")).replace("{heirs}", sql("heirs"))


async def group_of_conflict(connection: Connection, group_id: UUID) -> list[Row]:
    """The conflicts that are settled together, in the order of their changes: id, item_id, state, resolved_at,
    resolution_version.
    """
    return await connection.fetch(sql("group_of_conflict"), group_id)


async def lock_conflicts(connection: Connection, conflict_ids: Sequence[UUID]) -> None:
    """Keep conflicts as they are until the transaction ends; their items are to be locked first."""
    await connection.execute(sql("lock_conflicts"), conflict_ids)


async def history_of_item(connection: Connection, item_id: UUID) -> list[Row]:
    """Every revision of an item with the names of its author and device, oldest first."""
    return await connection.fetch(sql("history_of_conflict_item"), item_id)


async def close_conflict(connection: Connection, conflict_id: UUID, closing: Closing) -> None:
    """Mark a locked conflict as settled."""
    values: tuple[Any, ...] = (closing.at, closing.by, closing.take, closing.version, closing.reason)
    await connection.execute(sql("close_conflict"), conflict_id, *values)


async def parked_steps(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Steps of these items' cases that may yet be taken by themselves: id, item_id, author_id, step, note, linked_from.

    In the order in which they came. The items are locked by the caller.
    """
    return await connection.fetch(sql("parked_steps"), item_ids)


async def end_conflicts(connection: Connection, rows: list[dict[str, Any]], at: datetime) -> None:
    """Mark conflicts of locked items as settled by nobody; rows of id, take, version of the item."""
    if rows:
        await connection.execute(sql("end_conflicts"), to_json(rows), at)


async def restate_steps(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """What parked steps wait for by now; rows of id, step."""
    if rows:
        await connection.execute(sql("restate_steps"), to_json(rows))


async def reopen_conflict(connection: Connection, conflict_id: UUID) -> None:
    """Mark a locked conflict as open again."""
    await connection.execute(sql("reopen_conflict"), conflict_id)
