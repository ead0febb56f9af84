"""Walking through the registry: a division with what lies in it, looking grids up, one grid with its surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct, convert

from schemas.grid_code import GridCodeError, GridKind
from server.db import registry, registry_browsing, registry_reading
from server.db.database import Connection, Row
from server.db.registry_browsing import GridWish, Territory
from server.errors import Problem
from server.masking import mask_phone
from server.services import Services
from server.usecases.enrolment import DEVICE_ROLES
from server.usecases.paging import from_cursor, to_cursor
from server.usecases.registry_sight import own_division, territory_of
from server.usecases.registry_views import DivisionName, GridDetail, detail_of
from server.usecases.sessions import Caller
from sync.access import division_prefix
from sync.grid_index import Rings
from sync.registry import GridLabel
from sync.registry_checks import read_code

MOST_DIVISIONS = 20
"""Of one search; whoever finds more writes more of the name."""

_DIGITS_INSIDE = {"city": 6, "county": 9, "street": 12, "community": 15}


class Figures(Struct, frozen=True):
    """What lies in a division; `people`: those who have a post in a grid, or at the division for its grids."""

    communities: int = 0
    general: int = 0
    temporary: int = 0
    dedicated: int = 0
    people: int = 0

    @property
    def grids(self) -> int:
        """Of every kind."""
        return self.general + self.temporary + self.dedicated


class DivisionLine(Struct, frozen=True):
    """A division with its figures."""

    division: DivisionName
    figures: Figures


class DivisionSheet(Struct, frozen=True):
    """A division with those above it, the city first, and those directly inside it, as of a registry version."""

    version: int
    above: list[DivisionName]
    here: DivisionLine
    inside: list[DivisionLine]


class GridRow(Struct, frozen=True, kw_only=True):
    """A current grid of a list; the days are the first and the last on which it is one."""

    id: UUID
    code: str
    name: str
    kind: GridKind
    community: str
    community_zh: str
    community_en: str
    compounds: list[str]
    valid_from: date | None
    valid_to: date | None
    synthetic: bool


class Grids(NamedTuple):
    """Grids in the order of codes; `next` leads to the following page."""

    grids: list[GridRow]
    next: str | None


class Found(NamedTuple):
    """What a search found: divisions, at most MOST_DIVISIONS, and a page of grids."""

    divisions: list[DivisionName]
    grids: Grids


class TeamMember(NamedTuple):
    """Somebody who works in a grid; his phone is masked."""

    id: UUID
    name: str
    phone: str
    role: str


class GridSheet(NamedTuple):
    """A grid with its team, its outline, and the current grids near it."""

    detail: GridDetail
    team: list[TeamMember]
    outline: Rings
    near: list[GridLabel]


class _CodePlace(NamedTuple):
    code: str


async def show_division(services: Services, caller: Caller, code: str) -> DivisionSheet:
    """A division, without a code the caller's own. Raises Problem: forbidden, not_found."""
    sight = territory_of(services, caller)
    async with services.database.read() as connection:
        return await division_sheet(connection, sight, code or own_division(caller))


async def division_sheet(connection: Connection, sight: Territory, code: str) -> DivisionSheet:
    """A division as far as it is in sight. Raises Problem: not_found."""
    rows = await registry_browsing.divisions_around(connection, sight, code)
    here = next((row for row in rows if row["code"] == code), None)
    if here is None:
        raise Problem("not_found", field="division")
    digits = _DIGITS_INSIDE[here["tier"]]
    counted = await registry_browsing.figures_of_parts(connection, sight, division_prefix(code), digits, DEVICE_ROLES)
    figures = _figures(counted)
    return DivisionSheet(
        version=await registry.current_version(connection),
        above=[_name(row) for row in rows if not row["inside"] and row is not here],
        here=DivisionLine(_name(here), figures.get(None, Figures())),
        inside=[
            DivisionLine(_name(row), figures.get(row["code"][:digits], Figures())) for row in rows if row["inside"]
        ],
    )


