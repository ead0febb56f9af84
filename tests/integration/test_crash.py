"""Twenty rounds of `python -m tests.proof.crash`, which kills a whole server and its database under load.

A process of its own: what is killed leaves orphans, and whoever killed them collects them.

Breakages seen red: a receipt kept after the transaction of its effects; commits that do not wait for the disk; a lost
connection that passes for an error of the server; a nudge that dies and is not looked after.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import asyncpg
import httpx
import pytest

from server.db import sessions
from server.services import Services
from tests.builders import WORKER, build_city
from tests.phones import field_phone

pytestmark = pytest.mark.long

ROUNDS = 20
_SECONDS = 600


def crash(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.proof.crash", *arguments], capture_output=True, text=True, timeout=_SECONDS
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    seed = random.randrange(2**31)
    print(f"python -m tests.proof.crash --rounds {ROUNDS} --seed {seed}")
    done = crash("--rounds", str(ROUNDS), "--seed", str(seed), "--json")
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr[-5000:]}"
    return json.loads(done.stdout)


def test_nothing_is_lost_or_done_twice_whatever_is_killed(report: dict[str, Any]) -> None:
    assert report["findings"] == []
    assert report["rounds"] == sum(report["killed"].values()) == ROUNDS
    assert report["sets"] == report["receipts"] == ROUNDS * 4 * 4
    assert report["changes"] > report["sets"]
    assert report["shown"] == {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def test_kills_came_between_a_commit_and_its_answer(report: dict[str, Any]) -> None:
    """Without these a run would say little of resent sets."""
    assert report["unanswered"] >= 5
    assert report["unanswered_sets"] >= report["unanswered"]
    assert report["processes"] > ROUNDS


def test_wrong_usage_is_told_apart() -> None:
    assert crash("--rounds", "0").returncode == 2
    assert "--seed" in crash("--help").stdout


async def test_a_connection_that_died_under_the_driver_means_not_ready(
    app_client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the driver says of it is no error of the server."""
    await build_city(services)
    phone = await field_phone(services, app_client, WORKER)

    async def died(*_: Any) -> None:
        raise asyncpg.InternalClientError("another operation is in progress")

    monkeypatch.setattr(sessions, "load_caller", died)
    _, answer = await phone.send()
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"]
