"""Legacy codes: the rows of the crosswalk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from msgspec import Struct, convert, structs

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from sync.crosswalk import CrosswalkRow, Sense


class LegacyRow(Struct, frozen=True, kw_only=True):
    """A row to be added; `community` or `grid_id`, days in the city's time, the last inclusive. See `CrosswalkRow`."""

    department: str
    legacy_code: str
    valid_from: date
    valid_to: date | None = None
    sense: Sense = "covers"
    note: str = ""
    community: str | None = None
    grid_id: UUID | None = None


async def crosswalk_rows(connection: Connection) -> list[CrosswalkRow]:
    """The rows of the newest registry version."""
    rows = await connection.fetch(sql("crosswalk_rows"))
    return convert([dict(row) for row in rows], list[CrosswalkRow])


async def list_crosswalk(
    connection: Connection, department: str | None = None, legacy_code: str | None = None
) -> list[Row]:
    """The rows of the newest version with ids, notes and the names of their places, by department and code."""
    return await connection.fetch(sql("list_crosswalk"), department, legacy_code)


async def write_crosswalk(
    connection: Connection, version: int, ended: Sequence[int], added: Sequence[LegacyRow]
) -> None:
    """End these rows (by id) with a registry version and add those that begin with it."""
    await connection.execute(sql("end_crosswalk_rows"), list(ended), version)
    await connection.execute(sql("insert_crosswalk"), to_json([structs.asdict(row) for row in added]), version)


async def communities_among(connection: Connection, codes: Sequence[str]) -> frozenset[str]:
    """Those of these codes that are communities."""
    return frozenset(row["code"] for row in await connection.fetch(sql("communities_among"), list(codes)))


async def current_grids_by_code(connection: Connection, codes: Sequence[str]) -> dict[str, UUID]:
    """The grids that bear these codes now."""
    rows = await connection.fetch(sql("current_grids_by_code"), list(codes))
    return {row["code"]: row["grid_id"] for row in rows}


async def candidate_grids(connection: Connection, grid_ids: Sequence[UUID]) -> list[Row]:
    """Those of these grids that are current, with outline and community, in the order of codes."""
    return await connection.fetch(sql("candidate_grids"), list(grid_ids))


async def legacy_codes_of(connection: Connection, grid_ids: Sequence[UUID]) -> dict[UUID, list[tuple[str, str]]]:
    """Per current grid the legacy codes that cover it, as (department, code) in that order; none for other grids."""
    found: defaultdict[UUID, list[tuple[str, str]]] = defaultdict(list)
    for row in await connection.fetch(sql("legacy_codes_of"), list(grid_ids)):
        found[row["grid_id"]].append((row["department"], row["legacy_code"]))
    return dict(found)
