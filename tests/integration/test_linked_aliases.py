"""The id of a loser leads to its winner: at the API, the console and the command line, for who may read both."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest

from server.made_up.names import numbered_credit_code
from server.services import Services
from server.usecases.conflicts import resolve_conflict
from server.usecases.explaining import explain_item
from server.usecases.orders import Order
from server.usecases.reading import item_view
from sync.disputes import Choice
from tests.builders import (
    CADRE,
    CENTRE,
    CHIEF,
    GRIDS,
    MATE,
    WEST_CADRE,
    WEST_WORKER,
    WORKER,
    Person,
    build_city,
    caller,
    enrol,
)
from tests.integration.console_scene import at_console
from tests.integration.erasing_scene import base_of, edit
from tests.integration.office import desk
from tests.integration.terminal import shell

CODE = numbered_credit_code("MA", 1)


class Shops(NamedTuple):
    """Two records of one shop, linked."""

    winner: UUID
    loser: UUID


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)


async def linked(services: Services, truth: asyncpg.Connection, first: Person, grid: str, by: Person) -> Shops:
    """The worker's shop is the one that somebody else wrote up before, in this grid."""
    winner = await (await enrol(services, first)).report("0103", grid=grid, credit_code=CODE, manager="许先生")
    loser = await (await enrol(services, WORKER)).report("0103", credit_code=CODE, manager="许老板")
    await link(services, await conflict_about(truth, loser), winner, by)
    return Shops(winner, loser)


async def conflict_about(truth: asyncpg.Connection, item: UUID) -> UUID:
    return await truth.fetchval("SELECT id FROM conflict WHERE item_id = $1", item)


async def link(services: Services, conflict: UUID, winner: UUID, by: Person) -> None:
    order = Order(actor=await caller(services, by), ids=(conflict, conflict), reason="同一家", now=datetime.now(UTC))
    await resolve_conflict(services, order, Choice("link", link=winner))


@pytest.fixture
async def near(services: Services, truth: asyncpg.Connection) -> Shops:
    return await linked(services, truth, MATE, GRIDS[0], CADRE)


@pytest.fixture
async def apart(services: Services, truth: asyncpg.Connection) -> Shops:
    """The winner lies in another community than the loser did."""
    return await linked(services, truth, WEST_WORKER, GRIDS[2], CENTRE)


async def test_the_api_answers_the_winner_and_tells_the_alias(
    services: Services, app_client: httpx.AsyncClient, near: Shops, truth: asyncpg.Connection
) -> None:
    at_desk = await desk(services, app_client, CADRE)
    told = await at_desk.found(f"/v1/items/{near.loser}")
    assert (told["item"]["id"], told["alias"]) == (str(near.winner), str(near.loser))
    assert "alias" not in await at_desk.found(f"/v1/items/{near.winner}")
    revealed = await at_desk.post(f"/v1/items/{near.loser}/reveal", {"reason": "核对"})
    assert revealed.json()["item"]["fields"]["manager"] == "许先生"
    acts = await truth.fetch("SELECT DISTINCT subject_id FROM audit WHERE action IN ('item.read', 'item.reveal')")
    assert [one["subject_id"] for one in acts] == [str(near.winner)]


async def test_a_way_of_several_links_leads_to_its_end(
    services: Services, app_client: httpx.AsyncClient, near: Shops, truth: asyncpg.Connection
) -> None:
    last = await (await enrol(services, CHIEF)).report("0103", credit_code=CODE)
    await link(services, await conflict_about(truth, last), near.winner, CADRE)
    told = await (await desk(services, app_client, CADRE)).found(f"/v1/items/{last}")
    assert (told["item"]["id"], told["alias"]) == (str(near.winner), str(last))


async def test_whoever_may_not_read_both_is_told_what_he_is_told_of_nothing(
    services: Services, app_client: httpx.AsyncClient, apart: Shops
) -> None:
    for person in (CADRE, CHIEF, WEST_CADRE):
        at_desk = await desk(services, app_client, person)
        answers = [await at_desk.get(f"/v1/items/{item}") for item in (apart.loser, uuid4())]
        assert [one.status_code for one in answers] == [404, 404]
        loser, nothing = ({**one.json(), "instance": None, "request_id": None} for one in answers)
        assert loser == nothing
        console = await at_console(services, app_client, person)
        page = await console.get(f"/console/items/{apart.loser}", status=404)
        assert str(apart.winner) not in page.answer.text
    told = await (await desk(services, app_client, CENTRE)).found(f"/v1/items/{apart.loser}")
    assert told["item"]["id"] == str(apart.winner)


async def test_the_console_leads_on_to_the_winners_page(
    services: Services, app_client: httpx.AsyncClient, near: Shops
) -> None:
    console = await at_console(services, app_client, CADRE)
    page = await console.get(f"/console/items/{near.loser}")
    assert page.answer.url.path == f"/console/items/{near.winner}"
    assert f"{near.loser} 已并入此事项" in page.text


async def test_a_form_of_the_losers_page_leads_there_too_and_nothing_is_done(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    """Somebody had the page open when another one linked the two."""
    winner = await (await enrol(services, MATE)).report("0103", credit_code=CODE)
    loser = await (await enrol(services, WORKER)).report("0103", credit_code=CODE)
    console = await at_console(services, app_client, CADRE)
    form = (await console.get(f"/console/items/{loser}")).form(f"/console/items/{loser}", "reveal")
    await link(services, await conflict_about(truth, loser), winner, CADRE)
    page = await console.send(form, do="return", revision=f"{loser}.1.{'0' * 16}")
    assert page.answer.url.path == f"/console/items/{winner}"
    assert "刚才的操作未执行" in page.text


async def test_why_it_lies_where_it_lies_is_told_of_the_winner(services: Services, near: Shops) -> None:
    reader = await caller(services, CADRE)
    told = await explain_item(services, reader, near.loser)
    assert (told.item, told.alias) == (near.winner, near.loser)
    assert (await explain_item(services, reader, near.winner)).alias is None


async def test_what_is_told_of_the_winner_names_no_loser(services: Services, truth: asyncpg.Connection) -> None:
    """An edit of the loser was carried to the winner, whose reader may not know of the loser."""
    winner = await (await enrol(services, WEST_WORKER)).report("0103", grid=GRIDS[2], credit_code=CODE)
    phone = await enrol(services, WORKER)
    loser = await phone.report("0103", credit_code=CODE)
    base = await base_of(truth, loser)
    await link(services, await conflict_about(truth, loser), winner, CENTRE)
    carried = await phone.push(edit(loser, base, "0103", employees=7))
    assert carried.outcomes[0].outcome == "merged"
    told = await explain_item(services, await caller(services, WEST_CADRE), winner)
    shown = await item_view(services, await caller(services, WEST_CADRE), winner)
    assert [one.version for one in shown.history] == [1, 2]
    assert str(loser) not in json.dumps(msgspec.to_builtins([told, shown]))


@pytest.mark.long
async def test_the_command_line_leads_to_the_winner(environ: dict[str, str], near: Shops) -> None:
    for command in ("show", "explain"):
        shown = await shell(environ, "item", command, str(near.loser), "--as", CADRE.phone)
        assert shown.status == 0, shown.err
        assert f"linked into this one: {near.loser}" in shown.out
        assert str(near.winner) in shown.out
        told = await shell(environ, "item", command, str(near.loser), "--as", CADRE.phone, "--json")
        assert json.loads(told.out)["alias"] == str(near.loser)
