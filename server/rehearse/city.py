"""The city of a rehearsal: a server of its own in a temporary folder, filled, with legacy codes for folded grids."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from schemas.wire import LegacyCode
from server.bench.exchange.house import HOST, environ_of, serving
from server.db import crosswalk, registry
from server.db.crosswalk import LegacyRow
from server.db.database import Transaction
from server.demo.city import whole_city
from server.demo.fill import fill
from server.demo.registering import REGISTRY_VERSION
from server.embedded.connection import local_settings
from server.rehearse.folding import Folding, fold, phones, without_outlines
from server.services import Services, open_services
from server.simulate.demo_file import Demo, read_demo

_WORKERS: Final = 2
_DEPARTMENT: Final = "chengguan"
_SINCE: Final = date(2016, 6, 1)


class Stage(Struct, frozen=True):
    """Where it is rehearsed. `registry`: the version before anything changes."""

    data: Path
    environ: dict[str, str]
    url: str
    services: Services
    demo: Demo
    folding: Folding
    registry: int


@asynccontextmanager
async def standing(number: int, communities: int, into: int) -> AsyncGenerator[Stage]:
    """The city for as long as the block runs, with codes for so many phones.

    Raises Unfit for what the county is too small for, StartError if the server does not start.
    """
    whole = whole_city()
    folding = fold(whole, communities, into)
    # The history of a whole city takes minutes, and nothing of it is in these grids' unsent work.
    city = replace(without_outlines(whole, folding), whole=False, devices=phones(whole, folding, number))
    with tempfile.TemporaryDirectory(prefix="onegrid-rehearse-") as name:
        folder = Path(name)
        with serving(folder, _WORKERS) as (_, port):
            environ, data, url = environ_of(folder, _WORKERS), folder / "data", f"http://{HOST}:{port}"
            async with open_services(local_settings(environ)) as services:
                await fill(services, data, url, city)
                await services.database.write(lambda tx: _add_legacy_codes(tx, folding))
                demo = read_demo(data / "demo.json")
                yield Stage(data, environ, url, services, demo, folding, REGISTRY_VERSION + 1)


def legacy_of_grid(grid: str) -> LegacyCode:
    """The old code of one grid."""
    return LegacyCode(_DEPARTMENT, f"CG-{grid}")


def legacy_of_community(community: str) -> LegacyCode:
    """The old code of a community, which says nothing of the grid in it."""
    return LegacyCode(_DEPARTMENT, f"CG-{community}")


async def _add_legacy_codes(tx: Transaction, folding: Folding) -> None:
    """As a registry version of its own, for servers to take notice."""
    await registry.insert_registry_version(tx.connection, REGISTRY_VERSION + 1, "legacy codes")
    await crosswalk.write_crosswalk(tx.connection, REGISTRY_VERSION + 1, [], list(_legacy_rows(folding)))


def _legacy_rows(folding: Folding) -> Iterator[LegacyRow]:
    for grid in folding.grids:
        code = legacy_of_grid(grid.code).code
        yield LegacyRow(department=_DEPARTMENT, legacy_code=code, valid_from=_SINCE, grid_id=grid.id)
    for community in folding.into:
        code = legacy_of_community(community).code
        yield LegacyRow(department=_DEPARTMENT, legacy_code=code, valid_from=_SINCE, community=community)
