"""The registry and the offices: divisions, numbered registry versions, grids with their labels, organisations."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct, convert, structs

from server.db.database import Connection, to_json
from server.db.named import sql
from sync.registry import GridLabel, Registry
from sync.territory import Rings


class NewDivision(Struct, frozen=True, kw_only=True):
    """A city, county, street or community under its 12-digit code."""

    code: str
    parent: str | None
    tier: str
    name_zh: str
    name_en: str = ""


class NewGrid(Struct, frozen=True, kw_only=True):
    """A grid with its first label; `outline` as in `sync.registry.GridLabel`."""

    id: UUID
    code: str
    community: str
    kind: str
    name: str
    outline: Rings
    synthetic: bool


class NewOrganisation(Struct, frozen=True, kw_only=True):
    """A department in a division."""

    id: UUID
    department: str
    division: str
    tier: str
    name_zh: str
    name_en: str


async def insert_divisions(connection: Connection, divisions: Sequence[NewDivision]) -> None:
    """Add divisions in one statement, in any order."""
    await connection.execute(sql("insert_divisions"), _rows(divisions))


async def insert_registry_version(connection: Connection, version: int, note: str) -> None:
    """Begin a registry version."""
    await connection.execute(sql("insert_registry_version"), version, note)


async def insert_grids(connection: Connection, version: int, grids: Sequence[NewGrid]) -> None:
    """Add grids and their labels, valid from this registry version: a statement for each of the two tables."""
    rows = _rows(grids)
    await connection.execute(sql("insert_grids"), rows, version)
    await connection.execute(sql("insert_grid_labels"), rows, version)


async def insert_organisations(connection: Connection, organisations: Sequence[NewOrganisation]) -> None:
    """Add organisations in one statement."""
    await connection.execute(sql("insert_organisations"), _rows(organisations))


async def current_version(connection: Connection) -> int:
    """The newest registry version; 0 before the first."""
    return await connection.fetchval(sql("registry_version")) or 0


async def load_registry(connection: Connection) -> Registry:
    """The current grids; read in one snapshot (`Database.read`), or the version may not be that of the grids."""
    version = await current_version(connection)
    rows = await connection.fetch(sql("current_labels"))
    return Registry(version, convert([dict(row) for row in rows], list[GridLabel]))


async def grids_of_area(
    connection: Connection, grid_ids: Sequence[UUID], prefixes: Sequence[str]
) -> list[dict[str, Any]]:
    """Labels of current grids that are named or lie in one of these divisions, in the order of codes."""
    rows = await connection.fetch(sql("grids_of_area"), list(grid_ids), [f"{prefix}%" for prefix in prefixes])
    return [dict(row) for row in rows]


def _rows(rows: Sequence[Struct]) -> list[dict[str, Any]]:
    return to_json([structs.asdict(row) for row in rows])
