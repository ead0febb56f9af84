"""Pages of any size over streams with and without holes: nothing is left out, and hardly more is read than is told."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from schemas.wire import Cursor
from server.db import feed
from server.usecases.entries import size_of
from server.usecases.feeding import FeedWrite, write_feed
from server.usecases.pull import pull
from server.usecases.waiting import Start, read_waiting
from sync.framing import decode_answer, encode_answer
from tests.unit.device_answers import answer

SCOPE = ["grid/empty", "grid/full", "grid/holes", "grid/never", "own/few"]
FULL = 400


async def fill(services, seed):
    """One stream with many objects, one whose few objects moved on often, one with little, two that were never used."""
    rng = random.Random(seed)
    objects = [UUID(int=rng.getrandbits(128)) for _ in range(FULL)]
    writes = [[FeedWrite("grid/full", one, "item", True, 1) for one in objects]]
    writes += [[FeedWrite("grid/holes", rng.choice(objects[:9]), "item", rng.random() < 0.7, n)] for n in range(1, 120)]
    writes += [[FeedWrite("own/few", one, "notice", True, 1) for one in objects[:3]]]
    for some in writes:
        await services.database.write(lambda tx, some=some: write_feed(tx, some))


async def pulled(services, cursors, max_bytes):
    async with services.database.read() as connection:
        told = await pull(
            connection, services, scope=SCOPE, epoch="e1", directives=[], cursors=cursors, repairs={}, form="msgpack",
            max_bytes=max_bytes,
        )  # fmt: skip
    return decode_answer(encode_answer(answer(*told.pages, more=told.more), "msgpack"), "msgpack")


@pytest.mark.parametrize("max_bytes", [1, 900, 7_000, 1_000_000])
async def test_every_page_size_ends_with_all_that_is_there(services, truth, max_bytes):
    await fill(services, "waiting")
    cursors, found, pages = {}, {}, 0
    while True:
        came = await pulled(services, cursors, max_bytes)
        for page in came.streams:
            assert page.more or page.digest
            cursors[page.stream] = page.cursor
            found.setdefault(page.stream, []).extend(entry.position for entry in page.entries)
        pages += 1
        if not came.more:
            break
        assert any(page.entries for page in came.streams), "every answer moves on"
    there = await truth.fetch(
        "SELECT s.key, array_agg(f.position ORDER BY f.position) AS positions, max(s.head) AS head "
        "FROM stream s JOIN feed f ON f.stream_id = s.id AND f.present GROUP BY s.key"
    )
    assert {key: positions for key, positions in found.items() if positions} == {
        row["key"]: row["positions"] for row in there
    }
    assert cursors == {key: Cursor() for key in SCOPE} | {row["key"]: Cursor(row["head"], row["head"]) for row in there}
    assert pages == 1 or max_bytes < 1_000_000


@pytest.mark.parametrize("max_bytes", [900, 7_000, 20_000])
async def test_no_more_is_read_than_fits(services, max_bytes):
    await fill(services, "fits")
    async with services.database.read() as connection:
        streams = await feed.streams_of_scope(connection, SCOPE)
        starts = [Start(row, Cursor(0, row["head"]), False, True, None) for row in streams]
        waiting = await read_waiting(connection, services, starts, "msgpack", max_bytes)
    read, largest = (
        sum(size_of(one.entries) for one in waiting),
        max(len(e.raw) for one in waiting for e in one.entries),
    )
    assert max_bytes <= read < 1.1 * max_bytes + 3 * largest
    assert not waiting[0].whole
