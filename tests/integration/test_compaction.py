"""Compaction: old absences go, phones that were away longer compare instead, and nobody who is filling is disturbed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import httpx
import pytest

from schemas.wire import ExchangeAnswer
from server.services import Services
from server.settings import Settings, SettingsError
from server.usecases.compaction import compact
from server.usecases.feeding import FeedWrite, write_feed
from sync.framing import decode_answer
from tests.builders import GRIDS, MATE, WORKER, build_city, form, grid_id
from tests.phones import FieldPhone, field_phone

STREAM = f"grid/{grid_id(GRIDS[0])}"
AGED = "UPDATE feed SET absent_since = absent_since - interval '46 days' WHERE NOT present"


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)


@pytest.fixture
async def mate(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    return await field_phone(services, app_client, MATE)


async def houses(phone: FieldPhone, number: int) -> None:
    for place in range(number):
        phone.create("0102", form("0102") | {"unit_no": str(place)})
    phone.seal()
    await phone.sync()


async def leave_absences(services: Services, number: int) -> None:
    """What once was in the stream and no longer is."""
    writes = [FeedWrite(STREAM, uuid4(), "item", False, 2) for _ in range(number)]
    await services.database.write(lambda tx: write_feed(tx, writes))


async def step(phone: FieldPhone, answer_bytes: int | None = None) -> tuple[ExchangeAnswer, bool]:
    """One exchange; whether another is to follow. Repairs are allowed."""
    serial, response = await phone.send(answer_bytes)
    answer = decode_answer(response.content, phone.form)
    return answer, phone.device.apply_answer(serial, answer).again


async def stream_row(truth: asyncpg.Connection) -> asyncpg.Record:
    row = await truth.fetchrow("SELECT * FROM stream WHERE key = $1", STREAM)
    assert row is not None
    return row


async def test_old_absences_go_and_the_floor_rises(
    services: Services, mate: FieldPhone, truth: asyncpg.Connection
) -> None:
    await houses(mate, 3)
    await leave_absences(services, 5)
    await truth.execute(AGED)
    await leave_absences(services, 2)
    before = await stream_row(truth)
    assert await compact(services) == 5
    after = await stream_row(truth)
    assert (after["head"], after["digest"]) == (before["head"], before["digest"])
    assert (before["gc_floor"], after["gc_floor"]) == (0, 8)
    kept = await truth.fetch("SELECT position, present FROM feed WHERE stream_id = $1", after["id"])
    assert sorted(tuple(row) for row in kept) == [(1, True), (2, True), (3, True), (9, False), (10, False)]
    assert await compact(services) == 0
    assert (await stream_row(truth))["gc_floor"] == 8


async def test_an_absence_is_as_old_as_its_last_leaving(services: Services, truth: asyncpg.Connection) -> None:
    one = uuid4()

    async def write(present: bool) -> None:
        await services.database.write(lambda tx: write_feed(tx, [FeedWrite(STREAM, one, "item", present, 1)]))

    await write(False)
    await truth.execute(AGED)
    await write(True)
    assert await truth.fetchval("SELECT absent_since FROM feed") is None
    assert await compact(services) == 0
    await write(False)
    assert await compact(services) == 0
    assert await compact(services, datetime.now(UTC) + timedelta(days=46)) == 1


async def test_more_than_fits_into_one_transaction(services: Services, truth: asyncpg.Connection) -> None:
    await leave_absences(services, 2_300)
    await truth.execute(AGED)
    assert await compact(services) == 2_300
    assert (await stream_row(truth))["gc_floor"] == 2_300


async def test_a_first_fill_goes_on_while_the_feed_is_compacted(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone, truth: asyncpg.Connection
) -> None:
    """The floor passes the position of its cursor, never the head at which its fill began."""
    for _ in range(3):
        await houses(mate, 4)
        await leave_absences(services, 3)
    await truth.execute(AGED)
    fresh = await field_phone(services, app_client, WORKER)
    answer, again = await step(fresh, answer_bytes=1_000)
    (page,) = [page for page in answer.streams if page.stream == STREAM]
    assert await compact(services) == 9
    floor = (await stream_row(truth))["gc_floor"]
    assert page.cursor.position < floor <= page.cursor.fill
    resets: list[bool] = []
    while again:
        answer, again = await step(fresh, answer_bytes=1_000)
        resets += [page.reset for page in answer.streams]
    assert resets.count(True) == 0
    assert len(resets) > 3
    await mate.sync()
    assert fresh.device.memberships()[STREAM] == mate.device.memberships()[STREAM]
    assert fresh.device.repairs == 0


async def test_who_was_away_for_longer_is_told_to_compare(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone, truth: asyncpg.Connection
) -> None:
    await houses(mate, 4)
    away = await field_phone(services, app_client, WORKER)
    await away.sync()
    gone = sorted(away.device.memberships()[STREAM])[0]
    leaving = [FeedWrite(STREAM, gone, "item", False, 1)]
    await services.database.write(lambda tx: write_feed(tx, leaving))
    await truth.execute(AGED)
    assert await compact(services) == 1
    answer, again = await step(away)
    assert [page.reset for page in answer.streams if page.stream == STREAM] == [True]
    while again:
        _, again = await step(away)
    assert gone not in away.device.memberships()[STREAM]
    assert len(away.device.memberships()[STREAM]) == 3


async def test_whose_cursor_is_above_the_floor_is_not(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone, truth: asyncpg.Connection
) -> None:
    await leave_absences(services, 3)
    await houses(mate, 2)
    near = await field_phone(services, app_client, WORKER)
    await near.sync()
    await truth.execute(AGED)
    assert await compact(services) == 3
    await houses(mate, 1)
    (answer, *_) = await near.sync()
    assert [page.reset for page in answer.streams] == [False]


async def test_what_is_left_of_an_erased_item_stays(
    services: Services, mate: FieldPhone, truth: asyncpg.Connection
) -> None:
    await houses(mate, 1)
    await truth.execute("UPDATE item SET erased_at = now(), deleted = true")
    item = await truth.fetchval("SELECT id FROM item")
    await services.database.write(lambda tx: write_feed(tx, [FeedWrite(STREAM, item, "item", False, 2)]))
    await leave_absences(services, 2)
    await truth.execute(AGED)
    assert await compact(services) == 2
    assert await truth.fetch("SELECT object_id FROM feed WHERE NOT present") == [(item,)]


async def test_writers_and_compaction_take_turns(services: Services, truth: asyncpg.Connection) -> None:
    await leave_absences(services, 200)
    await truth.execute(AGED)
    writing = [leave_absences(services, 1) for _ in range(20)]
    done = await asyncio.gather(compact(services), *writing)
    assert done[0] == 200
    row = await stream_row(truth)
    assert (row["head"], row["gc_floor"]) == (220, 200)
    assert await truth.fetchval("SELECT count(DISTINCT position) FROM feed") == 20


def test_absences_are_kept_for_longer_than_the_offline_lease(environ: dict[str, str]) -> None:
    lease = {"ONEGRID_OFFLINE_LEASE_DAYS": "45"}
    with pytest.raises(SettingsError, match="ONEGRID_ABSENCE_DAYS has to be more than ONEGRID_OFFLINE_LEASE_DAYS"):
        Settings.from_env(environ | lease)
    assert Settings.from_env(environ | lease | {"ONEGRID_ABSENCE_DAYS": "46"}).absence_days == 46
