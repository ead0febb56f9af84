"""`onegrid device` list, show, revoke and replace as a person at a terminal runs them."""

from __future__ import annotations

import json

import asyncpg
import pytest

from server.cli import run
from server.services import Services
from tests import builders
from tests.builders import ADMINISTRATOR, CADRE, GRIDS, STREET_CADRE, WORKER
from tests.integration.terminal import Ran, shell

pytestmark = pytest.mark.long

LOST = ("--reason", "手机遗失")


@pytest.fixture
async def device(services: Services) -> str:
    """The id of a worker's phone."""
    await builders.build_city(services)
    return str((await builders.enrol(services, WORKER)).device_id)


async def device_command(environ: dict[str, str], *arguments: str, by: str = CADRE.phone) -> Ran:
    return await shell(environ, "device", *arguments, "--as", by)


async def test_a_phone_is_found_revoked_and_replaced(
    environ: dict[str, str], device: str, truth: asyncpg.Connection
) -> None:
    listed = await device_command(environ, "list", "--grid", GRIDS[0])
    assert listed.status == 0, listed.err
    for words in (device[:8], "139****0001", GRIDS[0], "从未", "在用"):
        assert words in listed.out, listed.out
    assert WORKER.phone not in listed.out
    revoked = await device_command(environ, "revoke", device[:8], *LOST)
    assert revoked.status == 0, revoked.err
    assert f"onegrid device enrol --user {WORKER.id}" in revoked.out
    assert await truth.fetchval("SELECT revoked_by FROM device") == CADRE.id
    replaced = await device_command(environ, "replace", device, *LOST, "--url", "https://grid.example")
    assert replaced.status == 0, replaced.err
    for words in ("https://grid.example", "注册码 / code:"):
        assert words in replaced.out
    assert str(await truth.fetchval("SELECT replaces FROM enrolment_code")) == device
    shown = await device_command(environ, "show", device)
    for words in (device, "已停用 revoked", "community 10"):
        assert words in shown.out


async def test_each_answers_as_one_json_document(environ: dict[str, str], device: str) -> None:
    listed = json.loads((await device_command(environ, "list", "--json")).out)
    assert [one["id"] for one in listed["devices"]] == [device]
    assert listed["next"] is None
    assert listed["devices"][0] | {"phone": "139****0001", "state": "enrolled", "unsent": 0} == listed["devices"][0]
    assert listed["devices"][0]["posts"][0]["grid"] == GRIDS[0]
    shown = json.loads((await device_command(environ, "show", device, "--json", by=ADMINISTRATOR.phone)).out)
    assert (shown["may_revoke"], shown["may_replace"]) == (True, True)
    replaced = json.loads((await device_command(environ, "replace", device, *LOST, "--json")).out)
    assert replaced.keys() == {"code", "user", "expires_at", "url"}
    again = await device_command(environ, "revoke", device, *LOST, "--json")
    assert (again.status, json.loads(again.out)["error"]["code"]) == (1, "device_already_revoked")


async def test_what_is_refused_changes_nothing(environ: dict[str, str], device: str, truth: asyncpg.Connection) -> None:
    for ended, code in (
        (await device_command(environ, "revoke", device, *LOST, "--json", by=STREET_CADRE.phone), "forbidden"),
        (await device_command(environ, "revoke", "ffffffff", *LOST, "--json"), "not_found"),
    ):
        assert (ended.status, json.loads(ended.out)["error"]["code"]) == (1, code)
    assert await truth.fetchval("SELECT revoked_at FROM device") is None


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (1, ["revoke", "1a2b3c", "--reason", " "]),
        (2, ["revoke", "1a2b3c"]),
        (2, ["revoke", "12", *LOST]),
        (2, ["list", "--grid", "12"]),
        (2, ["list", "--division", "x"]),
        (2, ["list", "--grid", GRIDS[0], "--division", GRIDS[0][:12]]),
        (2, ["list", "--silent-for", "0"]),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_opened(status: int, arguments: list[str]) -> None:
    assert run(["device", *arguments, "--as", CADRE.phone]) == status
