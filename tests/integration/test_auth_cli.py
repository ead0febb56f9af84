"""`onegrid device enrol` as a person at a terminal runs it, and the command line's exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from tests.integration import town
from tests.integration.terminal import shell
from tests.integration.test_auth import enrol, use

pytestmark = [pytest.mark.usefixtures("small_town"), pytest.mark.long]


def device_enrol(user: str, actor: str, *more: str, reason: str = "新手机") -> list[str]:
    return ["device", "enrol", "--user", user, "--as", actor, "--reason", reason, *more]


async def test_a_code_from_the_command_line_enrols(
    environ: dict[str, str], app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    ended = await shell(environ, *device_enrol(town.WORKER_EAST.phone, town.ADMINISTRATOR.phone, "--json"))
    assert ended.status == 0, ended.err
    document = json.loads(ended.out)
    assert document["user"] == str(town.WORKER_EAST.id)
    left = datetime.fromisoformat(document["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=71) < left <= timedelta(hours=72)
    enrolled = await enrol(app_client, document["code"])
    assert (await use(app_client, enrolled.json()["access"])).status_code == 200
    act = await truth.fetchrow("SELECT * FROM audit WHERE action = 'enrolment_code.issued'")
    assert (act["actor_id"], act["subject_id"], act["reason"]) == (
        town.ADMINISTRATOR.id,
        str(town.WORKER_EAST.id),
        "新手机",
    )


async def test_the_terminal_shows_a_qr_code_and_the_code_to_type(
    environ: dict[str, str], app_client: httpx.AsyncClient
) -> None:
    address = "https://grid.example"
    ended = await shell(environ, *device_enrol(str(town.RIDER.id), str(town.ADMINISTRATOR.id), "--url", address))
    assert ended.status == 0, ended.err
    assert "▀" in ended.out or "█" in ended.out
    assert address in ended.out
    code = next(line for line in ended.out.splitlines() if "code:" in line).split()[-1]
    assert (await enrol(app_client, code)).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (device_enrol(town.WORKER_EAST.phone, town.HANDLER.phone), 1, "forbidden"),
        (device_enrol(town.WORKER_WEST.phone, town.COMMUNITY_EAST.phone), 1, "not_found"),
        (device_enrol("13899999999", town.ADMINISTRATOR.phone), 1, "not_found"),
        (device_enrol("nobody-at-all", town.ADMINISTRATOR.phone), 1, "not_found"),
        (device_enrol(town.WORKER_EAST.phone, "13899999999"), 1, "not_found"),
        (device_enrol(town.WORKER_EAST.phone, town.ADMINISTRATOR.phone, reason=" "), 1, "reason_needed"),
        (["device", "enrol", "--user", town.WORKER_EAST.phone], 2, None),
        (["device", "enrol", "--nonsense"], 2, None),
        (["nonsense"], 2, None),
    ],
)
async def test_exit_statuses(
    environ: dict[str, str], truth: asyncpg.Connection, arguments: list[str], status: int, code: str | None
) -> None:
    ended = await shell(environ, *arguments, "--json")
    assert ended.status == status, ended.err
    if code is not None:
        assert json.loads(ended.out)["error"]["code"] == code
        assert ended.err.count("\n") == 1
        assert ended.err.startswith("onegrid: ")
        assert " / " in ended.err
    assert await truth.fetchval("SELECT count(*) FROM enrolment_code") == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["device", "enrol", "--help"], 0),
        (device_enrol(town.WORKER_EAST.phone, town.HANDLER.phone), 1),
        (["device", "enrol", "--user", town.WORKER_EAST.phone], 2),
    ],
)
def test_a_process_ends_with_the_status_of_its_command(
    environ: dict[str, str], arguments: list[str], status: int
) -> None:
    command = [sys.executable, "-m", "server.cli", *arguments]
    ended = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stderr
    assert bool(ended.stdout) == (status == 0)
    assert bool(ended.stderr) == (status != 0)


async def test_help_teaches(environ: dict[str, str]) -> None:
    root = await shell(environ, "--help")
    assert root.status == 0
    for command in ("up", "settings", "device"):
        assert command in root.out
    enrolling = await shell(environ, "device", "enrol", "--help")
    for word in ("--user", "--as", "--reason", "--json", "--data", "onegrid device enrol", "二维码", "QR"):
        assert word in enrolling.out
