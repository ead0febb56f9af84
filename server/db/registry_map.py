"""What the map of a division is drawn from: outlines, and how much work is open where."""

from __future__ import annotations

from collections.abc import Sequence

from server.db.database import Connection, Row
from server.db.reading import Grants, grant_rows, reached
from server.db.registry_browsing import Territory, in_sight


async def map_shapes(
    connection: Connection, sight: Territory, division: str, prefix: str, *, with_grids: bool
) -> list[Row]:
    """Divisions, and grids where they are wanted, with their outlines, in one statement."""
    return await connection.fetch(in_sight("map_shapes"), *sight, division, with_grids, prefix)


async def open_work_by_grid(
    connection: Connection, grants: Grants, prefix: str, states: Sequence[str]
) -> dict[str, int]:
    """By the codes of grids the items with open work that the grants reach; grids without any are left out."""
    rows = await connection.fetch(reached("open_work_by_grid", grants), grant_rows(grants), prefix, list(states))
    return {row["code"]: row["number"] for row in rows}
