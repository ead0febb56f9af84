"""The registry as offices look at it: one grid with its past, a list, and everything for an export."""

from __future__ import annotations

from uuid import UUID

from server.db.database import Connection, Row
from server.db.named import sql


async def labels_under_code(connection: Connection, code: str) -> list[Row]:
    """Every label, newest first, of the grid that bears this code or bore it; none for a code never used."""
    return await connection.fetch(sql("labels_under_code"), code)


async def divisions_above(connection: Connection, division: str) -> list[Row]:
    """A division and those that it lies in, up to the city."""
    return await connection.fetch(sql("divisions_above"), division)


async def team_of_grid(connection: Connection, grid_id: UUID) -> dict[str, int]:
    """How many people work in a grid now, by role."""
    return {row["role"]: row["people"] for row in await connection.fetch(sql("team_of_grid"), grid_id)}


async def list_grids(connection: Connection, prefix: str, kind: str | None, after: str, limit: int) -> list[Row]:
    """Current grids whose codes have a prefix and come after a code, in the order of codes."""
    return await connection.fetch(sql("list_grids"), f"{prefix}%", kind, after, limit)


async def export_grids(connection: Connection, prefix: str) -> list[Row]:
    """Current grids whose codes have a prefix, with outlines and the names of their communities."""
    return await connection.fetch(sql("export_grids"), f"{prefix}%")
