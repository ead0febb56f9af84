"""The grid map of a division: what it shows of which territory, that it stays inside its paper, and what it counts."""

from __future__ import annotations

import json
import re
from datetime import date
from itertools import pairwise
from math import cos, pi, sin

import asyncpg
import httpx
import pytest

from server.demo.city import City, one_street, whole_city
from server.demo.divisions import CITY_CODE, COUNTY_CODE, STREET_CODE
from server.demo.registering import register
from server.services import Services
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CHIEF,
    CITY,
    COUNTY,
    EAST,
    FIREMAN,
    GRIDS,
    STREET,
    WEST,
    WEST_CADRE,
    WEST_WORKER,
    WORKER,
    Person,
)
from tests.integration.console_scene import AtConsole, Page, at_console
from tests.integration.registry_pages import Drawn, hire, paper_of, shapes_on

MAYOR = Person("city_centre", "13900000042", division=CITY_CODE)
MAP = "/console/registry/map"
LARGEST_PAGE = 300_000


async def fill(services: Services, city: City) -> None:
    await services.database.write(lambda tx: register(tx.connection, city, date(2026, 3, 2)))
    await services.registry_holder.refresh()
    await hire(services, MAYOR)


@pytest.fixture
async def mayor(services: Services, app_client: httpx.AsyncClient) -> AtConsole:
    """Somebody who sees everything, in a city of one street."""
    await fill(services, one_street())
    return await at_console(services, app_client, MAYOR)


def of_look(shapes: list[Drawn], look: str) -> list[Drawn]:
    return [one for one in shapes if look in one.look]


def star(lon: float, lat: float) -> list[tuple[float, float]]:
    """An outline of five thousand corners, as large as a grid of the mini city."""
    turns = [2 * pi * corner / 5000 for corner in range(5000)]
    reach = [0.003 * (1 + 0.4 * (corner % 2)) for corner in range(5000)]
    ring = [(lon + far * cos(turn), lat + far * sin(turn)) for turn, far in zip(turns, reach, strict=True)]
    return [*ring, ring[0]]


def outside(page: Page) -> list[str]:
    """What of a map lies outside its paper."""
    width, height = paper_of(page)
    corners = [(one.title, x, y) for one in shapes_on(page) for x, y in one.corners]
    names = re.findall(r'<text class="[^"]*" x="([0-9.]+)" y="([0-9.]+)"', page.answer.text)
    found = [*corners, *(("name", float(x), float(y)) for x, y in names)]
    return [what for what, x, y in found if not (-0.3 <= x <= width + 0.3 and -0.3 <= y <= height + 0.3)]


# What is shown ---------------------------------------------------------------------------------------------


async def test_a_street_shows_every_grid_and_community_of_it(mayor: AtConsole, truth: asyncpg.Connection) -> None:
    page = await mayor.get(f"{MAP}?division={STREET_CODE}")
    shapes = shapes_on(page)
    codes = await truth.fetch("SELECT code, name, kind FROM grid_label WHERE code LIKE '341182001%' ORDER BY code")
    grids = of_look(shapes, "grid")
    assert [one.address for one in grids] == [f"/console/registry/grids/{row['code']}" for row in codes]
    assert all(f"{row['name']} · {row['code']}" in one.title for one, row in zip(grids, codes, strict=True))
    assert [one.look[1] for one in grids] == [row["kind"] for row in codes]
    communities = await truth.fetch("SELECT code FROM division WHERE tier = 'community' ORDER BY code")
    assert [one.address for one in of_look(shapes, "thick")] == [f"{MAP}?division={row['code']}" for row in communities]
    assert len(of_look(shapes, "edge")) == 1
    assert {f"/console/registry/grids/{row['code']}" for row in codes} <= set(page.links)
    assert page.answer.text.count("<title>") == 1 + len(shapes)
    for words in ("合成边界", "北", "社区界", "全科", "专属", "网格列表", "114 个网格"):
        assert words in page.text, words


async def test_one_level_leads_to_the_next(mayor: AtConsole, truth: asyncpg.Connection) -> None:
    city = shapes_on(await mayor.get(MAP))
    assert [(one.address, one.look) for one in city] == [
        (f"{MAP}?division={COUNTY_CODE}", ["land"]),
        (f"{MAP}?division={STREET_CODE}", ["place"]),
    ]
    county = await mayor.get(f"{MAP}?division={COUNTY_CODE}")
    shapes = shapes_on(county)
    assert [one.look for one in shapes[:2]] == [["land"], ["place"]]
    assert shapes[0].address == ""
    assert len(of_look(shapes, "thin")) == await truth.fetchval(
        "SELECT count(*) FROM division WHERE tier = 'community'"
    )
    assert MAP + f"?division={CITY_CODE}" in county.links
    community = await mayor.get(f"{MAP}?division=341182001003")
    inside = await truth.fetchval("SELECT count(*) FROM grid_label WHERE community = '341182001003'")
    assert len(of_look(shapes_on(community), "grid")) == inside
    around = of_look(shapes_on(community), "around")
    assert around
    assert all(one.address.startswith(f"{MAP}?division=341182001") for one in around)
    await mayor.get(f"{MAP}?division=341182099000", 404)


