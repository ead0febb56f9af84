"""The process that works through the job queue: started, killed and stopped as the supervisor would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from server.db.job_queue import JobQueue
from server.jobs.work import make_worker
from server.services import Services
from tests.integration.evidence_scene import (
    new_item,
    objects_under,
    sent,
    state_of,
    until,
    until_someone_waits_for_a_lock,
)
from tests.unit.pictures import jpeg

pytestmark = [pytest.mark.usefixtures("small_town"), pytest.mark.long]

_SECONDS = 60


@asynccontextmanager
async def jobs(environ: dict[str, str], **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, ready; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.jobs", env=os.environ | environ | more, stderr=asyncio.subprocess.PIPE
    )
    try:
        await says(process, b"jobs_ready")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def says(process: asyncio.subprocess.Process, word: bytes) -> bytes:
    assert process.stderr is not None
    async with asyncio.timeout(_SECONDS):
        while word not in (line := await process.stderr.readline()):
            assert line, f"it ended without saying {word!r}"
    return line


async def until_verified(truth: asyncpg.Connection, data: bytes) -> None:
    async def is_verified() -> bool:
        return await state_of(truth, data) == ("verified", None)

    await until(is_verified)


async def test_a_job_is_done_as_soon_as_it_is_asked_for(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection
) -> None:
    data = jpeg(1)
    await new_item(services, data)
    async with jobs(environ) as process:
        await sent(services, data)
        # Well before the sweep, which comes every 15 seconds.
        async with asyncio.timeout(8):
            await until_verified(truth, data)

        process.terminate()
        async with asyncio.timeout(_SECONDS):
            assert await process.wait() == 0


async def test_a_job_whose_process_was_killed_is_taken_again(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection, database_url: str
) -> None:
    data = jpeg(2)
    item_id = await new_item(services, data)
    holder = await asyncpg.connect(database_url)
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM evidence FOR UPDATE")

    async with jobs(environ) as process:
        marking = asyncio.create_task(sent(services, data))
        await until_someone_waits_for_a_lock(truth)
        await holder.execute("COMMIT")
        await marking
        await holder.execute("BEGIN")
        await holder.execute("SELECT FROM evidence FOR UPDATE")
        await until_someone_waits_for_a_lock(truth)
        process.kill()
        await process.wait()
    await holder.close()
    assert await state_of(truth, data) == ("stored", None)
    assert await truth.fetchval("SELECT status::text FROM pgqueuer") == "picked"

    # As if the spans after which a dead worker's job is due had passed.
    await truth.execute("UPDATE upload SET check_after = now()")
    await truth.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 minute'")

    async def nothing_is_incoming() -> bool:
        return await objects_under(services, "incoming/") == {}

    async with jobs(environ):
        await until_verified(truth, data)
        # Deleted once the verdict is safe, so a moment after it can be seen.
        await until(nothing_is_incoming)

    assert await truth.fetchval("SELECT touch FROM item WHERE id = $1", item_id) == 1


async def test_the_sweep_finds_what_no_job_was_left_for(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection
) -> None:
    data = jpeg(3)
    await sent(services, data)
    await truth.execute("DELETE FROM pgqueuer")

    async with jobs(environ):
        await until_verified(truth, data)


async def test_what_has_begun_is_finished_before_the_process_ends(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection, database_url: str
) -> None:
    data = jpeg(4)
    await sent(services, data)
    holder = await asyncpg.connect(database_url)
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM evidence FOR UPDATE")

    async with jobs(environ) as process:
        await until_someone_waits_for_a_lock(truth)
        process.terminate()
        await says(process, b"jobs_stopping")
        await holder.execute("COMMIT")
        async with asyncio.timeout(_SECONDS):
            assert await process.wait() == 0
    await holder.close()

    assert await state_of(truth, data) == ("verified", None)


async def test_what_takes_too_long_does_not_keep_the_process_from_ending(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection, database_url: str
) -> None:
    data = jpeg(5)
    await sent(services, data)
    holder = await asyncpg.connect(database_url)
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM evidence FOR UPDATE")

    async with jobs(environ) as process:
        await until_someone_waits_for_a_lock(truth)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(8):
            assert await process.wait() == 1
    await holder.close()
    assert await state_of(truth, data) == ("stored", None)


async def test_a_database_that_went_away_is_waited_for(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection
) -> None:
    own = "FROM pg_stat_activity WHERE application_name = 'worker-under-test'"

    async def has_connected() -> bool:
        return await truth.fetchval(f"SELECT count(*) >= 3 {own}")

    url = f"{environ['ONEGRID_DATABASE_URL']}?application_name=worker-under-test"
    async with jobs(environ, ONEGRID_DATABASE_URL=url) as process:
        await until(has_connected)
        await truth.execute(f"SELECT pg_terminate_backend(pid) {own}")
        await says(process, b"jobs_interrupted")
        await says(process, b"jobs_ready")

        data = jpeg(6)
        await sent(services, data)
        async with asyncio.timeout(10):
            await until_verified(truth, data)


async def test_a_job_that_fails_says_what_and_where_but_repeats_no_value(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection
) -> None:
    data = jpeg(7)
    await sent(services, data)
    await truth.execute("ALTER TABLE evidence ADD CHECK (state <> 'verified')")

    async with jobs(environ) as process:
        line = await says(process, b"job_failed")

    assert b"CheckViolation" in line
    assert b"\\x" not in line
    assert b"Failing row" not in line
    assert await state_of(truth, data) == ("stored", None)
    assert await truth.fetchval("SELECT count(*) FROM pgqueuer_log WHERE traceback IS NOT NULL") == 0


@pytest.mark.parametrize("missing", ["ONEGRID_DATABASE_URL", "ONEGRID_MASTER_KEY"])
async def test_what_keeps_it_from_starting_is_one_sentence(environ: dict[str, str], missing: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.jobs", env=os.environ | environ | {missing: ""}, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()

    assert process.returncode == 1
    assert missing.encode() in said
    assert len(said.splitlines()) == 1


async def test_the_queues_tables_are_those_that_the_library_expects(services: Services, database_url: str) -> None:
    queue = await JobQueue.connect(database_url, size=2)
    worker = make_worker(services, queue)

    await worker.qm.verify_structure()
    plan = await queue.queries().plan_upgrade()
    await queue.close()

    assert list(plan.statements) == [], "a newer library wants other tables: add a migration"


async def test_no_environment_variable_renames_the_queue(
    services: Services, environ: dict[str, str], truth: asyncpg.Connection
) -> None:
    data = jpeg(8)
    async with jobs(environ, QUEUE_TABLE="elsewhere", PREFIX="other_", CHANNEL="noise"):
        await sent(services, data)
        async with asyncio.timeout(8):
            await until_verified(truth, data)
