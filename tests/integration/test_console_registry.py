"""The console's pages of the registry: who sees which part of it, what lies where, and finding grids."""

from __future__ import annotations

from datetime import date

import asyncpg
import httpx
import pytest

from schemas.grid_code import printed
from server.console.qr import draw_qr
from server.console.registry_page import PAGE_LENGTH
from server.db.registry import NewGrid, insert_grids
from server.services import Services
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    ADVISER,
    AUDITOR,
    CADRE,
    CHIEF,
    CITY,
    COUNTY,
    EAST,
    FIREMAN,
    GRIDS,
    NEIGHBOUR,
    RIDER,
    SECOND_CHIEF,
    STREET,
    STREET_CADRE,
    WEST,
    WORKER,
    Person,
    grid_id,
)
from tests.integration.console_scene import AtConsole, Page, at_console
from tests.integration.registry_pages import grids_on, hire, relabel, shapes_on

pytestmark = pytest.mark.long

HOSTILE = "<script>alert(1)</script>\"'{{ 7*7 }}"
MAYOR = Person("city_centre", "13900000042", division=CITY)
REGISTRY = "/console/registry"


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def street(services: Services, app_client: httpx.AsyncClient) -> AtConsole:
    return await at_console(services, app_client, STREET_CADRE)


def heading(page: Page) -> str:
    return page.answer.text.partition("<h1>")[2].partition("<")[0].strip()


async def add_grids(services: Services, serials: range, *, kind: str = "general") -> list[str]:
    """More grids in the west, all with one outline."""
    ring = [(118.0, 32.7), (118.01, 32.7), (118.01, 32.71), (118.0, 32.71), (118.0, 32.7)]
    codes = [f"{WEST}{serial:03}" for serial in serials]
    grids = [
        NewGrid(
            id=grid_id(code),
            code=code,
            community=WEST,
            kind=kind,
            name=f"新网格{code[-3:]}",
            outline=[ring],
            synthetic=False,
            compounds=("锦绣花园",) if code.endswith("7") else (),
            valid_from=date(2025, 3, 1) if kind == "temporary" else None,
            valid_to=date(2026, 2, 28) if kind == "temporary" else None,
        )
        for code in codes
    ]
    await services.database.write(lambda tx: insert_grids(tx.connection, 1, grids))
    return codes


# Who sees what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "own", "name"),
    [
        *((CADRE, EAST, "东社区"), (CHIEF, EAST, "东社区"), (STREET_CADRE, STREET, "明光街道")),
        *((FIREMAN, COUNTY, "明光市"), (ADMINISTRATOR, COUNTY, "明光市"), (AUDITOR, COUNTY, "明光市")),
    ],
)
async def test_offices_and_chiefs_begin_at_their_place_and_may_look_at_all(
    services: Services, app_client: httpx.AsyncClient, person: Person, own: str, name: str
) -> None:
    desk = await at_console(services, app_client, person)
    assert REGISTRY in (await desk.get("/console/")).links
    page = await desk.get(REGISTRY)
    assert heading(page) == name
    assert f"{REGISTRY}/map?division={own}" in page.links
    everything = await desk.get(f"{REGISTRY}?division={CITY}")
    assert grids_on(everything) == set(GRIDS)
    await desk.get(f"{REGISTRY}/grids/{GRIDS[3]}")


