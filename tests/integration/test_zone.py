"""A statistical zone has no county of its own: its cases find the offices of its host county, which may read them."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from server.db import registry
from server.db.database import Transaction
from server.db.registry import NewDivision, NewGrid, NewOrganisation
from server.services import Services
from server.usecases.standings import find_standings
from tests import builders
from tests.builders import CITY, COUNTY, DISPATCHER, POLICEMAN, WORKER, create, enrol, organisation
from tests.integration.office import case_of, desk

ZONE, ZONE_STREET, ZONE_COMMUNITY = "341171000000", "341171001000", "341171001001"
ZONE_GRID = uuid4()


@pytest.fixture(autouse=True)
async def city(services: Services, truth: asyncpg.Connection) -> None:
    await builders.build_city(services)
    await services.database.write(_add_zone)
    await truth.execute("UPDATE assignment SET division = $2 WHERE user_id = $1", DISPATCHER.id, ZONE_STREET)
    await truth.execute("UPDATE assignment SET division = $2 WHERE user_id = $1", POLICEMAN.id, COUNTY)


async def _add_zone(tx: Transaction) -> None:
    places = [
        NewDivision(code=ZONE, parent=CITY, tier="county", name_zh="开发区", host_county=COUNTY),
        NewDivision(code=ZONE_STREET, parent=ZONE, tier="street", name_zh="南谯街道"),
        NewDivision(code=ZONE_COMMUNITY, parent=ZONE_STREET, tier="community", name_zh="北社区"),
    ]
    await registry.insert_divisions(tx.connection, places)
    ring = [(118.5, 32.5), (118.51, 32.5), (118.51, 32.51), (118.5, 32.51), (118.5, 32.5)]
    grid = NewGrid(
        id=ZONE_GRID,
        code=f"{ZONE_COMMUNITY}001",
        community=ZONE_COMMUNITY,
        kind="general",
        name="北一网格",
        outline=[ring],
        synthetic=True,
    )
    await registry.insert_registry_version(tx.connection, 2, "zone")
    await registry.insert_grids(tx.connection, 2, [grid])


async def _report(services: Services, truth: asyncpg.Connection, type_code: str) -> UUID:
    """An item that lies in the zone's grid."""
    change = create(type_code, urgency="critical" if type_code == "0401" else None)
    phone = await enrol(services, WORKER)
    assert (await phone.push(change)).outcomes[0].outcome == "applied"
    await truth.execute("UPDATE item SET grid_id = $2 WHERE id = $1", change.item, ZONE_GRID)
    # The registry in memory is up to two seconds old.
    services.registry_holder.registry = await _registry(services)
    return change.item


async def _registry(services: Services):
    async with services.database.read() as connection:
        return await registry.load_registry(connection)


async def test_a_tip_from_a_zone_finds_the_police_of_its_host_county_until_it_has_its_own(
    services: Services, truth: asyncpg.Connection
) -> None:
    item = await _report(services, truth, "0204")

    async def nearest() -> str | None:
        async with services.database.read() as connection:
            (standing,) = await find_standings(connection, services, [item])
        return standing.nearest.division if standing.nearest else None

    assert await nearest() == COUNTY
    own = NewOrganisation(id=uuid4(), department="gongan", division=ZONE, tier="county", name_zh="分局", name_en="")
    await services.database.write(lambda tx: registry.insert_organisations(tx.connection, [own]))
    assert await nearest() == ZONE
    await truth.execute("DELETE FROM organisation WHERE division = ANY($1::text[])", [ZONE, COUNTY])
    assert await nearest() is None


async def test_the_host_countys_office_is_dispatched_to_and_reads_what_it_holds(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item = await _report(services, truth, "0401")
    dispatcher, police = await desk(services, app_client, DISPATCHER), await desk(services, app_client, POLICEMAN)
    offered = (await dispatcher.found("/v1/organisations", department="gongan"))["organisations"]
    assert [one["division"] for one in offered] == [COUNTY]
    assert (await police.get(f"/v1/items/{item}")).status_code == 404
    await dispatcher.act(item, "accept", "reported")
    await dispatcher.act(item, "dispatch", "accepted", department="gongan")
    assert (await case_of(truth, item))["organisation_id"] == organisation("gongan", COUNTY).id
    assert (await police.get(f"/v1/items/{item}")).status_code == 200
    await police.act(item, "sign", "dispatched")
