"""The demo city as rows of the registry: divisions, grids, the crosswalk, organisations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from msgspec.structs import asdict

from server.db import crosswalk, registry
from server.db.crosswalk import LegacyRow
from server.db.database import Connection
from server.db.registry import NewDivision, NewGrid, NewOrganisation
from server.demo.city import City
from server.demo.divisions import Division
from server.demo.grids import SYNTHETIC, Grid
from server.demo.offices import Organisation

REGISTRY_VERSION: Final = 1
_BUILDING_SINCE: Final = timedelta(days=60)


async def register(connection: Connection, city: City, today: date) -> None:
    """Insert the territory and the organisations as registry version 1."""
    await registry.insert_divisions(connection, _divisions(city.divisions))
    await registry.insert_registry_version(connection, REGISTRY_VERSION, SYNTHETIC)
    await registry.insert_grids(connection, REGISTRY_VERSION, [_grid(grid, today) for grid in city.grids])
    await crosswalk.write_crosswalk(connection, REGISTRY_VERSION, [], _legacy_rows(city))
    await registry.insert_organisations(connection, _organisations(city.organisations))


def _divisions(divisions: Sequence[Division]) -> list[NewDivision]:
    return [NewDivision(**asdict(one)) for one in divisions]


def _grid(grid: Grid, today: date) -> NewGrid:
    temporary = grid.days_left is not None
    return NewGrid(
        id=grid.id,
        code=grid.code,
        community=grid.community_code,
        kind=grid.kind,
        name=grid.name_zh,
        outline=grid.outline,
        synthetic=True,
        compounds=grid.compounds,
        micro_grids=tuple({"serial": one.serial, "name": one.name} for one in grid.micro_grids),
        valid_from=today - _BUILDING_SINCE if temporary else None,
        valid_to=today + timedelta(days=grid.days_left or 0) if temporary else None,
    )


def _legacy_rows(city: City) -> list[LegacyRow]:
    return [
        LegacyRow(
            department=row.department,
            legacy_code=row.legacy_code,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            sense=row.sense,
            note=row.note,
            community=row.community_code,
        )
        for row in city.crosswalk
    ]


def _organisations(organisations: Sequence[Organisation]) -> list[NewOrganisation]:
    return [
        NewOrganisation(
            id=one.id,
            department=one.department,
            division=one.division_code,
            tier=one.tier,
            name_zh=one.name_zh,
            name_en=one.name_en,
        )
        for one in organisations
    ]