async def test_a_worker_sees_his_own_grid_and_what_it_lies_in(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    desk = await at_console(services, app_client, WORKER)
    assert REGISTRY in (await desk.get("/console/")).links
    page = await desk.get(REGISTRY)
    assert heading(page) == "东社区"
    assert grids_on(page) == {GRIDS[0]}
    assert "4 网格岗位人员" not in page.text
    for above in (CITY, COUNTY, STREET):
        assert grids_on(await desk.get(f"{REGISTRY}?division={above}")) == {GRIDS[0]}
    assert f"{REGISTRY}?division={WEST}" not in (await desk.get(f"{REGISTRY}?division={STREET}")).links
    await desk.get(f"{REGISTRY}/grids/{GRIDS[0]}")
    for hidden in (f"?division={WEST}", f"/grids/{GRIDS[1]}", f"/map?division={WEST}", f"/grids/{printed(GRIDS[2])}"):
        await desk.get(f"{REGISTRY}{hidden}", 404)
    assert grids_on(await desk.get(f"{REGISTRY}?find=网格")) == {GRIDS[0]}
    assert grids_on(await desk.get(f"{REGISTRY}?find={EAST}0")) == {GRIDS[0]}
    assert "没有网格现在或曾经使用" in (await desk.get(f"{REGISTRY}?find={GRIDS[1]}")).text
    assert "没有找到" in (await desk.get(f"{REGISTRY}?find=西社区")).text


async def test_part_time_workers_see_their_county_and_advisers_their_community(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    rider = await at_console(services, app_client, RIDER)
    assert grids_on(await rider.get(REGISTRY)) == set(GRIDS)
    await truth.execute("UPDATE assignment SET division = $2 WHERE user_id = $1", RIDER.id, WEST)
    assert grids_on(await rider.get(f"{REGISTRY}?division={CITY}")) == set(GRIDS[2:])
    await rider.get(f"{REGISTRY}/grids/{GRIDS[0]}", 404)
    adviser = await at_console(services, app_client, ADVISER)
    assert grids_on(await adviser.get(f"{REGISTRY}?division={CITY}")) == set(GRIDS[:2])


async def test_who_has_no_post_any_more_sees_nothing(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    desk = await at_console(services, app_client, CADRE)
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", CADRE.id)
    assert REGISTRY not in (await desk.get("/console/")).links
    for address in ("", "/map", f"/grids/{GRIDS[0]}"):
        await desk.get(f"{REGISTRY}{address}", 403)


async def test_nobody_looks_without_signing_in(app_client: httpx.AsyncClient) -> None:
    for address in ("", "/map", f"/grids/{GRIDS[0]}"):
        answer = await app_client.get(f"{REGISTRY}{address}")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in")


# Divisions -------------------------------------------------------------------------------------------------


async def test_figures_are_those_of_the_database(
    services: Services, street: AtConsole, truth: asyncpg.Connection
) -> None:
    await add_grids(services, range(801, 804), kind="temporary")
    await add_grids(services, range(901, 903), kind="dedicated")
    # Counted once though he leads two grids; the rider belongs to the county, the one who left to nobody.
    await truth.execute("UPDATE users SET left_at = now() WHERE id = $1", NEIGHBOUR.id)
    page = await street.get(REGISTRY)
    assert heading(page) == "明光街道"
    grids = await truth.fetchval("SELECT count(*) FROM grid_label WHERE to_version IS NULL AND code LIKE '341182001%'")
    assert grids == 9
    people = await truth.fetchval(
        "SELECT count(DISTINCT a.user_id) FROM assignment a JOIN users u ON u.id = a.user_id AND u.left_at IS NULL "
        "LEFT JOIN grid_label l USING (grid_id) WHERE a.role LIKE 'grid%' OR a.role = 'part_time_worker'"
        "AND coalesce(l.code, a.division) LIKE '341182001%'"
    )
    for words in ("社区 2", f"网格 {grids}", "全科 4", "临时 3", "专属 2", f"网格岗位人员 {people}"):
        assert words in page.text, words
    county = await street.get(f"{REGISTRY}?division={COUNTY}")
    assert f"网格岗位人员 {people + 1}" in county.text
    assert f"西社区 {WEST} 1 7 2 3 2 2" in " ".join(page.text.split())


async def test_one_walks_from_the_city_down_to_a_grid_and_back(street: AtConsole) -> None:
    page = await street.get(f"{REGISTRY}?division={CITY}")
    for code in (COUNTY, STREET, EAST):
        address = f"{REGISTRY}?division={code}"
        assert address in page.links
        page = await street.get(address)
    for above in (CITY, COUNTY, STREET):
        assert f"{REGISTRY}?division={above}" in page.links
    assert grids_on(page) == set(GRIDS[:2])
    for words in (printed(GRIDS[0]), GRIDS[0], "第1网格", "全科", "合成", "长期"):
        assert words in page.text, words
    await street.get(f"{REGISTRY}?division=341199000000", 404)
    assert heading(await street.get(f"{REGISTRY}?division=nonsense")) == "明光街道"


async def test_grids_are_narrowed_to_a_kind_and_go_on_over_pages(services: Services, street: AtConsole) -> None:
    more = await add_grids(services, range(901, 901 + PAGE_LENGTH + 2), kind="dedicated")
    first = await street.get(f"{REGISTRY}?division={WEST}&kind=dedicated")
    (onward,) = (link for link in first.links if "cursor=" in link)
    second = await street.get(onward)
    assert len(grids_on(first)) == PAGE_LENGTH
    assert grids_on(first) | grids_on(second) == set(more)
    assert not grids_on(first) & grids_on(second)
    assert heading(second) == "西社区"
    assert "没有符合条件的网格" in (await street.get(f"{REGISTRY}?division={EAST}&kind=temporary")).text
    assert grids_on(await street.get(f"{REGISTRY}?division={EAST}&kind=nonsense")) == set(GRIDS[:2])
    await street.get(f"{REGISTRY}?cursor=nonsense", 400)


async def test_a_temporary_grid_says_until_when(services: Services, street: AtConsole) -> None:
    await add_grids(services, range(801, 802), kind="temporary")
    assert "2025年3月1日至2026年2月28日" in (await street.get(f"{REGISTRY}?division={WEST}")).text
    english = await street.get(f"{REGISTRY}/grids/{WEST}801?lang=en")
    assert "1 Mar 2025 to 28 Feb 2026" in english.text


# Finding ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [GRIDS[0], printed(GRIDS[0]), f" {GRIDS[0][:6]} {GRIDS[0][6:]} ", "３４１１８２００１００１００１", f"{EAST}-001"],
)
async def test_a_code_leads_straight_to_its_grid(street: AtConsole, text: str) -> None:
    answer = await street.client.get(REGISTRY, params={"find": text})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{REGISTRY}/grids/{GRIDS[0]}"


async def test_a_wrong_check_digit_is_told(street: AtConsole) -> None:
    wrong = GRIDS[0] + str((int(printed(GRIDS[0])[-1]) + 1) % 10)
    page = await street.get(f"{REGISTRY}?find={wrong}")
    assert "校验位不符" in page.text
    assert grids_on(page) == set()
    assert page.form(REGISTRY).first("find") == wrong
    assert "check digit does not fit" in (await street.get(f"{REGISTRY}?find={wrong}&lang=en")).text
    await street.get(f"{REGISTRY}/grids/{wrong}", 400)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("341182001001099", "没有网格现在或曾经使用编码"),
        ("110101001001001", "以3411开头"),
        ("341182001001000", "网格序号应为"),
    ],
)
async def test_a_code_of_no_grid_is_told(street: AtConsole, text: str, words: str) -> None:
    assert words in (await street.get(f"{REGISTRY}?find={text}")).text


