"""What commits between two statements of one writer or one reader: nobody passes by a position that is still to come,
and an answer is of one instant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from server.db.database import Database
from server.services import Services
from server.usecases.exchange import exchange
from server.usecases.feeding import FeedWrite, write_feed
from server.usecases.sessions import Caller
from sync.framing import decode_answer, encode_answer
from tests.builders import MATE, WORKER, build_city, form
from tests.phones import clock, field_phone
from tests.proof.halting import COMMIT, Halt, halting

pytestmark = pytest.mark.long

STREAM = "grid/one"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

AFTER = """
    SELECT s.head, array(SELECT object_id FROM feed f WHERE f.stream_id = s.id AND f.position > $2) AS objects
    FROM stream s WHERE s.key = $1
"""


async def write(database: Database, object_id: UUID) -> None:
    entry = FeedWrite(STREAM, object_id, "item", True, 1)
    await database.write(lambda tx: write_feed(tx, [entry]))


async def read_on(truth: asyncpg.Connection, cursor: int) -> tuple[list[UUID], int]:
    """The objects of the entries after a cursor, and the head, as one snapshot has them."""
    row = await truth.fetchrow(AFTER, STREAM, cursor)
    assert row is not None
    return row["objects"], row["head"]


async def until_through_or_waiting(task: asyncio.Task[None], truth: asyncpg.Connection) -> None:
    async with asyncio.timeout(30):
        while not task.done() and not await truth.fetchval(WAITING):
            pass


async def every_statement(services: Services) -> Sequence[str]:
    halt = Halt()
    await write(halting(services, halt).database, uuid4())
    return halt.passed


async def test_wherever_a_writer_stands_nobody_reads_past_its_position(
    services: Services, truth: asyncpg.Connection
) -> None:
    await write(services.database, uuid4())
    passed = await every_statement(services)
    assert passed[-1] == COMMIT
    for stop in range(1, len(passed) + 1):
        _, cursor = await read_on(truth, 0)
        slow, fast, halt = uuid4(), uuid4(), Halt(stop)
        standing = asyncio.create_task(write(halting(services, halt).database, slow))
        assert await halt.stands_or(standing)
        beside = asyncio.create_task(write(services.database, fast))
        await until_through_or_waiting(beside, truth)
        seen, cursor = await read_on(truth, cursor)
        halt.let_go.set()
        await asyncio.gather(standing, beside)
        later, _ = await read_on(truth, cursor)
        assert sorted([*seen, *later]) == sorted([slow, fast]), passed[stop - 1]


@pytest.mark.parametrize("statement", ["streams_of_scope", "entries_after", "read_counter"])
async def test_what_commits_within_a_pull_is_in_the_next_one(
    services: Services, app_client: httpx.AsyncClient, statement: str
) -> None:
    await build_city(services)
    reader, mate = [await field_phone(services, app_client, one) for one in (WORKER, MATE)]
    made = [mate.create("0102", form("0102") | {"address": f"明珠路 {number} 号"}) for number in range(4)]
    mate.seal()
    await mate.sync()
    # Whoever begins anew is not told of these, so less is told than there are positions: room for what comes too early.
    for item in made[:2]:
        mate.device.delete_item(item, mate.capture())
    mate.seal()
    await mate.sync()
    outgoing, halt = reader.device.next_request(clock()), Halt(before=statement)
    caller = Caller(user_id=WORKER.id, name="", kind="device", assignments=(), device_id=reader.device_id)
    pulling = asyncio.create_task(exchange(halting(services, halt), caller, outgoing.request, [], "json"))
    assert await halt.stands_or(pulling)
    mate.create("0102", form("0102") | {"address": "明珠路 5 号"})
    mate.seal()
    await mate.sync()
    halt.let_go.set()
    answer = decode_answer(encode_answer(await pulling, "json"), "json")
    assert reader.device.apply_answer(outgoing.serial, answer).repaired == []
    await reader.sync()
    assert reader.device.memberships() == {
        key: mate.device.memberships().get(key, {}) for key in reader.device.memberships()
    }
