"""A real server process and a real browser on it; whatever the browser asks for is noted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page, async_playwright

from server.services import Services, open_services
from server.settings import Settings
from tests import builders
from tests.builders import CHIEF, COUNTY, DISPATCHER, FIREMAN, STREET_CADRE, WORKER, Person, organisation, photo
from tests.integration.console_scene import PASSWORD, give_password

CHROMIUM = "/usr/bin/chromium"
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
_REPOSITORY = Path(__file__).parents[2]


@dataclass
class Scene:
    """Items of the mini city in the states that the pages have to show."""

    hazards: list[UUID] = field(default_factory=list)
    resident: UUID | None = None
    emergency: UUID | None = None
    waiting: UUID | None = None


@dataclass
class Console:
    """The console as a browser reaches it, and every address that a browser asked for."""

    address: str
    store: str
    browser: Browser
    asked: list[str] = field(default_factory=list)

    async def open(self, *, scripts: bool = False, language: str = "zh-CN", width: int = 1280) -> Page:
        """A fresh browser window; without scripts, unless a tool of the test needs them."""
        context = await self.browser.new_context(
            java_script_enabled=scripts, locale=language, viewport={"width": width, "height": 800}
        )
        context.on("request", lambda request: self.asked.append(request.url))
        return await context.new_page()

    async def sign_in(self, page: Page, person: Person) -> None:
        await page.goto(f"{self.address}/console/")
        await page.fill("#phone", person.phone)
        await page.fill("#password", PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{self.address}/console/")

    async def go(self, page: Page, path: str) -> None:
        await page.goto(f"{self.address}{path}")


@pytest.fixture
async def services(settings_of_test: Settings) -> AsyncIterator[Services]:
    """The database and store that the server works on, with the mini city in them."""
    async with open_services(settings_of_test) as opened:
        await opened.objects.ensure_bucket()
        await builders.build_city(opened)
        await give_password(opened, CHIEF, DISPATCHER, FIREMAN, STREET_CADRE, WORKER)
        yield opened


@pytest.fixture
def server(environ: dict[str, str], services: Services) -> Iterator[str]:
    """The address of a server process; it is stopped after the test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready, announce = os.pipe()
        command = [sys.executable, "-m", "server.worker"]
        handed = ["--fd", str(listener.fileno()), "--ready-fd", str(announce)]
        process = subprocess.Popen(
            [*command, *handed],
            env=os.environ | environ | {"ONEGRID_LOG_LEVEL": "error"},
            pass_fds=(listener.fileno(), announce),
            cwd=_REPOSITORY,
        )
        os.close(announce)
        try:
            assert os.read(ready, 20), "the server did not start"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            os.close(ready)
            process.terminate()
            process.wait(timeout=15)


@pytest.fixture
async def console(server: str, services: Services) -> AsyncIterator[Console]:
    """The console in a browser. Afterwards: nothing but the server itself and its store was ever asked."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS.split())
        opened = Console(server, services.settings.phones_s3_endpoint, browser)
        yield opened
        await browser.close()
    elsewhere = [url for url in opened.asked if not url.startswith((f"{opened.address}/console/", f"{opened.store}/"))]
    assert elsewhere == []


@pytest.fixture
async def scene(services: Services) -> Scene:
    """Three hazards to approve, a resident with personal values, an emergency at a department, one without photos."""
    phone = await builders.enrol(services, WORKER)
    made = Scene()
    for number in (1, 2, 3):
        made.hazards.append(await phone.report("0401", urgency="normal", photos=[photo(number)]))
        await builders.deliver(services, WORKER, number)
    await phone.correct(made.hazards[0], description="楼道堆满纸箱,已拍照")
    home = await phone.report("0102")
    made.resident = await phone.report("0101", name="欧阳明月", phone="13855012345", dwelling=str(home))
    made.waiting = await phone.report("0603", photos=[photo(9)])
    made.emergency = await phone.report("0801", urgency="critical")
    return made


OFFICE = str(organisation("xiaofang", COUNTY).id)
