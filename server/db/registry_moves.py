"""Items that follow their grids when the registry changes: what is to be looked at, how far it came, what it made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import convert

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from sync.lineage import Step
from sync.registry import GridLabel

NOWHERE = UUID(int=0)
"""In counts: no grid."""


class MoveRow(NamedTuple):
    """A move, locked: how many items there were to look at, what became of those looked at, and where it stands."""

    version: int
    total: int
    looked: int
    moved: int
    unplaced: int
    rank: int
    grid_id: UUID | None
    after_id: UUID | None
    finished_at: datetime | None


class Place(NamedTuple):
    """How far the items were followed: the rank of their types, the grid, and the last of it."""

    rank: int
    grid_id: UUID | None
    after_id: UUID | None


async def writers_begun(connection: Connection) -> int:
    """The transaction id before which all have theirs who are writing now; who only reads has none."""
    return int(await connection.fetchval(sql("writers_begun")) or 0)


async def writers_ended(connection: Connection) -> int:
    """The transaction id before which all have ended."""
    return int(await connection.fetchval(sql("writers_ended")) or 0)


async def former_grids(connection: Connection, version: int) -> list[GridLabel]:
    """The grids that a registry version ended or changed, as they were before it, in the order of codes."""
    rows = await connection.fetch(sql("grids_to_leave"), version)
    return convert([dict(row) for row in rows], list[GridLabel])


async def steps_of_version(connection: Connection, version: int) -> list[Step]:
    """The steps of one registry version, in the order in which they were taken."""
    rows = await connection.fetch(sql("steps_of_version"), version)
    return convert([dict(row) for row in rows], list[Step])


async def items_to_follow(
    connection: Connection, version: int, grid_id: UUID, types: Sequence[str], after: UUID | None, limit: int
) -> list[UUID]:
    """The next items of these types in a grid, in the order of their ids; those that this version moved come once."""
    rows = await connection.fetch(sql("items_to_follow"), grid_id, list(types), after, limit, version)
    return [row["id"] for row in rows]


async def rows_to_follow(
    connection: Connection, grid_id: UUID, types: Sequence[str], after: UUID | None, limit: int
) -> list[Row]:
    """The same with their values, keys and stored sizes in bytes, unlocked."""
    return await connection.fetch(sql("rows_to_follow"), grid_id, list(types), after, limit)


async def items_left_behind(connection: Connection, grid_ids: Sequence[UUID], limit: int) -> list[UUID]:
    """Items that are still in grids that have ended."""
    return [row["id"] for row in await connection.fetch(sql("items_left_behind"), list(grid_ids), limit)]


async def count_items(connection: Connection, grid_ids: Sequence[UUID]) -> int:
    """How many items are in these grids, deleted ones too."""
    return await connection.fetchval(sql("count_items_of_grids"), list(grid_ids)) or 0


async def referred_grids(connection: Connection, item_ids: Sequence[UUID], version: int) -> list[Row]:
    """id, grid_id, and taken_from: the grid that registry version `version` took the item from, None if it did not."""
    return await connection.fetch(sql("referred_grids"), list(item_ids), version)


async def first_revisions(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """item_id and the sealed values and capture of each item's creation."""
    return await connection.fetch(sql("first_revisions"), list(item_ids))


async def move_items(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New grids of locked items, whose submissions follow: id, grid_id, in_own_stream, version, rev, old_rev,
    updated_at."""
    if rows:
        given = to_json(rows)
        await connection.execute(sql("move_items"), given)
        await connection.execute(sql("carry_reviews"), given)


async def begin_move(connection: Connection, version: int, predicted: Any, total: int) -> None:
    """Have the items of a registry version followed."""
    await connection.execute(sql("begin_move"), version, predicted, total)


async def lock_move(connection: Connection, version: int) -> MoveRow:
    """Keep others from following the same items until this transaction ends; where it stands."""
    row = await connection.fetchrow(sql("lock_move"), version)
    assert row is not None
    return MoveRow(*row.values())


async def note_move(
    connection: Connection, version: int, place: Place, *, looked: int, moved: int, unplaced: int
) -> None:
    """What one batch did, and where the next one begins."""
    await connection.execute(sql("note_move"), version, looked, moved, unplaced, *place)


async def count_moves(connection: Connection, version: int, rows: list[dict[str, Any]]) -> None:
    """Add to the counts: rows of from_grid, to_grid (or NOWHERE), type, items."""
    if rows:
        await connection.execute(sql("count_moves"), version, to_json(rows))


async def counted_moves(connection: Connection, version: int) -> list[Row]:
    """from_grid, to_grid, type, items."""
    return await connection.fetch(sql("counted_moves"), version)


async def finish_move(connection: Connection, version: int, actual: Any) -> None:
    """Note what became of all items."""
    await connection.execute(sql("finish_move"), version, actual)


async def unfinished_move(connection: Connection) -> int | None:
    """The registry version whose items are still being followed."""
    return await connection.fetchval(sql("unfinished_move"))


async def moves_to_run(connection: Connection) -> list[int]:
    """Registry versions whose items are to be followed now, the oldest first."""
    return [row["version"] for row in await connection.fetch(sql("moves_to_run"))]


async def reason_of_version(connection: Connection, version: int) -> str:
    """Why a registry version was published."""
    return str(await connection.fetchval(sql("reason_of_version"), version))


async def move_report(connection: Connection, version: int) -> Row | None:
    """predicted, actual, and how far it came; None for a version that moved nothing."""
    return await connection.fetchrow(sql("move_report"), version)


async def crosswalk_of_grids(connection: Connection, grid_ids: Sequence[UUID]) -> list[Row]:
    """The rows of the newest registry that name these grids: id, grid_id, and the values of a `LegacyRow`."""
    return await connection.fetch(sql("crosswalk_of_grids"), list(grid_ids))


async def teams_of_grids(connection: Connection, grid_ids: Sequence[UUID]) -> list[Row]:
    """Who works in these grids now or later: id, user_id, name, role, grid_id, valid_from, valid_to."""
    return await connection.fetch(sql("teams_of_grids"), list(grid_ids))


async def devices_of_users(connection: Connection, user_ids: Sequence[UUID]) -> list[Row]:
    """The devices of these people with the registry version that each last said it has."""
    return await connection.fetch(sql("devices_of_users"), list(user_ids))


async def end_assignments(connection: Connection, grid_ids: Sequence[UUID]) -> list[Row]:
    """Nobody works in these grids from now on; returns the assignments that ended: id, user_id, role, grid_id."""
    return await connection.fetch(sql("end_assignments_of_grids"), list(grid_ids))


async def count_open_conflicts(connection: Connection, grid_ids: Sequence[UUID]) -> int:
    """How many conflicts of items in these grids are open."""
    return await connection.fetchval(sql("count_open_conflicts"), list(grid_ids)) or 0
