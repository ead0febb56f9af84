"""An assignment that has ended opens nothing any more, at whichever door; nor does one that has not begun."""

from __future__ import annotations

from time import monotonic

import asyncpg
import httpx
import pytest

from server.services import Services
from tests import builders
from tests.builders import ADVISER, CHIEF, DISPATCHER, GRIDS, RIDER, WORKER, enrol, form, grid_id
from tests.integration.console_scene import at_console
from tests.integration.office import approval, approve, desk
from tests.phones import field_phone

ENDED = "UPDATE assignment SET valid_to = now() WHERE user_id = $1"
NOT_BEGUN = "UPDATE assignment SET valid_from = now() + interval '1 hour' WHERE user_id = $1"


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.mark.parametrize("statement", [ENDED, NOT_BEGUN], ids=["ended", "not begun"])
async def test_an_office_is_shut_at_once(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection, statement: str
) -> None:
    item = await (await enrol(services, WORKER)).report("0401")
    chief, dispatcher = await desk(services, app_client, CHIEF), await desk(services, app_client, DISPATCHER)
    assert await chief.queue() == [str(item)]
    assert (await dispatcher.get(f"/v1/cases/{item}")).status_code == 200
    page = await (await at_console(services, app_client, CHIEF)).get("/console/")
    assert "网格长" in page.text
    for person in (CHIEF, DISPATCHER):
        await truth.execute(statement, person.id)
    decision = await approval(truth, item)
    assert await chief.queue() == []
    assert (await chief.decide(decision))[0]["code"] == "not_found"
    assert (await chief.get(f"/v1/items/{item}")).status_code == 404
    assert (await chief.found("/v1/items"))["items"] == []
    assert (await dispatcher.get(f"/v1/cases/{item}")).status_code == 404
    assert (await dispatcher.try_to(item, "accept", "reported")).status_code == 404
    console = await at_console(services, app_client, CHIEF)
    await console.get(f"/console/items/{item}", 404)
    assert await truth.fetchval("SELECT state FROM review") == "pending"


async def test_a_phone_loses_the_grid_and_keeps_its_own_stream(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await field_phone(services, app_client, WORKER)
    phone.create("0102", form("0102"))
    phone.seal()
    mark = (await phone.sync())[-1].mark
    asked = {"params": {"mark": mark}, "headers": {"Authorization": phone.headers["Authorization"]}}
    assert (await app_client.get("/v1/exchange", **asked)).status_code == 204
    await truth.execute(ENDED, WORKER.id)
    # What is said from memory may be two seconds old, and has to travel.
    deadline = monotonic() + 3
    while (await app_client.get("/v1/exchange", **asked)).status_code == 204:
        assert monotonic() < deadline
    answer, _ = phone.apply(*await phone.send())
    assert answer.lost == [f"grid/{grid_id(GRIDS[0])}"]
    assert [page.stream for page in answer.streams if page.entries] == []


async def test_an_adviser_has_nothing_to_approve_and_a_rider_sees_only_his_own(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item = await (await enrol(services, WORKER)).report("0401")
    own = await (await enrol(services, RIDER)).report("0401")
    adviser, rider = await desk(services, app_client, ADVISER), await desk(services, app_client, RIDER)
    assert {one["id"] for one in (await adviser.found("/v1/items"))["items"]} == {str(item), str(own)}
    assert await adviser.queue() == []
    assert (await adviser.decide(await approval(truth, item)))[0]["code"] == "forbidden"
    assert (await adviser.try_to(item, "close", "reported")).status_code in (403, 404, 409)
    assert [one["id"] for one in (await rider.found("/v1/items"))["items"]] == [str(own)]
    assert (await rider.get(f"/v1/items/{item}")).status_code == 404
    assert (await rider.decide(await approval(truth, item)))[0]["code"] == "not_found"
    for person in (ADVISER, RIDER):
        phone = await field_phone(services, app_client, person)
        await phone.sync()
        assert phone.device.visible(item) is None
    await approve(services, app_client, truth, CHIEF, item)
    assert await truth.fetchval("SELECT state FROM review WHERE item_id = $1", item) == "approved"
