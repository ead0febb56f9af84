"""Signing in and out of the console, and what stands around every page."""

from __future__ import annotations

import re
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from server.services import Services
from tests import builders
from tests.builders import CHIEF, DISPATCHER, WORKER
from tests.integration.console_scene import PASSWORD, AtConsole, Page, at_console, give_password

pytestmark = pytest.mark.usefixtures("city")


@pytest.fixture
async def city(services: Services) -> None:
    await builders.build_city(services)
    await give_password(services, CHIEF, DISPATCHER, WORKER)


@pytest.fixture
def console(app_client: httpx.AsyncClient) -> AtConsole:
    return AtConsole(app_client)


async def test_signing_in_leads_home(console: AtConsole) -> None:
    page = await console.sign_in(CHIEF.phone)
    assert page.answer.url.path == "/console/"
    assert "待您审核" in page.text
    assert "网格长" in page.text


async def test_a_page_that_was_wanted_is_shown_after_signing_in(console: AtConsole) -> None:
    page = await console.get("/console/cases?state=closed")
    assert page.answer.url.path == "/console/sign-in"
    form = page.form("/console/sign-in")
    arrived = await console.send(form, phone=DISPATCHER.phone, password=PASSWORD)
    assert str(arrived.answer.url).endswith("/console/cases?state=closed")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/console/", "/v1/items", "/console/\\x"])
async def test_nobody_is_sent_elsewhere_after_signing_in(console: AtConsole, elsewhere: str) -> None:
    form = (await console.get("/console/sign-in")).form("/console/sign-in")
    data = {"csrf": form.first("csrf"), "phone": CHIEF.phone, "password": PASSWORD, "next": elsewhere}
    answer = await console.client.post("/console/sign-in", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")


async def test_a_wrong_phone_and_a_wrong_password_are_told_in_the_same_words(console: AtConsole) -> None:
    told = set[str]()
    wrong = ((CHIEF.phone, "wrong"), ("13011112222", PASSWORD), ("nonsense", "x"), ("1" * 40, "y" * 300))
    for phone, password in wrong:
        console.client.cookies.clear()
        page = await console.sign_in(phone, password, status=401)
        told.add(re.sub(r'value="[^"]*"', "", page.answer.text))
        assert "手机号或密码不正确" in page.text
        assert "onegrid_console" not in console.client.cookies
    assert len({re.sub(r" autofocus", "", one) for one in told}) == 1


async def test_the_typed_phone_is_kept_and_the_password_is_not(console: AtConsole) -> None:
    page = await console.sign_in(CHIEF.phone, "typed-wrongly", status=401)
    assert page.form("/console/sign-in").first("phone") == CHIEF.phone
    assert "typed-wrongly" not in page.answer.text


async def test_after_too_many_failures_it_is_said_how_long_the_lock_lasts(console: AtConsole) -> None:
    for _ in range(5):
        await console.sign_in(CHIEF.phone, "wrong", status=401)
    page = await console.sign_in(CHIEF.phone, status=429)
    assert re.search(r"请 (29|30) 分钟后再试", page.text)


async def test_a_sign_in_that_another_site_forges_is_refused(console: AtConsole) -> None:
    """Its author knows neither the cookie nor the value in the form."""
    answer = await console.client.post("/console/sign-in", data={"phone": CHIEF.phone, "password": PASSWORD})
    assert answer.status_code == 403
    assert "onegrid_console" not in console.client.cookies


async def test_signing_out_ends_the_session_on_the_server_too(console: AtConsole) -> None:
    page = await console.sign_in(CHIEF.phone)
    kept = console.client.cookies["onegrid_console"]
    left = await console.send(page.form("/console/sign-out"))
    assert "您已退出" in left.text
    assert "onegrid_console" not in console.client.cookies
    console.client.cookies.set("onegrid_console", kept, path="/console")
    again = await console.get("/console/reviews")
    assert again.answer.url.path == "/console/sign-in"
    assert "登录已结束" in again.text


async def test_a_session_ends_when_it_was_not_used_for_a_while(console: AtConsole, truth: asyncpg.Connection) -> None:
    await console.sign_in(CHIEF.phone)
    idle = await truth.fetchval("SELECT access_expires_at - now() FROM session WHERE kind = 'console'")
    assert 29 * 60 < idle.total_seconds() <= 30 * 60
    await truth.execute("UPDATE session SET access_expires_at = now() + interval '1 minute'")
    await console.get("/console/")
    renewed = await truth.fetchval("SELECT access_expires_at - now() FROM session WHERE kind = 'console'")
    assert renewed.total_seconds() > 29 * 60
    await truth.execute("UPDATE session SET access_expires_at = now()")
    page = await console.get("/console/")
    assert "登录已结束" in page.text


async def test_a_token_of_another_kind_opens_nothing(services: Services, console: AtConsole) -> None:
    header = await builders.sign_in(services, CHIEF)
    console.client.cookies.set("onegrid_console", header["Authorization"].removeprefix("Bearer "), path="/console")
    page = await console.get("/console/")
    assert page.answer.url.path == "/console/sign-in"


async def test_cookies_are_strict_and_hidden_and_secure_behind_tls(console: AtConsole) -> None:
    form = (await console.get("/console/sign-in")).form("/console/sign-in")
    data = {"csrf": form.first("csrf"), "phone": CHIEF.phone, "password": PASSWORD}
    answer = await console.client.post("/console/sign-in", data=data, headers={"x-forwarded-proto": "https"})
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("onegrid_console="))
    for attribute in ("HttpOnly", "Path=/console", "SameSite=strict", "Secure"):
        assert attribute in cookie
    assert "Max-Age" not in cookie


