"""Conflicts at the console: the same use cases as at the command line, for the same people."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import httpx
import pytest

from server.services import Services
from sync.disputes import Choice
from tests.integration.conflict_planting import plant
from tests.integration.conflict_scene import DWELLING
from tests.integration.console_scene import AtConsole, Form, Page, at_console
from tests.integration.kinds_scene import OUTSIDE, KindsScene
from tests.integration.test_conflicts import assert_streams_add_up
from tests.integration.town import ADMINISTRATOR, CHIEF_EAST, COMMUNITY_EAST, COUNTY, HANDLER, WORKER_EAST

WHY = "电话核实"


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)


@pytest.fixture
async def chief(services: Services, scene: KindsScene, app_client: httpx.AsyncClient) -> AtConsole:
    return await at_console(services, app_client, CHIEF_EAST)


@pytest.fixture
async def conflict(scene: KindsScene) -> UUID:
    return await scene.two_edits(await scene.register(), {"name": "张三丰"}, {"name": "张山"})


def form_of(page: Page, conflict: UUID, button: str) -> Form:
    return page.form(f"/console/conflicts/{conflict}", button)


async def test_the_list_names_kinds_fields_and_no_values(chief: AtConsole, conflict: UUID) -> None:
    page = await chief.get("/console/conflicts")
    assert f"/console/conflicts/{conflict}" in page.links
    for words in ("共 1 个", "两人同改", "姓名", "测试grid_worker"):
        assert words in page.text
    assert "张三" not in page.text
    assert "没有等待您决定的冲突" in (await chief.get("/console/conflicts?kind=duplicate")).text
    assert "共 1 个" in (await chief.get("/console/conflicts?kind=strange&type=x")).text


async def test_the_list_goes_on_over_pages(chief: AtConsole, scene: KindsScene) -> None:
    planted = await plant(scene, 27)
    first = await chief.get("/console/conflicts")
    (onward,) = (link for link in first.links if "cursor=" in link)
    second = await chief.get(onward)
    shown = [link for page in (first, second) for link in page.links if link.startswith("/console/conflicts/")]
    assert shown == [f"/console/conflicts/{one}" for one in planted]


async def test_a_page_shows_three_sides_masked_and_reveals_them_for_a_reason(
    chief: AtConsole, conflict: UUID, truth: asyncpg.Connection
) -> None:
    page = await chief.get(f"/console/conflicts/{conflict}")
    for words in ("张*", "worker的手机", "chief的手机", "离线修改与他人已保存的修改落在同一栏", "与原值不同"):
        assert words in page.text
    assert "张山" not in page.text
    shown = await chief.send(form_of(page, conflict, "reveal"), reason=WHY, do="reveal")
    assert all(name in shown.text for name in ("张三 ", "张三丰", "张山"))
    assert await truth.fetchval("SELECT reason FROM audit WHERE action = 'conflict.reveal'") == WHY


@pytest.mark.parametrize(("button", "name"), [("server", "张三丰"), ("incoming", "张山")])
async def test_a_side_is_taken_and_taken_back(
    chief: AtConsole, scene: KindsScene, conflict: UUID, button: str, name: str
) -> None:
    item = (await scene.conflict(conflict))["item_id"]
    page = await chief.get(f"/console/conflicts/{conflict}")
    done = await chief.send(form_of(page, conflict, button), reason=WHY, do=button)
    assert "已处理" in done.text
    assert (await scene.item(item)).fields["name"] == name
    row = await scene.conflict(conflict)
    assert (row["take"], row["reason"], row["resolved_by"]) == (button, WHY, CHIEF_EAST.id)
    undone = await chief.send(form_of(done, conflict, "undo"), reason="看错", do="undo")
    assert "冲突重新打开" in undone.text
    assert (await scene.conflict(conflict))["state"] == "open"


async def test_fields_are_decided_one_by_one(chief: AtConsole, scene: KindsScene, conflict: UUID) -> None:
    page = await chief.get(f"/console/conflicts/{conflict}")
    form = form_of(page, conflict, "merge")
    await chief.send(form, reason=WHY, do="merge", **{"side.name": "incoming"})
    assert (await scene.conflict(conflict))["take"] == "merge"
    assert (await scene.item((await scene.conflict(conflict))["item_id"])).fields["name"] == "张山"


async def test_without_a_reason_the_page_says_so_and_keeps_the_choice(chief: AtConsole, conflict: UUID) -> None:
    page = await chief.get(f"/console/conflicts/{conflict}")
    refused = await chief.send(form_of(page, conflict, "server"), 400, reason=" ", do="server")
    assert "请填写原因" in refused.text
    strange = await chief.send(form_of(page, conflict, "merge"), 400, reason=WHY, do="merge", **{"side.name": "mine"})
    assert "参数不正确" in strange.text
    await chief.send(form_of(page, conflict, "server"), 400, reason=WHY, do="nothing")


async def test_a_code_is_settled_by_naming_a_grid(chief: AtConsole, scene: KindsScene) -> None:
    """By the office of the county, for a code that nobody knows may stand for any of its grids."""
    county = "INSERT INTO assignment (user_id, role, division) VALUES ($1, 'county_centre', $2)"
    await scene.truth.execute(county, CHIEF_EAST.id, COUNTY)
    unknown = str(CHIEF_EAST.grid)[:12] + "999"
    lost = DWELLING | {"unit_no": "9-9-9", "location": OUTSIDE}
    outcome = await scene.one("worker", scene.change("create", None, lost, grid=unknown))
    assert outcome.conflict is not None, outcome
    page = await chief.get(f"/console/conflicts/{outcome.conflict}")
    assert "server" not in [value for form in page.forms for _, value in form.buttons]
    wrong = await chief.send(form_of(page, outcome.conflict, "grid"), 422, reason=WHY, do="grid", grid=unknown)
    assert "没有使用此编码的现行网格" in wrong.text
    await chief.send(form_of(page, outcome.conflict, "grid"), reason=WHY, do="grid", grid=str(CHIEF_EAST.grid))
    assert (await scene.conflict(outcome.conflict))["take"] == "grid"


async def test_a_duplicate_links_to_its_twin(chief: AtConsole, scene: KindsScene) -> None:
    first, second = (scene.dwelling(address="东街 8 号", unit_no="1") for _ in range(2))
    await scene.one("chief", first)
    conflict = (await scene.one("worker", second)).conflict
    page = await chief.get(f"/console/conflicts/{conflict}")
    assert f"/console/items/{first.item}" in page.links
    form = form_of(page, conflict, "link")
    assert form.first("link") == str(first.item)
    assert "参数不正确" in (await chief.send(form, 400, reason=WHY, do="link", link="x")).text
    assert "与另一事项合为一项" in (await chief.send(form, reason=WHY, do="link")).text
    assert (await scene.item(second.item)).deleted


async def test_what_refers_to_a_deleted_item_stands_one_to_a_line(chief: AtConsole, scene: KindsScene) -> None:
    house = await scene.built()
    living = [scene.resident(house) for _ in range(2)]
    for one in living:
        assert (await scene.one("worker", one)).outcome == "applied"
    conflict = (await scene.one("worker", await scene.deletion(house))).conflict
    page = await chief.get(f"/console/conflicts/{conflict}")
    (lines,) = re.findall(r'<dd><ul class="related">(.*?)</ul></dd>', page.answer.text, re.DOTALL)
    linked = re.findall(r'<li><a href="/console/items/([0-9a-f-]{36})">[^<]+</a></li>', lines)
    assert sorted(linked) == sorted(str(one.item) for one in living)


async def test_of_two_who_settle_at_once_the_second_is_told(
    services: Services, chief: AtConsole, scene: KindsScene, conflict: UUID, app_client: httpx.AsyncClient
) -> None:
    page = await chief.get(f"/console/conflicts/{conflict}")
    await scene.resolve(conflict, COMMUNITY_EAST, Choice("server"))
    late = await chief.send(form_of(page, conflict, "incoming"), 409, reason=WHY, do="incoming")
    assert "已由" in late.text or "已处理" in late.text
    assert (await scene.conflict(conflict))["resolved_by"] == COMMUNITY_EAST.id


async def test_only_who_may_settle_it_is_shown_any_of_it(
    services: Services, scene: KindsScene, conflict: UUID, app_client: httpx.AsyncClient
) -> None:
    for who, status in ((HANDLER, 404), (ADMINISTRATOR, 403), (WORKER_EAST, 403)):
        there = await at_console(services, app_client, who)
        page = await there.get(f"/console/conflicts/{conflict}", status)
        assert "张三" not in page.text
        assert ("/console/conflicts" in page.links) == (who is HANDLER)
    await (await at_console(services, app_client, HANDLER)).get("/console/conflicts/nonsense", 404)


async def test_the_home_page_counts_them(chief: AtConsole, scene: KindsScene) -> None:
    await plant(scene, 3)
    page = await chief.get("/console/")
    assert "3  待您决定的冲突" in page.text