async def list_grids(services: Services, caller: Caller, wish: GridWish, cursor: str | None, limit: int) -> Grids:
    """A page of grids of the caller's territory. Raises Problem: forbidden, parameter_invalid."""
    sight = territory_of(services, caller)
    async with services.database.read() as connection:
        return await _page(connection, sight, wish, cursor, limit)


async def search(services: Services, caller: Caller, wish: GridWish, cursor: str | None, limit: int) -> Found:
    """Divisions and grids by the beginning of a code or a part of a name. Raises Problem: forbidden, parameter_invalid.

    Divisions are on the first page alone, and none where a kind of grid is asked for.
    """
    sight = territory_of(services, caller)
    async with services.database.read() as connection:
        grids = await _page(connection, sight, wish, cursor, limit)
        rows = []
        if cursor is None and wish.kind is None:
            rows = await registry_browsing.find_divisions(connection, sight, wish.prefix, wish.name, MOST_DIVISIONS)
    return Found([_name(row) for row in rows], grids)


async def show_sheet(services: Services, caller: Caller, text: str) -> GridSheet:
    """The grid that bears a code of 15 or 16 digits, or bore it.

    Raises Problem: forbidden, parameter_invalid (field code), not_found.
    """
    sight = territory_of(services, caller)
    try:
        code = read_code(text).code
    except GridCodeError as error:
        raise Problem("parameter_invalid", field="code", detail_zh=error.zh, detail_en=error.en) from None
    async with services.database.read() as connection:
        newest = await registry_browsing.grid_under_code(connection, sight, code)
        if newest is None:
            raise Problem("not_found", field="code")
        detail = await detail_of(connection, await registry_reading.labels_under_code(connection, code))
        people = await registry_browsing.people_of_grid(connection, newest["grid_id"], detail.divisions[0].code)
    return GridSheet(detail, _team(services, people), newest["outline"], _near(services, sight, newest))


async def _page(connection: Connection, sight: Territory, wish: GridWish, cursor: str | None, limit: int) -> Grids:
    place = from_cursor(cursor, _CodePlace)
    rows = await registry_browsing.browse_grids(connection, sight, wish, place.code if place else "", limit + 1)
    grids = convert([dict(row) for row in rows[:limit]], list[GridRow])
    return Grids(grids, to_cursor(_CodePlace(grids[-1].code) if len(rows) > limit else None))


def _figures(rows: Sequence[Row]) -> dict[str | None, Figures]:
    parts: dict[str | None, dict[str, int]] = {}
    for row in rows:
        parts.setdefault(row["part"], {})[row["what"]] = row["number"]
    return {part: convert(numbers, Figures) for part, numbers in parts.items()}


def _name(row: Row) -> DivisionName:
    values: dict[str, Any] = dict(row)
    return convert(values, DivisionName)


def _team(services: Services, rows: Sequence[Row]) -> list[TeamMember]:
    """In the catalogue's order of roles."""
    order = {role.code: place for place, role in enumerate(services.catalogue.source.roles)}
    team = [
        TeamMember(
            row["id"], row["name"], mask_phone(services.keyring.unseal_for("phone", row["phone_sealed"])), row["role"]
        )
        for row in rows
    ]
    return sorted(team, key=lambda one: order.get(one.role, len(order)))


def _near(services: Services, sight: Territory, grid: Row) -> list[GridLabel]:
    """The other grids in the surroundings of one, half its size around it."""
    lons, lats = zip(*grid["outline"][0], strict=True)
    wide, high = (max(lons) - min(lons)) / 2, (max(lats) - min(lats)) / 2
    box = (min(lons) - wide, min(lats) - high, max(lons) + wide, max(lats) + high)
    labels = [services.registry.labels[one] for one in services.registry.index.in_box(*box)]
    return [
        one
        for one in labels
        if one.id != grid["grid_id"] and (one.id in sight.grid_ids or one.code.startswith(tuple(sight.prefixes)))
    ]
