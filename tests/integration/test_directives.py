"""Directives: asked for by whoever looks after a phone, told in every answer, done when the phone says so."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from schemas.wire import ExchangeAnswer
from server.errors import Problem
from server.services import Services
from server.usecases.devices import revoke_device, show_device
from server.usecases.directives import ask_for_update, wipe_device
from server.usecases.sessions import Caller
from sync.framing import decode_answer, encode_request
from tests import builders
from tests.builders import AUDITOR, CADRE, MATE, WEST_CADRE, WORKER, build_city, form
from tests.integration.console_scene import at_console
from tests.integration.terminal import Ran, shell
from tests.phones import FieldPhone, clock, field_phone


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)


@pytest.fixture
async def phone(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    return await field_phone(services, app_client, WORKER)


@pytest.fixture
async def cadre(services: Services) -> Caller:
    return await builders.caller(services, CADRE)


async def exchange(phone: FieldPhone, *done: UUID) -> ExchangeAnswer:
    """One exchange in which the phone says what it has done; its device does not take the answer in."""
    outgoing = phone.device.next_request(clock())
    body = encode_request(replace(outgoing.request, done=list(done)), outgoing.sets, phone.form)
    response = await phone.client.post("/v1/exchange", content=body, headers=phone.headers)
    assert response.status_code == 200, response.text
    return decode_answer(response.content, phone.form)


def kinds(answer: ExchangeAnswer) -> list[str]:
    return [one.kind for one in answer.directives]


async def audited(truth: asyncpg.Connection) -> list[str]:
    return [row["action"] for row in await truth.fetch("SELECT action FROM audit ORDER BY id")]


async def test_a_wiped_phone_is_revoked_told_and_believed(
    services: Services, phone: FieldPhone, cadre: Caller, truth: asyncpg.Connection
) -> None:
    detail = await wipe_device(services, cadre, phone.device_id, "手机被盗")
    assert (detail.device.state, detail.device.wipe) == ("revoked", "asked")
    phone.create("0102", form("0102"))
    phone.seal()
    answer = await exchange(phone)
    assert kinds(answer) == ["wipe"]
    assert (answer.streams, answer.mark) == ([], None)
    assert [one.status for one in answer.receipts] == ["quarantined"]
    (wipe,) = answer.directives
    assert kinds(await exchange(phone)) == ["wipe"]
    assert kinds(await exchange(phone, wipe.id)) == []
    assert kinds(await exchange(phone, wipe.id)) == []
    shown = await show_device(services, cadre, phone.device_id)
    assert shown.device.wipe == "done"
    assert (shown.directives[0].reason, shown.directives[0].created_by) == ("手机被盗", CADRE.id)
    assert await audited(truth) == ["device.revoked", "device.directed", "directive.done"]


async def test_a_phone_revoked_before_is_only_asked(
    services: Services, phone: FieldPhone, cadre: Caller, truth: asyncpg.Connection
) -> None:
    await revoke_device(services, cadre, phone.device_id, "遗失")
    await wipe_device(services, cadre, phone.device_id, "被盗")
    assert kinds(await exchange(phone)) == ["wipe"]
    assert await audited(truth) == ["device.revoked", "device.directed"]


async def test_nobody_is_asked_twice_for_what_he_has_not_done(
    services: Services, phone: FieldPhone, cadre: Caller, truth: asyncpg.Connection
) -> None:
    asked = [wipe_device(services, cadre, phone.device_id, "被盗") for _ in range(3)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(str(getattr(one, "code", "done")) for one in results) == ["directive_open", "directive_open", "done"]
    (wipe,) = (await exchange(phone)).directives
    await exchange(phone, wipe.id)
    await wipe_device(services, cadre, phone.device_id, "再清一次")
    assert kinds(await exchange(phone)) == ["wipe"]


async def test_a_phone_answers_for_itself_alone(
    services: Services, app_client: httpx.AsyncClient, phone: FieldPhone, cadre: Caller
) -> None:
    await ask_for_update(services, cadre, phone.device_id, "表单换版")
    (asked,) = (await exchange(phone)).directives
    other = await field_phone(services, app_client, MATE)
    assert kinds(await exchange(other, asked.id, uuid4())) == []
    assert kinds(await exchange(phone, uuid4())) == ["update_app"]


async def test_a_new_directive_is_news_once(services: Services, phone: FieldPhone, cadre: Caller) -> None:
    async def poll() -> int:
        held = {"mark": mark or ""}
        return (await phone.client.get("/v1/exchange", params=held, headers=phone.headers)).status_code

    mark = (await phone.sync())[-1].mark
    assert await poll() == 204
    await ask_for_update(services, cadre, phone.device_id, "表单换版")
    async with asyncio.timeout(5):
        while await poll() != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    answer = (await phone.sync())[-1]
    assert kinds(answer) == ["update_app"]
    mark = answer.mark
    assert await poll() == 204
    mark = (await exchange(phone, answer.directives[0].id)).mark
    assert await poll() == 204


@pytest.mark.parametrize(("person", "code"), [(AUDITOR, "forbidden"), (WORKER, "forbidden"), (WEST_CADRE, "not_found")])
@pytest.mark.parametrize("ask", [wipe_device, ask_for_update])
async def test_who_does_not_look_after_a_phone_asks_nothing_of_it(
    services: Services, phone: FieldPhone, truth: asyncpg.Connection, ask, person: builders.Person, code: str
) -> None:
    with pytest.raises(Problem) as refused:
        await ask(services, await builders.caller(services, person), phone.device_id, "想要")
    assert refused.value.code == code
    assert await truth.fetchval("SELECT count(*) FROM directive") == 0
    assert await truth.fetchval("SELECT revoked_at FROM device") is None


async def test_it_takes_a_reason(services: Services, phone: FieldPhone, cadre: Caller) -> None:
    with pytest.raises(Problem, match="reason_needed"):
        await wipe_device(services, cadre, phone.device_id, " ")


async def test_the_device_page_says_how_far_it_is(
    services: Services, app_client: httpx.AsyncClient, phone: FieldPhone, cadre: Caller
) -> None:
    await wipe_device(services, cadre, phone.device_id, "被盗")
    desk = await at_console(services, app_client, CADRE)
    assert "设备尚未回报完成" in (await desk.get(f"/console/devices/{phone.device_id}")).text
    (wipe,) = (await exchange(phone)).directives
    await exchange(phone, wipe.id)
    assert "回报完成" in (text := (await desk.get(f"/console/devices/{phone.device_id}")).text)
    assert "尚未" not in text


# At the command line ---------------------------------------------------------------------------------------


async def device_command(environ: dict[str, str], *arguments: str) -> Ran:
    return await shell(environ, "device", *arguments, "--as", CADRE.phone)


async def test_a_phone_is_wiped_from_a_terminal(environ: dict[str, str], phone: FieldPhone) -> None:
    known = str(phone.device_id)
    wiped = await device_command(environ, "wipe", known[:8], "--reason", "手机被盗")
    assert wiped.status == 0, wiped.err
    assert "清除数据 wipe" in wiped.out
    again = await device_command(environ, "wipe", known, "--reason", "手机被盗")
    assert (again.status, again.out) == (1, "")
    assert "同样的指令" in again.err
    assert "待清除" in (await device_command(environ, "list", "--revoked")).out
    assert "未完成 not done yet" in (await device_command(environ, "show", known)).out
    (wipe,) = (await exchange(phone)).directives
    await exchange(phone, wipe.id)
    shown = json.loads((await device_command(environ, "show", known, "--json")).out)
    assert shown["device"]["wipe"] == "done"
    assert [one["kind"] for one in shown["directives"]] == ["wipe"]


async def test_a_phone_is_asked_to_update_from_a_terminal(environ: dict[str, str], phone: FieldPhone) -> None:
    asked = await device_command(environ, "update", str(phone.device_id), "--reason", "表单换版", "--json")
    assert json.loads(asked.out)["directives"][0]["kind"] == "update_app"
    assert kinds(await exchange(phone)) == ["update_app"]
    assert (await device_command(environ, "update", str(phone.device_id))).status == 2