async def test_north_is_up_and_shapes_keep_their_form(mayor: AtConsole, truth: asyncpg.Connection) -> None:
    shapes = {one.address[-15:]: one for one in shapes_on(await mayor.get(f"{MAP}?division={STREET_CODE}"))}
    rows = await truth.fetch("SELECT code, outline FROM grid_label")
    outlines = {row["code"]: json.loads(row["outline"])[0] for row in rows}
    codes = sorted(outlines)
    for code, other in pairwise(codes):
        ring, far = outlines[code][0], outlines[other][0]
        x, y = min(shapes[code].corners, key=lambda at: _away(at, shapes, outlines, code))
        ox, oy = min(shapes[other].corners, key=lambda at: _away(at, shapes, outlines, other))
        assert (ox - x) * (far[0] - ring[0]) >= -0.05
        assert (oy - y) * (far[1] - ring[1]) <= 0.05


def _away(
    at: tuple[float, float], shapes: dict[str, Drawn], outlines: dict[str, list[list[float]]], code: str
) -> float:
    """How far a corner of a drawn shape lies from where its first corner has to be, in parts of the shape."""
    xs, ys = zip(*shapes[code].corners, strict=True)
    lons, lats = zip(*outlines[code], strict=True)
    lon, lat = outlines[code][0]
    right = (lon - min(lons)) / (max(lons) - min(lons))
    down = (max(lats) - lat) / (max(lats) - min(lats))
    return abs((at[0] - min(xs)) / (max(xs) - min(xs)) - right) + abs((at[1] - min(ys)) / (max(ys) - min(ys)) - down)


async def test_nothing_comes_from_elsewhere_and_nothing_is_styled_or_run_in_place(mayor: AtConsole) -> None:
    for address in (MAP, f"{MAP}?division={STREET_CODE}", "/console/registry", f"/console/registry/grids/{GRIDS[0]}"):
        page = await mayor.get(address)
        assert not re.search(r"(?i)\bstyle=|<style|<script|<image|<use|\bon\w+=|//(?!www\.w3)", page.answer.text), (
            address
        )
        assert all(link.startswith(("/console/", "#")) for link in page.links)
        assert "style-src 'self'" in page.answer.headers["content-security-policy"]


