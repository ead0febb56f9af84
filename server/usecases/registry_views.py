"""Grids as offices look at them: one with its past, or a list."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, convert

from schemas.accounts import MicroGridView
from schemas.grid_code import GridCodeError, GridKind, micro_grid_code, printed
from server.db import crosswalk, registry_reading
from server.db.database import Connection, Row
from server.errors import Problem
from server.services import Services
from server.usecases.paging import from_cursor, to_cursor
from server.usecases.registry_area import check_reader
from server.usecases.sessions import Caller
from sync.registry_checks import read_code


class DivisionName(Struct, frozen=True):
    """A division by its code and names."""

    code: str
    tier: str
    name_zh: str
    name_en: str


class LabelView(Struct, frozen=True, kw_only=True):
    """A label of a grid: the registry versions in which it began and, unless it is current, ended; why it began."""

    code: str
    name: str
    from_version: int
    to_version: int | None
    published_at: datetime
    note: str


class GridDetail(Struct, frozen=True, kw_only=True):
    """A grid as its newest label has it. `current`: it is in the registry now.

    `divisions`: from its community up to the city. `given_crs`: the coordinate system of its outline as it was handed
    in, where that was not WGS-84. `labels`: newest first. `team`: people by role, as of now. `legacy_codes`:
    {department, code} each.
    """

    id: UUID
    code: str
    printed: str
    name: str
    kind: GridKind
    current: bool
    divisions: list[DivisionName]
    compounds: list[str]
    micro_grids: list[MicroGridView]
    valid_from: date | None
    valid_to: date | None
    synthetic: bool
    given_crs: str | None
    team: dict[str, int]
    legacy_codes: list[dict[str, str]]
    labels: list[LabelView]


class GridLine(Struct, frozen=True, kw_only=True):
    """A current grid of a list."""

    id: UUID
    code: str
    name: str
    kind: GridKind
    community: str
    community_zh: str
    community_en: str
    synthetic: bool
    valid_from: date | None
    valid_to: date | None


class GridPage(Struct, frozen=True):
    """Grids in the order of codes; `next` leads to the following page."""

    grids: list[GridLine]
    next: str | None


class GridFilter(NamedTuple):
    """Which grids a list shows: those whose codes have this prefix, and of one kind."""

    prefix: str = ""
    kind: GridKind | None = None


class _CodePlace(NamedTuple):
    code: str


async def show_grid(services: Services, caller: Caller, text: str) -> GridDetail:
    """The grid that bears a code of 15 or 16 digits, or bore it.

    Raises Problem: forbidden, parameter_invalid, not_found.
    """
    check_reader(services, caller)
    try:
        code = read_code(text).code
    except GridCodeError as error:
        raise Problem("parameter_invalid", field="code", detail_zh=error.zh, detail_en=error.en) from None
    async with services.database.read() as connection:
        labels = await registry_reading.labels_under_code(connection, code)
        if not labels:
            raise Problem("not_found", field="code")
        return await detail_of(connection, labels)


async def list_grids(
    services: Services, caller: Caller, narrowed: GridFilter, *, limit: int, cursor: str | None
) -> GridPage:
    """Current grids. Raises Problem: forbidden, parameter_invalid."""
    check_reader(services, caller)
    place = from_cursor(cursor, _CodePlace)
    after = place.code if place else ""
    async with services.database.read() as connection:
        rows = await registry_reading.list_grids(connection, narrowed.prefix, narrowed.kind, after, limit + 1)
    grids = convert([dict(row) for row in rows[:limit]], list[GridLine])
    return GridPage(grids, to_cursor(_CodePlace(grids[-1].code) if len(rows) > limit else None))


async def detail_of(connection: Connection, labels: list[Row]) -> GridDetail:
    """A grid from all its labels, the newest first."""
    newest = labels[0]
    grid_id, code = newest["grid_id"], newest["code"]
    legacy = await crosswalk.legacy_codes_of(connection, [grid_id])
    views = {
        "id": grid_id,
        "printed": printed(code),
        "current": newest["to_version"] is None,
        "divisions": [dict(row) for row in await registry_reading.divisions_above(connection, newest["community"])],
        "micro_grids": [
            MicroGridView(micro_grid_code(code, one["serial"]), one["name"]) for one in newest["micro_grids"]
        ],
        "team": await registry_reading.team_of_grid(connection, grid_id),
        "legacy_codes": [{"department": office, "code": old} for office, old in legacy.get(grid_id, [])],
        "labels": [dict(label) for label in labels],
    }
    return convert(dict(newest) | views, GridDetail)
