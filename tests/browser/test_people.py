"""The pages about people and devices in a browser: revoking and replacing without scripts, axe, small phones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from server.services import Services
from tests import builders
from tests.browser.conftest import Console
from tests.builders import CADRE, CHIEF, NEIGHBOUR, WORKER
from tests.integration.console_scene import give_password


@pytest.fixture
async def device(services: Services, truth: asyncpg.Connection) -> UUID:
    """A worker's silent phone with unsent changes, beside phones of others."""
    await give_password(services, CADRE)
    for person in (NEIGHBOUR, CHIEF):
        await builders.enrol(services, person)
    await truth.execute("UPDATE device SET last_exchange_at = now() - interval '3 hours', app = '1.4.2'")
    silent = (await builders.enrol(services, WORKER)).device_id
    await truth.execute(
        "UPDATE device SET last_exchange_at = now() - interval '9 days', unsent = 7 WHERE id = $1", silent
    )
    return silent


async def pages_of(console: Console, device: UUID, page: Page, language: str) -> AsyncIterator[str]:
    """Show one page after the other; yields what each is."""
    await console.sign_in(page, CADRE)
    await console.go(page, f"/console/people?lang={language}")
    yield "people"
    await console.go(page, "/console/people?find=zz")
    yield "nobody"
    await console.go(page, f"/console/people/{WORKER.id}")
    await page.locator("summary").click()
    yield "person"
    await page.fill("#reason", "通知换机")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_be_visible()
    yield "person with the number revealed"
    await console.go(page, "/console/devices")
    yield "devices"
    await console.go(page, f"/console/devices/{device}")
    yield "device"
    await console.go(page, f"/console/devices/{device}/revoke")
    yield "question"
    await console.go(page, f"/console/devices/{device}/replace")
    await page.fill("#reason", "屏幕碎了")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_be_visible()
    yield "code"
    await console.go(page, "/console/devices?revoked=1")
    yield "revoked devices"
    await console.go(page, f"/console/devices/{device}")
    yield "revoked device"


@pytest.mark.parametrize(("language", "scheme"), [("zh", "light"), ("en", "dark")])
async def test_axe_finds_nothing(console: Console, device: UUID, language: str, scheme: str) -> None:
    page = await console.open(scripts=True)
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    found: dict[str, str] = {}
    async for name in pages_of(console, device, page, language):
        results = await Axe().run(page)
        if results.violations_count:
            found[name] = results.generate_report()
    assert not found, "\n".join(f"== {name}\n{report}" for name, report in found.items())
    assert complaints == []


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_nothing_sticks_out_of_a_small_phone(console: Console, device: UUID, language: str) -> None:
    page = await console.open(scripts=True, width=360)
    wide: dict[str, int] = {}
    async for name in pages_of(console, device, page, language):
        width = await page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            wide[name] = width
    assert wide == {}


async def test_a_silent_phone_is_found_and_replaced(console: Console, device: UUID, truth: asyncpg.Connection) -> None:
    page = await console.open()
    await console.sign_in(page, CADRE)
    await page.get_by_role("link", name="设备").click()
    await page.get_by_label("多久没有同步").select_option("7")
    await page.get_by_role("button", name="应用").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="红米").click()
    await page.get_by_role("link", name="换机").click()
    await expect(page.locator("main")).to_contain_text("还有 7 项未上传")
    await page.get_by_label("换机原因").fill("屏幕碎了")
    await page.get_by_role("button", name="停用旧机并生成注册码").click()
    await expect(page.get_by_role("img", name="注册二维码")).to_be_visible()
    assert await truth.fetchval("SELECT replaces FROM enrolment_code") == device
    await page.get_by_role("link", name="回到设备").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("已停用")


async def test_a_person_is_found_by_the_code_of_a_grid(console: Console, device: UUID) -> None:
    page = await console.open()
    await console.sign_in(page, CADRE)
    await page.get_by_role("link", name="人员").click()
    await page.get_by_label("姓名或网格编码").fill(builders.GRIDS[1])
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("link", name="grid_worker 03").click()
    await expect(page.locator("body")).not_to_contain_text(NEIGHBOUR.phone)
    await page.get_by_text("显示手机号").click()
    await page.get_by_label("查看原因（记入审计）").fill("约时间换机")
    await page.get_by_role("button", name="显示", exact=True).click()
    await expect(page.locator("main")).to_contain_text(NEIGHBOUR.phone)
    await page.get_by_role("link", name="重新遮盖").click()
    await expect(page.locator("body")).not_to_contain_text(NEIGHBOUR.phone)