async def test_divisions_and_grids_are_found_by_name_and_by_how_codes_begin(
    services: Services, street: AtConsole, truth: asyncpg.Connection
) -> None:
    more = await add_grids(services, range(5, 18))
    await truth.execute("UPDATE division SET name_en = 'East Community' WHERE code = $1", EAST)
    named = await street.get(f"{REGISTRY}?find=明光")
    assert {f"{REGISTRY}?division={one}" for one in (COUNTY, STREET)} <= set(named.links)
    assert grids_on(named) == set()
    assert f"{REGISTRY}?division={EAST}" in (await street.get(f"{REGISTRY}?find=EAST comm")).links
    assert grids_on(await street.get(f"{REGISTRY}?find=第2网")) == {GRIDS[1]}
    assert grids_on(await street.get(f"{REGISTRY}?find=锦绣")) == {f"{WEST}007", f"{WEST}017"}
    assert grids_on(await street.get(f"{REGISTRY}?find={WEST}01")) == {one for one in more if one[12:14] == "01"}
    assert grids_on(await street.get(f"{REGISTRY}?find=第&kind=dedicated")) == set()
    answer = await street.client.get(REGISTRY, params={"find": STREET})
    assert answer.headers["location"] == f"{REGISTRY}?division={STREET}"
    # What patterns would make of it means nothing here.
    assert grids_on(await street.get(f"{REGISTRY}?find=%25")) == set()


async def test_what_is_found_goes_on_over_pages(services: Services, street: AtConsole) -> None:
    more = await add_grids(services, range(100, 100 + PAGE_LENGTH + 3))
    first = await street.get(f"{REGISTRY}?find=新网格")
    (onward,) = (link for link in first.links if "cursor=" in link)
    second = await street.get(onward)
    assert grids_on(first) | grids_on(second) == set(more)
    assert len(grids_on(second)) == 3


# A grid ----------------------------------------------------------------------------------------------------


async def test_a_grid_with_everything_that_is_known_of_it(street: AtConsole, truth: asyncpg.Connection) -> None:
    await truth.execute(
        "UPDATE grid_label SET compounds = '{锦绣花园,和平里}', micro_grids = $2 WHERE code = $1",
        GRIDS[0],
        '[{"serial": "01", "name": "一号楼"}]',
    )
    await truth.execute(
        "INSERT INTO crosswalk (department, legacy_code, valid_from, grid_id, from_version) "
        "VALUES ('gongan', 'MG-0117', '2020-01-01', $1, 1)",
        grid_id(GRIDS[0]),
    )
    page = await street.get(f"{REGISTRY}/grids/{GRIDS[0]}")
    assert heading(page) == "第1网格"
    for words in (
        *(GRIDS[0], printed(GRIDS[0]), "全科", "合成边界", "锦绣花园、和平里", "一号楼", f"{GRIDS[0]}-01"),
        *("公安", "MG-0117", "grid_worker 01", "grid_chief 05", "grid_chief 06", "grid_adviser 09", "139****0001"),
        *("长期", "1 起", "test city"),
    ):
        assert words in page.text, words
    for person in builders.PEOPLE:
        assert person.phone not in page.answer.text
    assert "grid_worker 03" not in page.text
    for above in (CITY, COUNTY, STREET, EAST):
        assert f"{REGISTRY}?division={above}" in page.links
    assert f'd="{draw_qr(printed(GRIDS[0])).path}"' in page.answer.text
    assert f"印刷编码 {printed(GRIDS[0])} 的二维码" in page.answer.text
    await truth.execute("UPDATE users SET left_at = now() WHERE id = $1", SECOND_CHIEF.id)
    assert "grid_chief 06" not in (await street.get(f"{REGISTRY}/grids/{GRIDS[0]}")).text


