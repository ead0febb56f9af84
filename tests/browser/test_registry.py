"""The registry and its maps in a browser: walking down without scripts, axe in both schemes, small phones."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from schemas.grid_code import printed
from server.services import Services
from tests import builders
from tests.browser.conftest import Console
from tests.builders import CITY, EAST, GRIDS, STREET, STREET_CADRE, WEST, WORKER


@pytest.fixture(autouse=True)
async def grids(services: Services, truth: asyncpg.Connection) -> None:
    """Grids of every kind, with something to say of each, and open work in one."""
    await truth.execute("UPDATE grid_label SET kind = 'temporary', valid_to = '2026-08-31' WHERE code = $1", GRIDS[1])
    await truth.execute("UPDATE grid_label SET kind = 'dedicated' WHERE code = $1", GRIDS[2])
    await truth.execute(
        "UPDATE grid_label SET compounds = '{锦绣花园,和平里}', micro_grids = $2 WHERE code = $1",
        GRIDS[0],
        '[{"serial": "01", "name": "一号楼"}]',
    )
    await (await builders.enrol(services, WORKER)).report("0604")


async def pages_of(console: Console, page: Page, language: str) -> AsyncIterator[str]:
    """Show one page after the other; yields what each is."""
    await console.sign_in(page, STREET_CADRE)
    await console.go(page, f"/console/registry?lang={language}")
    yield "registry"
    await console.go(page, f"/console/registry?division={EAST}&kind=temporary")
    yield "registry of a community"
    await console.go(page, "/console/registry?find=%E6%98%8E%E5%85%89")
    yield "found"
    await console.go(page, f"/console/registry?find={GRIDS[0]}9")
    yield "wrong check digit"
    await console.go(page, f"/console/registry/grids/{GRIDS[0]}")
    yield "grid"
    for code in (CITY, STREET, WEST):
        await console.go(page, f"/console/registry/map?division={code}")
        yield f"map {code}"
    await console.go(page, f"/console/registry/map?division={STREET}&layer=workload")
    yield "map of work"


@pytest.mark.parametrize(("language", "scheme"), [("zh", "light"), ("en", "dark")])
async def test_axe_finds_nothing(console: Console, language: str, scheme: str) -> None:
    page = await console.open(scripts=True)
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    found: dict[str, str] = {}
    async for name in pages_of(console, page, language):
        results = await Axe().run(page)
        if results.violations_count:
            found[name] = results.generate_report()
    assert not found, "\n".join(f"== {name}\n{report}" for name, report in found.items())
    assert complaints == []


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_nothing_sticks_out_of_a_small_phone(console: Console, language: str) -> None:
    page = await console.open(scripts=True, width=360)
    wide: dict[str, int] = {}
    async for name in pages_of(console, page, language):
        width = await page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            wide[name] = width
    assert wide == {}


async def test_one_walks_down_the_map_to_a_grid(console: Console) -> None:
    page = await console.open()
    await console.sign_in(page, STREET_CADRE)
    await page.get_by_role("link", name="网格", exact=True).click()
    await page.get_by_role("link", name="网格地图").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("明光街道")
    shape = page.locator("svg.map").get_by_role("link", name=f"第3网格 · {GRIDS[2]} · 专属")
    await expect(shape).to_have_count(1)
    await shape.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("第3网格")
    await expect(page.get_by_role("img", name=f"印刷编码 {printed(GRIDS[2])} 的二维码")).to_be_visible()
    await page.get_by_role("link", name="西社区").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_label("网格编码（15 或 16 位）或名称").fill(printed(GRIDS[0]))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("第1网格")


async def test_kinds_and_work_are_told_by_more_than_the_stylesheet(console: Console) -> None:
    page = await console.open(scripts=True)
    await console.sign_in(page, STREET_CADRE)
    await console.go(page, f"/console/registry/map?division={STREET}")
    fills = "paths => paths.map(path => getComputedStyle(path).fill)"
    kinds = await page.locator("svg.map path.grid:not(.swatch path)").evaluate_all(fills)
    assert len({*kinds}) == 3
    assert {'url("#temporary")', 'url("#dedicated")'} < {*kinds}
    await page.get_by_role("link", name="未结工作").click()
    counted = page.locator("figure svg.map").first.locator("path.grid")
    shades = await counted.evaluate_all(fills)
    assert len(shades) == 4
    assert len({*shades}) == 2


async def test_the_keyboard_walks_over_the_map(console: Console) -> None:
    page = await console.open(scripts=True)
    await console.sign_in(page, STREET_CADRE)
    await console.go(page, f"/console/registry/map?division={EAST}")
    target = page.locator("svg.map").get_by_role("link", name=GRIDS[1])
    for _ in range(40):
        if await target.evaluate("link => link === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    assert await target.locator("path").evaluate("path => getComputedStyle(path).strokeWidth") == "4px"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("第2网格")
