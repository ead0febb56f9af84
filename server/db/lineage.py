"""The lineage of grids: the steps of every registry version, every code with its validity, and what items owe to it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import convert, structs

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from sync.former_ground import FormerGround, OutlineSpan
from sync.lineage import CodeValidity, Lineage, Step


async def insert_steps(connection: Connection, steps: Sequence[Step]) -> None:
    """Add all steps of one registry version, in the order in which they were taken; the version has none yet.

    The grids that they end are retired with it. Labels are closed and begun apart, see `server.db.registry_publish`.
    """
    rows = [structs.asdict(step) | {"seq": seq} for seq, step in enumerate(steps, 1)]
    await connection.execute(sql("insert_lineage"), to_json(rows))
    ended = [grid_id for step in steps if step.ends for grid_id in step.predecessors]
    if ended:
        await connection.execute(sql("retire_grids"), ended, steps[0].version)


async def load_lineage(connection: Connection) -> Lineage:
    """All of it; read in one snapshot (`Database.read`), or versions may be mixed."""
    steps = await connection.fetch(sql("lineage_steps"))
    validities = await connection.fetch(sql("code_validities"))
    return Lineage(
        convert([dict(row) for row in steps], list[Step]),
        convert([dict(row) for row in validities], list[CodeValidity]),
    )


async def load_former_ground(connection: Connection) -> FormerGround:
    """Every outline that a grid no longer has; read in the same snapshot."""
    spans = await connection.fetch(sql("outline_spans"))
    return FormerGround(convert([dict(row) for row in spans], list[OutlineSpan]))


async def former_grids(connection: Connection, item_ids: Sequence[UUID], since: int) -> list[Row]:
    """item_id, registry, version, grid_id: the grids from which registry versions after `since` took these items.

    `version` is the item's own, as which it came away; the oldest first.
    """
    return await connection.fetch(sql("former_grids"), list(item_ids), since)


async def derivations_of_item(connection: Connection, item_id: UUID) -> list[Row]:
    """The revisions of an item that told its grid, with how they did, oldest first."""
    return await connection.fetch(sql("derivations_of_item"), item_id)


async def grid_conflict_of_item(connection: Connection, item_id: UUID) -> UUID | None:
    """The open conflict in which an item waits for its grid."""
    return await connection.fetchval(sql("grid_conflict_of_item"), item_id)