async def test_it_is_drawn_among_its_neighbours(services: Services, app_client: httpx.AsyncClient) -> None:
    chief = await at_console(services, app_client, CHIEF)
    shapes = shapes_on(await chief.get(f"{REGISTRY}/grids/{GRIDS[1]}"))
    assert [(one.address, one.look[0]) for one in shapes] == [
        (f"{REGISTRY}/grids/{GRIDS[0]}", "near"),
        (f"{REGISTRY}/grids/{GRIDS[2]}", "near"),
        ("", "own"),
    ]
    own, west, east = shapes[2].corners, shapes[0].corners, shapes[1].corners
    assert max(x for x, _ in west) == pytest.approx(min(x for x, _ in own), abs=0.2)
    assert min(x for x, _ in east) == pytest.approx(max(x for x, _ in own), abs=0.2)
    worker = await at_console(services, app_client, NEIGHBOUR)
    assert [one.look[0] for one in shapes_on(await worker.get(f"{REGISTRY}/grids/{GRIDS[1]}"))] == ["own"]


async def test_a_former_code_leads_to_its_grid_and_a_retired_grid_says_so(
    street: AtConsole, truth: asyncpg.Connection
) -> None:
    new = f"{EAST}031"
    await relabel(truth, GRIDS[0], new, "第31网格")
    page = await street.get(f"{REGISTRY}?find={printed(GRIDS[0])}")
    assert heading(page) == "第31网格"
    for words in (new, printed(new), f"旧编码 {GRIDS[0]}", "1 – 2", "2 起", "重新编码", "第1网格"):
        assert words in page.text, words
    assert "已不在当前编码库中" not in page.text
    await truth.execute("UPDATE grid_label SET to_version = 2 WHERE code = $1", GRIDS[1])
    gone = await street.get(f"{REGISTRY}/grids/{GRIDS[1]}")
    assert "已不在当前编码库中" in gone.text
    assert "长期" not in gone.text
    assert "至编码库第 2 版" in gone.text
    assert GRIDS[1] not in grids_on(await street.get(f"{REGISTRY}?division={EAST}"))


async def test_a_grid_that_moved_out_of_a_territory_is_not_found_there_by_its_former_code(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    adviser = await at_console(services, app_client, ADVISER)
    await adviser.get(f"{REGISTRY}/grids/{GRIDS[0]}")
    await relabel(truth, GRIDS[0], f"{WEST}031", "第31网格")
    await adviser.get(f"{REGISTRY}/grids/{GRIDS[0]}", 404)
    assert grids_on(await adviser.get(REGISTRY)) == {GRIDS[1]}


async def test_who_looks_after_people_finds_them_from_the_grid(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    address = f"/console/people?find={GRIDS[0]}"
    for person, there in ((CADRE, True), (STREET_CADRE, False)):
        desk = await at_console(services, app_client, person)
        assert (address in (await desk.get(f"{REGISTRY}/grids/{GRIDS[0]}")).links) == there


async def test_names_are_never_markup(services: Services, street: AtConsole, truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE grid_label SET name = $1, compounds = ARRAY[$1]", HOSTILE)
    await truth.execute("UPDATE division SET name_zh = $1", HOSTILE)
    await truth.execute("UPDATE users SET name = $1", HOSTILE)
    for address in ("", f"?division={EAST}", f"/map?division={EAST}", f"/map?division={CITY}", f"/grids/{GRIDS[0]}"):
        page = await street.get(f"{REGISTRY}{address}")
        assert "script" not in page.tags
        assert HOSTILE in page.text
    found = await street.get(f"{REGISTRY}?find=<script>alert(1)")
    assert "script" not in found.tags


async def test_every_page_reads_in_english(services: Services, app_client: httpx.AsyncClient) -> None:
    await hire(services, MAYOR)
    mayor = await at_console(services, app_client, MAYOR)
    for address, words in (
        ("?", "People in grid posts"),
        ("?find=zz", "Nothing was found"),
        (f"/grids/{GRIDS[0]}?", "Legacy codes"),
        (f"/map?division={STREET}", "Skip to the list"),
    ):
        assert words in (await mayor.get(f"{REGISTRY}{address}&lang=en")).text
