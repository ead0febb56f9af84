"""Conflicts in a browser with scripts switched off: settled by key and click, taken back, readable for everybody."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from schemas.wire import Base, Change
from server.services import Services
from tests.browser.conftest import Console
from tests.builders import CHIEF, MATE, WORKER, capture, enrol

STATE = "SELECT state, take, reason FROM conflict WHERE id = $1"


@pytest.fixture
async def conflict(services: Services) -> UUID:
    """A resident whom two phones name differently."""
    first, second = await enrol(services, MATE), await enrol(services, WORKER)
    home = await second.report("0102")
    resident = await second.report("0101", name="欧阳明月", dwelling=str(home))
    async with services.database.read() as connection:
        row = await connection.fetchrow("SELECT version, rev FROM item WHERE id = $1", resident)
    assert row is not None
    base = Base(row["version"], f"{row['rev'] % 2**64:016x}")
    for phone, name in ((first, "欧阳明"), (second, "欧阳月")):
        change = Change("update", resident, "0101", capture(), base=base, fields={"name": name})
        told = (await phone.push(change)).outcomes[0]
    assert told.conflict is not None, told
    return told.conflict


async def test_a_grid_chief_settles_one_and_takes_it_back(
    console: Console, conflict: UUID, truth: asyncpg.Connection
) -> None:
    page = await console.open()
    await console.sign_in(page, CHIEF)
    await page.get_by_role("link", name="待您决定的冲突").click()
    await page.locator(f"a[href='/console/conflicts/{conflict}']").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("两人同改")
    await expect(page.locator("body")).not_to_contain_text("欧阳明")
    await page.get_by_label("原因（记入审计）", exact=True).first.fill("电话核实")
    await page.get_by_role("button", name="采纳离线").click()
    await expect(page.get_by_role("status")).to_contain_text("已处理")
    assert tuple(await truth.fetchrow(STATE, conflict)) == ("resolved", "incoming", "电话核实")
    await page.get_by_label("原因（记入审计）", exact=True).first.fill("看错")
    await page.get_by_role("button", name="撤销此决定").click()
    await expect(page.get_by_role("status")).to_contain_text("冲突重新打开")
    assert (await truth.fetchrow(STATE, conflict))["state"] == "open"
    await page.get_by_text("逐栏决定").click()
    await page.get_by_role("radio", name="离线").check()
    await page.get_by_label("原因（记入审计）", exact=True).first.fill("当面核实")
    await page.get_by_role("button", name="按以上选择合并").click()
    await expect(page.get_by_role("status")).to_contain_text("已处理")
    assert tuple(await truth.fetchrow(STATE, conflict)) == ("resolved", "merge", "当面核实")


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_axe_finds_nothing_and_nothing_sticks_out(console: Console, conflict: UUID, language: str) -> None:
    page = await console.open(scripts=True, width=360)
    await console.sign_in(page, CHIEF)
    found: dict[str, str] = {}
    for path in (f"/console/conflicts?lang={language}", f"/console/conflicts/{conflict}"):
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await console.go(page, path)
            for summary in await page.locator("summary").all():
                await summary.click()
            results = await Axe().run(page)
            if results.violations_count:
                found[f"{path} {scheme}"] = results.generate_report()
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path
    assert not found, "\n".join(f"== {name}\n{report}" for name, report in found.items())
