"""The console's pages about people and devices: who sees what, what is masked, and what the forms do."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from server.console.people_pages import PAGE_LENGTH
from server.console.qr import draw_qr
from server.db.people import NewAssignment, NewUser, insert_assignments, insert_users
from server.services import Services
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CHIEF,
    CITY,
    GRIDS,
    NEIGHBOUR,
    STREET_CADRE,
    WEST_CADRE,
    WEST_WORKER,
    WORKER,
    Person,
    grid_id,
)
from tests.integration.console_scene import AtConsole, Page, at_console

pytestmark = pytest.mark.long

GUARD = Person("security_administrator", "13900000041", division=CITY)
HOSTILE = "<script>alert(1)</script>\"'{{ 7*7 }}"


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def cadre(services: Services, app_client: httpx.AsyncClient) -> AtConsole:
    return await at_console(services, app_client, CADRE)


async def device_of(services: Services, person: Person) -> UUID:
    return (await builders.enrol(services, person)).device_id


async def hire(services: Services, *persons: tuple[str, Person]) -> None:
    keyring = services.keyring
    users = [
        NewUser(
            id=one.id,
            name=name,
            phone_index=keyring.index("phone", one.phone),
            phone_sealed=keyring.seal_for("phone", one.phone),
        )
        for name, one in persons
    ]
    posts = [
        NewAssignment(
            user_id=one.id, role=one.role, division=one.division, grid_id=grid_id(one.grids[0]) if one.grids else None
        )
        for _, one in persons
    ]

    await services.database.write(lambda tx: insert_users(tx.connection, users))
    await services.database.write(lambda tx: insert_assignments(tx.connection, posts))


def people_on(page: Page) -> set[str]:
    return {link.removeprefix("/console/people/") for link in page.links if link.startswith("/console/people/")}


def devices_on(page: Page) -> set[str]:
    return {link.removeprefix("/console/devices/") for link in page.links if link.startswith("/console/devices/")}


# People ----------------------------------------------------------------------------------------------------


async def test_the_people_of_a_community_with_what_they_do_and_their_phones(
    services: Services, cadre: AtConsole, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WORKER)
    await truth.execute("UPDATE device SET last_exchange_at = now() - interval '9 days', unsent = 4")
    page = await cadre.get("/console/people")
    assert str(WORKER.id) in people_on(page)
    assert str(WEST_WORKER.id) not in people_on(page)
    assert devices_on(page) == {str(device)}
    for words in (
        "grid_worker 01",
        "139****0001",
        "网格员",
        "东社区 · 第1网格",
        GRIDS[0],
        "红米",
        "9 天前",
        "4 项未上传",
    ):
        assert words in page.text, words
    assert WORKER.phone not in page.answer.text
    english = await cadre.get("/console/people?lang=en")
    for words in ("Grid worker", "9 d ago", "4 unsent", "No device in use"):
        assert words in english.text, words


async def test_people_are_searched_and_filtered(cadre: AtConsole) -> None:
    assert people_on(await cadre.get("/console/people?find=grid_ch")) == {str(CHIEF.id), str(builders.SECOND_CHIEF.id)}
    by_grid = people_on(await cadre.get(f"/console/people?find={GRIDS[1]}"))
    assert by_grid == {str(CHIEF.id), str(NEIGHBOUR.id)}
    only = await cadre.get(f"/console/people?find={GRIDS[1]}&role=grid_worker")
    assert people_on(only) == {str(NEIGHBOUR.id)}
    assert only.form("/console/people").first("find") == GRIDS[1]
    nobody = await cadre.get("/console/people?find=zz&role=nonsense")
    assert people_on(nobody) == set()
    assert "没有符合条件的人员" in nobody.text


async def test_people_go_on_over_pages(services: Services, cadre: AtConsole) -> None:
    more = [Person("grid_worker", f"137{number:08d}", GRIDS[:1]) for number in range(PAGE_LENGTH)]
    await hire(services, *((f"新人{number:02d}", one) for number, one in enumerate(more)))
    first = await cadre.get("/console/people?role=grid_worker")
    (onward,) = (link for link in first.links if "cursor=" in link)
    second = await cadre.get(onward)
    assert len(people_on(first)) == PAGE_LENGTH
    assert not people_on(first) & people_on(second)
    assert {str(one.id) for one in more} <= people_on(first) | people_on(second)
    await cadre.get("/console/people?cursor=nonsense", 400)


async def test_a_telephone_number_is_shown_once_and_for_a_reason(cadre: AtConsole, truth: asyncpg.Connection) -> None:
    address = f"/console/people/{WORKER.id}"
    page = await cadre.get(address)
    form = page.form(address)
    blank = await cadre.send(form, 400, reason="  ")
    assert "请填写原因" in blank.text
    assert WORKER.phone not in page.answer.text + blank.answer.text
    shown = await cadre.send(blank.form(address), reason="通知换机")
    assert WORKER.phone in shown.text
    assert WORKER.phone not in (await cadre.get(address)).answer.text
    acts = await truth.fetch("SELECT action, actor_id, subject_id, reason FROM audit")
    assert [tuple(act) for act in acts] == [("user.revealed", CADRE.id, str(WORKER.id), "通知换机")]


async def test_names_are_never_markup(services: Services, cadre: AtConsole, truth: asyncpg.Connection) -> None:
    device = await device_of(services, WORKER)
    await truth.execute("UPDATE users SET name = $2 WHERE id = $1", WORKER.id, HOSTILE)
    await truth.execute("UPDATE device SET name = $1, app = $1, platform = $1", HOSTILE)
    for address in ("people", f"people/{WORKER.id}", "devices", f"devices/{device}", f"devices/{device}/replace"):
        page = await cadre.get(f"/console/{address}")
        assert "script" not in page.tags
        assert HOSTILE in page.text


async def test_an_administrator_still_finds_who_worked_in_a_retired_grid(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WEST_WORKER)
    await truth.execute("UPDATE grid_label SET to_version = 1 WHERE code = $1", GRIDS[2])
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", WEST_WORKER.id)
    desk = await at_console(services, app_client, ADMINISTRATOR)
    found = await desk.get(f"/console/people?find={WEST_WORKER.grids[0][:12]}")
    assert str(WEST_WORKER.id) in people_on(found)
    for words in (GRIDS[2], "已结束"):
        assert words in (await desk.get(f"/console/people/{WEST_WORKER.id}")).text, words
    assert str(device) in devices_on(await desk.get("/console/devices"))
    assert f"/console/devices/{device}/revoke" in (await desk.get(f"/console/devices/{device}")).links


# Devices ---------------------------------------------------------------------------------------------------


async def test_silent_and_unsent_devices_are_found(
    services: Services, cadre: AtConsole, truth: asyncpg.Connection
) -> None:
    silent, full, west = [str(await device_of(services, person)) for person in (WORKER, NEIGHBOUR, WEST_WORKER)]
    await truth.execute("UPDATE device SET last_exchange_at = now() - interval '10 days' WHERE id = $1", silent)
    await truth.execute("UPDATE device SET last_exchange_at = now(), unsent = 2 WHERE id = $1", full)
    page = await cadre.get("/console/devices")
    assert devices_on(page) == {silent, full}
    for words in ("139****0001", "10 天前", "2 项未上传", "已全部上传", "在用", "1.0"):
        assert words in page.text, words
    assert page.answer.text.count("due late") == 1
    assert devices_on(await cadre.get("/console/devices?silent=7")) == {silent}
    assert devices_on(await cadre.get("/console/devices?silent=14")) == set()
    assert devices_on(await cadre.get("/console/devices?unsent=1")) == {full}
    assert devices_on(await cadre.get("/console/devices?silent=nonsense&unsent=x")) == {silent, full}
    await cadre.get(f"/console/devices/{west}", 404)
    await cadre.get("/console/devices/nonsense", 404)


async def test_a_device_is_revoked_after_a_page_that_says_what_it_means(
    services: Services, cadre: AtConsole, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WORKER)
    await truth.execute("UPDATE device SET unsent = 5")
    page = await cadre.get(f"/console/devices/{device}")
    asking = f"/console/devices/{device}/revoke"
    assert asking in page.links
    question = await cadre.get(asking)
    for words in ("不再得到任何数据", "隔离区", "还有 5 项未上传", "不能撤销"):
        assert words in question.text, words
    assert await truth.fetchval("SELECT revoked_at FROM device") is None
    blank = await cadre.send(question.form(asking), 400, reason="")
    assert "请填写原因" in blank.text
    done = await cadre.send(blank.form(asking), reason="手机遗失")
    assert "grid_worker 01的设备已停用" in done.text
    assert asking not in done.links
    row = await truth.fetchrow("SELECT revoked_by FROM device WHERE revoked_at IS NOT NULL")
    assert row is not None
    assert row["revoked_by"] == CADRE.id
    assert await truth.fetchval("SELECT reason FROM audit WHERE action = 'device.revoked'") == "手机遗失"
    await cadre.get(asking, 404)
    # The form of a page that has grown old is told so.
    assert "此前已停用" in (await cadre.send(question.form(asking), reason="手机遗失")).text
    assert devices_on(await cadre.get("/console/devices")) == set()
    assert devices_on(await cadre.get("/console/devices?revoked=1")) == {str(device)}


async def test_a_device_is_replaced_and_the_code_is_shown_once(
    services: Services, cadre: AtConsole, truth: asyncpg.Connection
) -> None:
    old = await device_of(services, WORKER)
    asking = f"/console/devices/{old}/replace"
    shown = await cadre.send((await cadre.get(asking)).form(asking), reason="屏幕碎了")
    assert "只显示这一次" in shown.text
    assert "svg" in shown.tags
    assert "http://onegrid.test" in shown.text
    code = next(word for word in shown.text.split() if len(word) == 14 and word[4] == word[9] == "-")
    assert code not in (await cadre.get(f"/console/devices/{old}")).text
    wish = {"code": code, "install": "installation-1", "name": "新机"}
    answer = await cadre.client.post("/v1/enrol", json=wish)
    assert answer.status_code == 200, answer.text
    page = await cadre.get(f"/console/devices/{old}")
    assert f"/console/devices/{answer.json()['device']}" in page.links
    assert await truth.fetchval("SELECT replaces FROM device WHERE name = '新机'") == old
    assert "community 10" in page.text


async def test_the_picture_holds_address_and_code(services: Services, cadre: AtConsole) -> None:
    asking = f"/console/devices/{await device_of(services, WORKER)}/replace"
    shown = await cadre.send((await cadre.get(asking)).form(asking), reason="屏幕碎了")
    code = next(word for word in shown.text.split() if len(word) == 14 and word[4] == word[9] == "-")
    link = f"onegrid://enrol?url=http%3A%2F%2Fonegrid.test&code={code.replace('-', '')}"
    assert f'd="{draw_qr(link).path}"' in shown.answer.text


async def test_nothing_is_done_without_the_form_of_the_page(
    services: Services, cadre: AtConsole, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WORKER)
    for deed in ("revoke", "replace"):
        answer = await cadre.client.post(f"/console/devices/{device}/{deed}", data={"reason": "lost"})
        assert answer.status_code == 403
    assert await truth.fetchval("SELECT revoked_at FROM device") is None
    question = (await cadre.get(f"/console/devices/{device}/revoke")).form(f"/console/devices/{device}/revoke")
    await cadre.send(question._replace(action=f"/console/devices/{device}/nonsense"), 404, reason="lost")
    await cadre.send(question._replace(action=f"/console/devices/{uuid4()}/revoke"), 404, reason="lost")


# Who may -----------------------------------------------------------------------------------------------------


async def test_who_looks_after_nobody_finds_no_way_there(services: Services, app_client: httpx.AsyncClient) -> None:
    device = await device_of(services, WORKER)
    for person in (STREET_CADRE, WORKER):
        desk = await at_console(services, app_client, person)
        assert not {"/console/people", "/console/devices"} & set((await desk.get("/console/")).links)
        for address in ("people", f"people/{WORKER.id}", "devices", f"devices/{device}", f"devices/{device}/revoke"):
            await desk.get(f"/console/{address}", 403)


async def test_a_security_administrator_may_revoke_but_not_replace(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    await hire(services, ("安全员", GUARD))
    device = await device_of(services, WEST_WORKER)
    guard = await at_console(services, app_client, GUARD)
    home = await guard.get("/console/")
    assert {"/console/people", "/console/devices"} <= set(home.links)
    page = await guard.get(f"/console/devices/{device}")
    assert f"/console/devices/{device}/revoke" in page.links
    assert f"/console/devices/{device}/replace" not in page.links
    await guard.get(f"/console/devices/{device}/replace", 404)


async def test_who_works_for_two_teams_is_only_to_be_read(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WORKER)
    both = "INSERT INTO assignment (user_id, role, grid_id) VALUES ($1, 'grid_worker', $2)"
    await truth.execute(both, WORKER.id, grid_id(GRIDS[2]))
    for person in (CADRE, WEST_CADRE):
        page = await (await at_console(services, app_client, person)).get(f"/console/devices/{device}")
        assert "没有您可以办理的操作" in page.text
    page = await (await at_console(services, app_client, ADMINISTRATOR)).get(f"/console/devices/{device}")
    assert f"/console/devices/{device}/revoke" in page.links
