"""Feeds under concurrent writers: positions without gaps, digests that add up, and pullers that miss nothing."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import pytest

from server.db import feed
from server.usecases.feeding import FeedWrite, write_feed
from sync.feed import digest, entry_hash, unsigned64

STREAMS = ["grid/one", "grid/two", "own/three"]
OBJECTS = [UUID(int=number) for number in range(12)]


async def write(database, writes, *, held=None):
    async def work(tx):
        await write_feed(tx, writes)
        if held is not None:
            await held()

    await database.write(work)


async def stream_rows(truth):
    return {row["key"]: row for row in await truth.fetch("SELECT * FROM stream")}


async def digest_by_hand(truth, stream_id):
    rows = await truth.fetch("SELECT * FROM feed WHERE stream_id = $1 AND present", stream_id)
    return digest(entry_hash(row["object_id"], row["version"], unsigned64(row["rev"]), row["touch"]) for row in rows)


async def test_concurrent_writers_leave_no_gap_and_a_true_digest(database, truth):
    seed = random.randrange(2**32)
    print(f"seed {seed}")

    async def writer(number):
        rng = random.Random(f"{seed} {number}")
        for version in range(1, 13):
            picked = rng.sample([(key, one) for key in STREAMS for one in OBJECTS], 5)
            writes = [
                FeedWrite(key, one, "item", rng.random() < 0.7, version, rng.getrandbits(64), number)
                for key, one in picked
            ]
            await write(database, writes)

    await asyncio.gather(*(writer(number) for number in range(4)))
    for row in (await stream_rows(truth)).values():
        positions = [
            r["position"]
            for r in await truth.fetch("SELECT position FROM feed WHERE stream_id = $1 ORDER BY 1", row["id"])
        ]
        assert len(set(positions)) == len(positions)
        assert max(positions) == row["head"]
        assert unsigned64(row["digest"]) == await digest_by_hand(truth, row["id"])


async def test_a_puller_never_passes_what_is_not_yet_committed(database, truth):
    """A writer that got its position first and commits last must still be seen after a later writer's entry."""
    entered, release = asyncio.Event(), asyncio.Event()

    async def hold():
        entered.set()
        await release.wait()

    slow = asyncio.create_task(write(database, [FeedWrite("grid/one", OBJECTS[0], "item", True, 1)], held=hold))
    await entered.wait()
    fast = asyncio.create_task(write(database, [FeedWrite("grid/one", OBJECTS[1], "item", True, 1)]))
    elsewhere = asyncio.create_task(write(database, [FeedWrite("grid/two", OBJECTS[2], "item", True, 1)]))
    await elsewhere
    async with database.read() as snapshot:
        assert await feed.heads_of_scope(snapshot, ["grid/one", "grid/two"]) == {"grid/two": 1}
    release.set()
    await asyncio.gather(slow, fast)
    (row,) = await truth.fetch("SELECT id, head FROM stream WHERE key = 'grid/one'")
    async with database.read() as snapshot:
        entries = await feed.entries_after(snapshot, [(row["id"], 0, row["head"], 10)])
    assert [(one["object_id"], one["position"]) for one in entries] == [(OBJECTS[0], 1), (OBJECTS[1], 2)]


async def test_pullers_between_writers_end_with_the_full_picture(database, truth):
    held: dict[UUID, tuple[int, int]] = {}
    cursor, done = 0, asyncio.Event()

    async def pull_once():
        nonlocal cursor
        async with database.read() as snapshot:
            rows = await feed.streams_of_scope(snapshot, ["grid/one"])
            if rows:
                for entry in await feed.entries_after(snapshot, [(rows[0]["id"], cursor, 0, 3)]):
                    held[entry["object_id"]] = (entry["version"], entry["present"])
                    cursor = entry["position"]

    async def puller():
        while not done.is_set():
            await pull_once()

    async def writer(number):
        rng = random.Random(number)
        for version in range(1, 30):
            one = rng.choice(OBJECTS)
            await write(database, [FeedWrite("grid/one", one, "item", True, version * 10 + number)])

    pulling = asyncio.create_task(puller())
    await asyncio.gather(*(writer(number) for number in range(3)))
    done.set()
    await pulling
    for _ in range(20):
        await pull_once()
    rows = await truth.fetch("SELECT object_id, version, present FROM feed")
    assert held == {row["object_id"]: (row["version"], row["present"]) for row in rows}


@pytest.mark.parametrize("present", [True, False])
async def test_an_absence_takes_the_object_out_of_the_digest(database, truth, present):
    await write(database, [FeedWrite("grid/one", OBJECTS[0], "item", True, 1)])
    await write(database, [FeedWrite("grid/one", OBJECTS[0], "item", present, 2)])
    row = (await stream_rows(truth))["grid/one"]
    expected = entry_hash(OBJECTS[0], 2, 0, 0) if present else 0
    assert unsigned64(row["digest"]) == expected


@pytest.mark.parametrize(
    "text", ["1999-12-31 23:59:59.999999+00", "2000-01-01 00:00:00+00", "2026-11-26 08:00:00.000001+08"]
)
async def test_a_time_in_bytes_is_the_time_that_the_database_means(truth, text):
    row = await truth.fetchrow("SELECT timestamptz_send(t) AS sent, t FROM (SELECT $1::text::timestamptz AS t) s", text)
    assert feed.moment(row["sent"]) == row["t"]
    assert feed.moment(None) is None


async def test_values_in_bytes_are_those_that_the_database_holds(truth):
    text = '{"a": [1, null, 2.5], "地址": "明珠路", "b": {}}'
    assert feed.values(await truth.fetchval("SELECT jsonb_send($1::text::jsonb)", text)) == {
        "a": [1, None, 2.5], "地址": "明珠路", "b": {}
    }  # fmt: skip


@pytest.mark.parametrize("name", ["entries_after", "entries_with_hashes", "bodies_of_items"])
async def test_no_table_is_read_whole_to_tell_items(truth, name):
    """Not even by a planner that knows nothing of the tables yet."""
    given = {
        "entries_after": ([1], [0], [0], [10]),
        "entries_with_hashes": ([1], [1]),
        "bodies_of_items": ([UUID(int=1)],),
    }
    plan = "\n".join(row[0] for row in await truth.fetch("EXPLAIN " + feed._telling(name), *given[name]))
    assert "Index Scan using item_pkey" in plan
    assert "Seq Scan" not in plan
