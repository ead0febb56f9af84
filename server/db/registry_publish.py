"""Publishing a registry version: what stands now, and what a new version puts in its place."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import convert, structs

from server.db.database import Connection, to_json
from server.db.named import sql
from server.db.registry import NewDivision, NewGrid, current_version


async def lock_registry(connection: Connection) -> int:
    """Keep every other publisher waiting until this transaction ends; gives the newest version.

    Readers are not kept waiting, and neither is what refers to a version.
    """
    await connection.execute(sql("lock_registry"))
    return await current_version(connection)


async def publish_version(connection: Connection, version: int, note: str, published_by: UUID | None) -> None:
    """Begin a registry version in somebody's name."""
    await connection.execute(sql("publish_registry_version"), version, note, published_by)


async def current_grids(connection: Connection) -> list[NewGrid]:
    """Every current grid with all of its label, in the order of codes."""
    rows = await connection.fetch(sql("whole_labels"))
    return convert([dict(row) for row in rows], list[NewGrid])


async def codes_given_up(connection: Connection) -> dict[str, str | None]:
    """Codes that no current grid bears, each with the code that its grid bears now; None where the grid is retired."""
    return {row["code"]: row["bears"] for row in await connection.fetch(sql("codes_given_up"))}


async def whole_divisions(connection: Connection) -> list[NewDivision]:
    """Every division, in the order of codes."""
    rows = await connection.fetch(sql("whole_divisions"))
    return convert([dict(row) for row in rows], list[NewDivision])


async def change_divisions(connection: Connection, version: int, divisions: Sequence[NewDivision]) -> None:
    """Give existing divisions other names, outlines and hosts in one statement, from this registry version."""
    rows = to_json([structs.asdict(division) for division in divisions])
    await connection.execute(sql("change_divisions"), rows, version)


async def relabel(connection: Connection, version: int, grids: Sequence[NewGrid]) -> None:
    """Close the labels of these grids and give them new ones under the same codes, from this registry version."""
    await close_labels(connection, version, [grid.id for grid in grids])
    await connection.execute(sql("insert_grid_labels"), to_json([structs.asdict(grid) for grid in grids]), version)


async def close_labels(connection: Connection, version: int, grid_ids: Sequence[UUID]) -> None:
    """Let the labels of these grids end with this registry version."""
    await connection.execute(sql("close_labels"), list(grid_ids), version)


async def label_anew(connection: Connection, version: int, grids: Sequence[NewGrid]) -> None:
    """Give grids whose labels were closed new ones, under codes that were theirs or nobody's."""
    rows = to_json([structs.asdict(grid) for grid in grids])
    await connection.execute(sql("claim_codes"), rows)
    await connection.execute(sql("insert_grid_labels"), rows, version)
