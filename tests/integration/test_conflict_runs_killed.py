"""Many conflicts settled by one command that is killed in the middle, run again, and taken back."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from msgspec import json

from server.services import Services
from tests.integration.conflict_planting import plant
from tests.integration.conflict_scene import Scene
from tests.integration.test_conflicts import assert_streams_add_up
from tests.integration.town import COMMUNITY_EAST

RESOLVE = ("resolve", "--where", "kind=update_update,type=0102", "--take", "incoming", "--reason", "逾期未核实")
SETTLED = "SELECT count(*) FROM conflict WHERE state = 'resolved'"


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[Scene]:
    opened = await Scene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)


async def begin(environ: dict[str, str], *arguments: str) -> Process:
    command = [sys.executable, "-m", "server.cli", "conflict", *arguments, "--as", COMMUNITY_EAST.phone, "--json"]
    return await asyncio.create_subprocess_exec(*command, env=os.environ | environ, stdout=PIPE, stderr=PIPE)


async def end(process: Process) -> Any:
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.decode(out)


async def kill_at(scene: Scene, process: Process, settled: int) -> int:
    """Kill it once so many are settled; how many were by then."""
    while await scene.truth.fetchval(SETTLED) < settled:
        assert process.returncode is None
    process.send_signal(signal.SIGKILL)
    await process.wait()
    # What the database was still committing is committed, or rolled back, before anything is counted.
    while await scene.truth.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    ):
        pass
    return await scene.truth.fetchval(SETTLED)


async def changed_by(scene: Scene, op: str) -> tuple[int, int]:
    """Revisions of this kind that wrote the field in conflict, and how many items they are about."""
    row = await scene.truth.fetchrow(
        "SELECT count(*), count(DISTINCT item_id) AS items FROM revision WHERE op = $1 AND fields = '{use}'", op
    )
    return row["count"], row["items"]


@pytest.mark.parametrize(
    "many", [pytest.param(400, marks=pytest.mark.long), pytest.param(10_000, marks=pytest.mark.proof)]
)
async def test_a_killed_run_goes_on_and_settles_each_conflict_once(
    scene: Scene, environ: dict[str, str], many: int
) -> None:
    await plant(scene, many)
    settled = 0
    for part in (many // 5, many // 2):
        settled = await kill_at(scene, await begin(environ, *RESOLVE), part)
        assert part <= settled < many
        lines = await scene.truth.fetchval("SELECT count(*) FROM conflict_run_line")
        assert lines == settled, "the line is written with the settlement, or not at all"
    done = await end(await begin(environ, *RESOLVE))
    assert (done["resumed"], done["earlier"], done["done"], done["refused"]) == (True, settled, many, [])
    assert await changed_by(scene, "resolve") == (many, many)
    undoing = await begin(environ, "undo", "--run", done["run"], "--reason", "条件写错")
    while await scene.truth.fetchval(SETTLED) > many // 2:
        assert undoing.returncode is None
    undoing.send_signal(signal.SIGKILL)
    await undoing.wait()
    await end(await begin(environ, "undo", "--run", done["run"], "--reason", "条件写错"))
    assert await scene.truth.fetchval(SETTLED) == 0
    assert await changed_by(scene, "undo") == (many, many)
