"""Every page, in both languages and as narrow as a small phone: nothing that axe finds, nothing that sticks out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import Console, Scene
from tests.builders import CHIEF, DISPATCHER, WORKER

LANGUAGES = ("zh", "en")


async def pages_of(console: Console, scene: Scene, page: Page, language: str) -> AsyncIterator[str]:
    """Show one page after the other; yields what each is."""
    await console.go(page, f"/console/sign-in?lang={language}")
    yield "sign-in"
    await page.fill("#phone", CHIEF.phone)
    await page.fill("#password", "wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    yield "sign-in refused"
    await console.sign_in(page, CHIEF)
    yield "home"
    await console.go(page, "/console/reviews?select=all")
    yield "queue"
    await console.go(page, f"/console/items/{scene.hazards[0]}")
    for summary in await page.locator("summary").all():
        await summary.click()
    yield "item"
    await page.locator("button[value='approve']").click()
    await expect(page.get_by_role("status")).to_be_visible()
    yield "queue with a message"
    await console.go(page, f"/console/items/{scene.resident}")
    yield "item with masked values"
    await console.go(page, f"/console/items/{scene.waiting}")
    yield "item without its photos"
    await console.go(page, "/console/reviews?select=all")
    await page.locator("button[value='approve']").click()
    await expect(page.get_by_role("status")).to_be_visible()
    yield "results"
    await console.go(page, "/console/nothing-here")
    yield "problem"
    await page.context.clear_cookies(name="onegrid_console")
    await console.sign_in(page, WORKER)
    yield "home without work"
    await console.go(page, "/console/reviews")
    yield "empty queue"
    await page.context.clear_cookies(name="onegrid_console")
    await console.sign_in(page, DISPATCHER)
    await console.go(page, "/console/cases?state=all")
    yield "cases"
    await console.go(page, f"/console/items/{scene.emergency}")
    for summary in await page.locator("summary").all():
        await summary.click()
    yield "case"
    await console.go(page, "/console/search")
    yield "search"
    await page.fill("#value", "楼道")
    await page.keyboard.press("Enter")
    await expect(page.locator("#value")).to_have_value("楼道")
    yield "what was found"
    await console.go(page, "/console/export")
    yield "export"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_axe_finds_nothing(console: Console, scene: Scene, language: str, scheme: str) -> None:
    page = await console.open(scripts=True)
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    found: dict[str, str] = {}
    async for name in pages_of(console, scene, page, language):
        results = await Axe().run(page)
        if results.violations_count:
            found[name] = results.generate_report()
    assert not found, "\n".join(f"== {name}\n{report}" for name, report in found.items())
    assert complaints == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_nothing_sticks_out_of_a_small_phone(console: Console, scene: Scene, language: str) -> None:
    page = await console.open(scripts=True, width=360)
    wide: dict[str, int] = {}
    async for name in pages_of(console, scene, page, language):
        width = await page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            wide[name] = width
    assert wide == {}


async def test_the_keyboard_reaches_the_content_first(console: Console, scene: Scene) -> None:
    page = await console.open(scripts=True)
    await console.sign_in(page, CHIEF)
    await console.go(page, "/console/reviews")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    await expect(page.get_by_role("link", name="跳到正文")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"


async def test_an_item_is_decided_by_keyboard_alone(console: Console, scene: Scene) -> None:
    page = await console.open(scripts=True)
    await console.sign_in(page, CHIEF)
    await console.go(page, f"/console/items/{scene.hazards[0]}")
    approve = page.locator("button[value='approve']")
    for _ in range(30):
        if await approve.evaluate("button => button === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    outline = await approve.evaluate("button => getComputedStyle(button).outlineWidth")
    assert outline == "3px"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("已通过")