async def test_divisions_without_an_outline_are_drawn_from_their_grids(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    await builders.build_city(services)
    cadre = await at_console(services, app_client, CADRE)
    for code, looks in (
        (CITY, ["land", "place"]),
        (COUNTY, ["land", "place", "thin", "thin"]),
        (STREET, ["grid"] * 4 + ["thick", "thick", "edge"]),
        (EAST, ["grid", "grid", "edge"]),
    ):
        page = await cadre.get(f"{MAP}?division={code}")
        assert [one.look[0] for one in shapes_on(page)] == looks, code
        assert outside(page) == []
        assert "合成边界" in page.text


async def test_where_no_outline_is_known_the_list_is_left(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await builders.build_city(services)
    await truth.execute("UPDATE grid_label SET to_version = 1 WHERE community = $1", WEST)
    cadre = await at_console(services, app_client, CADRE)
    page = await cadre.get(f"{MAP}?division={WEST}")
    assert "没有登记轮廓" in page.text
    assert "svg" not in page.tags
    assert len(of_look(shapes_on(await cadre.get(f"{MAP}?division={STREET}")), "thick")) == 1


async def test_a_worker_sees_no_more_on_the_map_than_his_territory(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    await builders.build_city(services)
    worker = await at_console(services, app_client, WORKER)
    for code in (EAST, STREET):
        shapes = shapes_on(await worker.get(f"{MAP}?division={code}"))
        assert [one.address for one in of_look(shapes, "grid")] == [f"/console/registry/grids/{GRIDS[0]}"]
        assert not any(WEST in one.title for one in shapes)
    await worker.get(f"{MAP}?division={WEST}", 404)


# How large it is -------------------------------------------------------------------------------------------


async def test_every_map_of_the_whole_city_is_small_and_inside_its_paper(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await fill(services, whole_city())
    mayor = await at_console(services, app_client, MAYOR)
    counties = await truth.fetch("SELECT code FROM division WHERE tier = 'county'")
    streets = await truth.fetch(
        "SELECT left(code, 9) || '000' AS code FROM grid_label GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2"
    )
    for code in (CITY_CODE, *(row["code"] for row in counties), *(row["code"] for row in streets)):
        page = await mayor.get(f"{MAP}?division={code}")
        assert len(page.answer.content) < LARGEST_PAGE, code
        assert outside(page) == [], code
        assert "合成边界" in page.text
        links = await truth.fetchval("SELECT count(*) FROM division WHERE parent = $1 AND outline IS NOT NULL", code)
        assert len({one.address for one in shapes_on(page) if one.address}) >= links
    city = shapes_on(await mayor.get(MAP))
    assert len(of_look(city, "land")) == 10
    assert len(of_look(city, "place")) == await truth.fetchval(
        "SELECT count(*) FROM division WHERE tier = 'street' AND outline IS NOT NULL"
    )


async def test_outlines_of_many_corners_do_not_make_a_large_page(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await builders.build_city(services)
    for place, code in enumerate(GRIDS):
        ring = star(118 + place / 100, 32.5)
        await truth.execute("UPDATE grid_label SET outline = $2 WHERE code = $1", code, json.dumps([ring]))
    cadre = await at_console(services, app_client, CADRE)
    page = await cadre.get(f"{MAP}?division={STREET}")
    assert len(page.answer.content) < LARGEST_PAGE
    assert len(of_look(shapes_on(page), "grid")) == 4
    assert outside(page) == []


# Open work -------------------------------------------------------------------------------------------------


def open_on(page: Page) -> dict[str, str]:
    """By code what the titles of shapes say of open work."""
    found = [(one.title, re.search(r"(?:未结|) (\d+) (?:件|open)", one.title)) for one in shapes_on(page)]
    return {title.split(" · ")[1]: match[1] for title, match in found if match}


async def test_open_work_is_counted_over_what_the_reader_may_read(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await builders.build_city(services)
    phone, west = await builders.enrol(services, WORKER), await builders.enrol(services, WEST_WORKER)
    first = await phone.report("0801", urgency="critical")
    await phone.report("0604")
    await west.report("0604", grid=GRIDS[2])
    layer = f"{MAP}?division={STREET}&layer=workload"
    counts = {
        CADRE: {GRIDS[0]: "2", GRIDS[1]: "0", GRIDS[2]: "0", GRIDS[3]: "0"},
        CHIEF: {GRIDS[0]: "2", GRIDS[1]: "0", GRIDS[2]: "0", GRIDS[3]: "0"},
        WEST_CADRE: {GRIDS[0]: "0", GRIDS[1]: "0", GRIDS[2]: "1", GRIDS[3]: "0"},
        builders.STREET_CADRE: {GRIDS[0]: "2", GRIDS[1]: "0", GRIDS[2]: "1", GRIDS[3]: "0"},
    }
    for person, expected in counts.items():
        desk = await at_console(services, app_client, person)
        page = await desk.get(layer)
        assert open_on(page) == expected, person
        assert "只计您可以查看的" in page.text
        assert all(one.look[1].startswith("work") for one in of_look(shapes_on(page), "grid"))
    await truth.execute("UPDATE cases SET state = 'closed' WHERE item_id = $1", first)
    await truth.execute("UPDATE review SET state = 'approved' WHERE item_id = $1", first)
    desk = await at_console(services, app_client, CADRE)
    assert open_on(await desk.get(layer))[GRIDS[0]] == "1"
    county = shapes_on(await desk.get(f"{MAP}?division={COUNTY}&layer=workload"))
    assert [one.look[1] for one in of_look(county, "place")] == ["work1"]
    assert "未结 1 件" in of_look(county, "place")[0].title


async def test_what_waits_for_a_review_counts_only_where_its_type_may_be_read(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await builders.build_city(services)
    phone = await builders.enrol(services, WORKER)
    home = await phone.report("0102")
    person = await phone.report("0101", name="欧阳明月", phone="13855012345", dwelling=str(home))
    await phone.report("0104", person=str(person))
    await truth.execute("UPDATE review SET state = 'approved' WHERE item_id IN ($1, $2)", home, person)
    assert await truth.fetchval("SELECT count(*) FROM cases") == 0
    # A record of somebody in need of care: the community reads it, the street does not.
    for person_there, expected in ((CADRE, "1"), (builders.STREET_CADRE, "0")):
        desk = await at_console(services, app_client, person_there)
        assert open_on(await desk.get(f"{MAP}?division={EAST}&layer=workload"))[GRIDS[0]] == expected


async def test_a_department_counts_the_cases_in_its_hands(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await builders.build_city(services)
    phone = await builders.enrol(services, WORKER)
    item = await phone.report("0801", urgency="critical")
    await phone.report("0604")
    fireman = await at_console(services, app_client, FIREMAN)
    layer = f"{MAP}?division={EAST}&layer=workload"
    assert open_on(await fireman.get(layer))[GRIDS[0]] == "0"
    await truth.execute(
        "UPDATE cases SET state = 'dispatched', organisation_id = $2 WHERE item_id = $1",
        item,
        builders.organisation("xiaofang", COUNTY).id,
    )
    assert open_on(await fireman.get(layer))[GRIDS[0]] == "1"


async def test_who_reads_no_items_is_offered_no_counts(services: Services, app_client: httpx.AsyncClient) -> None:
    await builders.build_city(services)
    await (await builders.enrol(services, WORKER)).report("0604")
    administrator = await at_console(services, app_client, ADMINISTRATOR)
    page = await administrator.get(f"{MAP}?division={EAST}&layer=workload")
    assert "未结" not in page.text
    assert open_on(page) == {}
    assert not any("layer=" in link and "lang=" not in link for link in page.links)