async def test_every_page_forbids_scripts_frames_and_other_hosts(services: Services, console: AtConsole) -> None:
    pages = [await console.get("/console/sign-in"), await console.sign_in(CHIEF.phone)]
    pages += [await console.get(path) for path in ("/console/reviews", "/console/cases")]
    pages.append(await console.get("/console/no-such-page", 404))
    store = services.settings.phones_s3_endpoint
    for page in pages:
        headers = page.answer.headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "script-src" not in policy
        assert f"img-src 'self' {store}" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "script" not in page.tags
        assert "style" not in page.tags


async def test_every_form_that_changes_something_needs_the_sessions_own_mark(
    services: Services, app: Litestar, app_client: httpx.AsyncClient
) -> None:
    await at_console(services, app_client, CHIEF)
    addresses = [route.path for route in app.routes if route.path.startswith("/console") and _takes_posts(route)]
    assert len(addresses) >= 4
    for address in addresses:
        path = address.replace("{item:str}", str(WORKER.id))
        for data in ({"do": "approve"}, {"csrf": "x"}, {"csrf": "é"}):
            answer = await app_client.post(path, data=data)
            assert answer.status_code == 403, path
            assert "页面已过期" in answer.text
    assert (await app_client.get("/console/")).status_code == 200


def _takes_posts(route: Any) -> bool:
    return "POST" in route.methods


async def test_a_form_in_another_encoding_is_refused(services: Services, app_client: httpx.AsyncClient) -> None:
    await at_console(services, app_client, CHIEF)
    answer = await app_client.post("/console/reviews", json={"csrf": "x"})
    assert answer.status_code == 415
    assert answer.headers["content-type"].startswith("text/html")


async def test_the_language_is_switched_and_kept(console: AtConsole) -> None:
    page = await console.get("/console/sign-in")
    assert '<html lang="zh-CN">' in page.answer.text
    page = await console.get(next(link for link in page.links if link.endswith("lang=en")))
    assert '<html lang="en">' in page.answer.text
    assert "Phone number" in page.text
    page = await console.send(page.form("/console/sign-in"), phone=CHIEF.phone, password=PASSWORD)
    assert "Waiting for your review" in page.text
    page = await console.get("/console/?lang=zh")
    assert "待您审核" in page.text
    assert "待您审核" in (await console.get("/console/")).text


async def test_a_browser_that_prefers_english_gets_it(console: AtConsole) -> None:
    answer = await console.client.get("/console/sign-in", headers={"accept-language": "en-GB,en;q=0.9"})
    assert "Sign in" in Page(answer).text


async def test_roles_without_work_at_the_console_are_told_so(services: Services, app_client: httpx.AsyncClient) -> None:
    console = await at_console(services, app_client, WORKER)
    page = await console.get("/console/")
    assert "现场工作请使用手机端" in page.text
    assert "/console/reviews" not in page.links
    assert "没有等待您审核的提交" in (await console.get("/console/reviews")).text


async def test_static_files_are_kept_for_good_and_change_their_address(console: AtConsole) -> None:
    page = await console.get("/console/sign-in")
    (address,) = re.findall(r'href="(/console/static/console\.css\?v=[0-9a-f]{12})"', page.answer.text)
    answer = await console.client.get(address)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert (await console.client.get("/console/static/../pages.py")).status_code in (303, 404)
    assert (await console.client.get("/console/static/pages.py")).status_code == 404
