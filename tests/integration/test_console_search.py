"""Searching and exporting at the console: what a person sees, and that values stay out of addresses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from server.services import Services
from tests import builders
from tests.builders import ADMINISTRATOR, CADRE, STREET_CADRE, WEST_CADRE, WORKER, enrol
from tests.integration.console_scene import AtConsole, at_console

pytestmark = pytest.mark.long

SEARCH, EXPORT = "/console/search", "/console/export"


@pytest.fixture
async def shop(services: Services) -> UUID:
    await builders.build_city(services)
    return await (await enrol(services, WORKER)).report(
        "0103", name="琅琊百货", manager="王秀英", manager_phone="13812341234"
    )


@pytest.fixture
async def cadre(services: Services, shop: UUID, app_client: httpx.AsyncClient) -> AtConsole:
    return await at_console(services, app_client, CADRE)


@pytest.mark.parametrize(("by", "value"), [("text", "琅琊"), ("name", "王秀英"), ("phone", "138 1234 1234")])
async def test_what_is_found_leads_to_its_page_and_is_masked(cadre: AtConsole, shop: UUID, by: str, value: str) -> None:
    page = await cadre.get(SEARCH)
    assert SEARCH in page.links
    found = await cadre.send(page.form(SEARCH), by=by, value=value)
    assert f"/console/items/{shop}" in found.links
    assert "琅琊百货" in found.text
    assert "13812341234" not in found.text
    assert found.answer.url.path == SEARCH
    assert not found.answer.url.query


async def test_nothing_found_is_said_and_what_cannot_be_looked_for_too(cadre: AtConsole) -> None:
    form = (await cadre.get(SEARCH)).form(SEARCH)
    assert "没有查到" in (await cadre.send(form, by="text", value="明湖")).text
    refused = await cadre.send(form, 400, by="text", value="琅")
    assert "未能查找" in refused.text
    assert refused.form(SEARCH).first("value") == "琅"


async def test_a_surname_is_looked_for_in_ones_own_community(
    services: Services, cadre: AtConsole, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    home = await phone.report("0102")
    person = await phone.report("0101", name="欧阳小明", dwelling=str(home), id_type="none")
    found = await cadre.send((await cadre.get(SEARCH)).form(SEARCH), by="surname", value="欧阳", division="")
    assert f"/console/items/{person}" in found.links
    assert "小明" not in found.text
    assert await truth.fetchval("SELECT actor_id FROM audit WHERE action = 'item.search'") == CADRE.id


async def test_finds_are_read_in_pages(services: Services, cadre: AtConsole) -> None:
    phone = await enrol(services, WORKER)
    for _ in range(26):
        await phone.report("0103", name="明湖百货")
    first = await cadre.send((await cadre.get(SEARCH)).form(SEARCH), by="text", value="明湖")
    more = next(form for form in first.forms if ("by", "text") in form.fields and form.buttons)
    rest = await cadre.send(more, cursor=more.buttons[0][1])
    shown = [[link for link in page.links if "/console/items/" in link] for page in (first, rest)]
    assert [len(one) for one in shown] == [25, 1]
    assert not set(shown[0]) & set(shown[1])


async def test_others_find_nothing_and_administrators_are_not_led_here(
    services: Services, shop: UUID, app_client: httpx.AsyncClient
) -> None:
    west = await at_console(services, app_client, WEST_CADRE)
    found = await west.send((await west.get(SEARCH)).form(SEARCH), by="text", value="琅琊")
    assert "没有查到" in found.text
    administrator = await at_console(services, app_client, ADMINISTRATOR)
    assert SEARCH not in (await administrator.get("/console/")).links


async def test_an_export_needs_a_reason_and_comes_as_a_file(
    services: Services, shop: UUID, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    street = await at_console(services, app_client, STREET_CADRE)
    form = (await street.get(EXPORT)).form(EXPORT)
    given: dict[str, Any] = {
        "type": "0103",
        "format": "csv",
        "unapproved": "1",
        "reveal": [],
        "from": "2024-01-01",
        "to": "",
    }
    refused = await street.send(form, 400, reason=" ", division="", **given)
    assert "未能导出" in refused.text
    file = (await street.send(form, reason="消防检查", division=builders.EAST, **given)).answer
    assert file.headers["content-disposition"].startswith('attachment; filename="0103-')
    assert file.headers["cache-control"] == "no-store"
    assert str(shop) in file.text
    assert "13812341234" not in file.text
    row = await truth.fetchrow("SELECT actor_id, reason FROM audit WHERE action = 'item.export'")
    assert row is not None
    assert tuple(row) == (STREET_CADRE.id, "消防检查")
    given["to"] = "2024-13-01"
    await street.send(form, 400, reason="x", division="", **given)
    given["to"] = "2034-01-01"
    given["reveal"] = "1"
    full = (await street.send(form, reason="消防检查", division="", **given)).answer
    assert "13812341234" in full.text
