"""The registry and the offices: divisions, numbered registry versions, grids with their labels, organisations."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import Struct, convert, structs

from server.db.crosswalk import crosswalk_rows
from server.db.database import Connection, to_json
from server.db.lineage import load_former_ground, load_lineage
from server.db.named import sql
from sync.grid_index import Rings
from sync.registry import GridLabel, Registry


class NewDivision(Struct, frozen=True, kw_only=True):
    """A city, county, street or community under its 12-digit code; `outline` as in `sync.registry.GridLabel`."""

    code: str
    parent: str | None
    tier: str
    name_zh: str
    name_en: str = ""
    outline: Rings | None = None
    synthetic: bool = False
    host_county: str | None = None


class NewGrid(Struct, frozen=True, kw_only=True):
    """A grid with a label; `outline` as in `sync.registry.GridLabel`.

    `micro_grids`: {serial, name} each; `given`: the outline as it was handed in, where that was not WGS-84.
    """

    id: UUID
    code: str
    community: str
    kind: str
    name: str
    outline: Rings
    synthetic: bool
    compounds: tuple[str, ...] = ()
    micro_grids: tuple[dict[str, str], ...] = ()
    given: dict[str, Any] | None = None
    valid_from: date | None = None
    valid_to: date | None = None


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
    """Add grids and their labels, valid from this registry version: a statement for each table."""
    rows = _rows(grids)
    await connection.execute(sql("insert_grids"), rows, version)
    await connection.execute(sql("claim_codes"), rows)
    await connection.execute(sql("insert_grid_labels"), rows, version)


async def insert_organisations(connection: Connection, organisations: Sequence[NewOrganisation]) -> None:
    """Add organisations in one statement."""
    await connection.execute(sql("insert_organisations"), _rows(organisations))


async def current_version(connection: Connection) -> int:
    """The newest registry version; 0 before the first."""
    return await connection.fetchval(sql("registry_version")) or 0


async def load_registry(connection: Connection) -> Registry:
    """The registry of now and of before; read in one snapshot (`Database.read`), or versions may be mixed."""
    version = await current_version(connection)
    rows = await connection.fetch(sql("current_labels"))
    return Registry(
        version,
        convert([dict(row) for row in rows], list[GridLabel]),
        await load_lineage(connection),
        await crosswalk_rows(connection),
        await load_former_ground(connection),
        [(row["version"], row["published_at"]) for row in await connection.fetch(sql("publication_times"))],
    )


async def grids_of_area(
    connection: Connection, grid_ids: Sequence[UUID], prefixes: Sequence[str], since: int = 0
) -> list[dict[str, Any]]:
    """Labels of current grids that are named or lie in one of these divisions, in the order of codes.

    Only those that began, or whose community changed, after the registry version `since`.
    """
    rows = await connection.fetch(sql("grids_of_area"), list(grid_ids), _patterns(prefixes), since)
    return [dict(row) for row in rows]


async def scope_of_area(connection: Connection, grid_ids: Sequence[UUID], prefixes: Sequence[str]) -> list[UUID]:
    """The current grids that are named or lie in one of these divisions, in the order of codes."""
    rows = await connection.fetch(sql("scope_of_area"), list(grid_ids), _patterns(prefixes))
    return [row["grid_id"] for row in rows]


def _patterns(prefixes: Sequence[str]) -> list[str]:
    return [f"{prefix}%" for prefix in prefixes]


def _rows(rows: Sequence[Struct]) -> list[dict[str, Any]]:
    return to_json([structs.asdict(row) for row in rows])
