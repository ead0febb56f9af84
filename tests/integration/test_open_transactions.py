"""Transactions that stay open: whatever commits between two statements of somebody else's, no reader skips an entry.

An exchange is stopped before each of its statements in turn, those of the push, its commit, and those of the pull.
While it stands there other phones read, push to other streams, which never waits, and push to the same ones, which may.
Once it has gone on everybody converges, without a single comparison being asked for.

Breakages seen red: positions drawn from a sequence, without the stream's lock; the pull under READ COMMITTED; the floor
held against the position alone; a cursor that forgets its fill; compaction that does not raise the floor.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import httpx
import pytest

from schemas.wire import ExchangeAnswer
from server.services import Services
from server.usecases.compaction import compact
from server.usecases.exchange import exchange
from server.usecases.sessions import Caller
from sync.device import Device
from sync.framing import decode_answer, encode_answer, encode_request
from tests.builders import CHIEF, GRIDS, MATE, NEIGHBOUR, WEST_WORKER, WORKER, build_city, form, grid_id, point
from tests.phones import FieldPhone, clock, field_phone
from tests.proof.crash_checks import effects_are_single
from tests.proof.halting import COMMIT, Halt, halting

pytestmark = pytest.mark.long

PATIENCE = 30.0
STREAMS = {code: f"grid/{grid_id(code)}" for code in GRIDS}
SHARES = 4
PAGE = 1_000
# Old absences alone: what left the stream before position $1.
AGED = "UPDATE feed SET absent_since = absent_since - interval '46 days' WHERE NOT present AND position <= $1"


class Town(NamedTuple):
    """Phones in a city, and the database behind it. `reading`: second phones of two of them, which never write."""

    services: Services
    truth: asyncpg.Connection
    writer: FieldPhone
    mate: FieldPhone
    chief: FieldPhone
    neighbour: FieldPhone
    west: FieldPhone
    reading: tuple[FieldPhone, ...]

    @property
    def phones(self) -> list[FieldPhone]:
        return [self.writer, self.mate, self.chief, self.neighbour, self.west, *self.reading]


@pytest.fixture
async def town(services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> Town:
    await build_city(services)
    people = (WORKER, MATE, CHIEF, NEIGHBOUR, WEST_WORKER, MATE, CHIEF)
    forms = ("json", "msgpack", "json", "json", "msgpack", "json", "msgpack")
    phones = [
        await field_phone(services, app_client, person, form)  # type: ignore[arg-type]
        for person, form in zip(people, forms, strict=True)
    ]
    return Town(services, truth, *phones[:5], reading=tuple(phones[5:]))


def house(phone: FieldPhone, name: str, grid: str = GRIDS[0]) -> UUID:
    """A new dwelling in the draft; no two have the same address."""
    return phone.create("0102", form("0102", grid) | {"address": name}, grid)


async def at_rest(*phones: FieldPhone) -> None:
    """Everybody sends and pulls, and then pulls what the others sent."""
    for _ in range(2):
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(phone.sync() for phone in phones))


async def full_pull(phone: FieldPhone) -> FieldPhone:
    """What a phone of the same person holds that has pulled everything from zero."""
    catalogue = phone.device.next_request(clock()).request.catalogue
    fresh = Device.enrolled(phone.device_id, phone.device_id, catalogue, 1)
    again = FieldPhone(phone.client, fresh, phone.device_id, "", phone.form)
    again.headers = phone.headers
    await again.sync()
    return again


async def check(town: Town, phones: Sequence[FieldPhone]) -> None:
    """I3 and I6: what was pulled piece by piece is what a full pull gives, and what the items themselves say."""
    for phone in phones:
        whole = await full_pull(phone)
        assert phone.device.memberships() == whole.device.memberships()
        assert [*map(shown, phone.device.items())] == [*map(shown, whole.device.items())]
        assert phone.device.repairs == whole.device.repairs == 0
        for code, stream in STREAMS.items():
            held = phone.device.memberships().get(stream)
            if held is not None:
                versions = {one: member.version for one, member in held.items()}
                assert versions == await items_of(town.truth, code)


def shown(item: Any) -> tuple[Any, ...]:
    return item.id, item.version, item.code, item.fields


async def items_of(truth: asyncpg.Connection, code: str) -> dict[UUID, int]:
    """The items of a grid's stream, told from the items."""
    rows = await truth.fetch(
        "SELECT id, version FROM item WHERE grid_id = $1 AND stream_class = 'grid' AND NOT deleted", grid_id(code)
    )
    return {row["id"]: row["version"] for row in rows}


# A writer that stands ------------------------------------------------------------------------------------------------


async def prepare(town: Town, stop: int) -> list[UUID]:
    """Three dwellings that everybody of the first grid holds: to be edited, moved and deleted."""
    made = [house(town.mate, f"{stop} {name}") for name in ("edited", "moved", "deleted")]
    town.mate.seal()
    await at_rest(*town.phones)
    return made


def write_everything(phone: FieldPhone, stop: int, made: Sequence[UUID]) -> None:
    """A set that needs every statement of a push: all operations, a twin, a case, and what is not allowed."""
    edited, moved, deleted = made
    phone.edit(edited, owner_name="张三")
    phone.edit(moved, location=point(GRIDS[1]))
    phone.device.delete_item(deleted, phone.capture())
    house(phone, f"{stop} new")
    phone.create("0102", form("0102") | {"address": f"{stop} edited"})
    phone.create("0401", form("0401"))
    phone.create("0102", form("0102", GRIDS[2]), GRIDS[2])
    phone.seal()
    house(phone, f"{stop} second set")
    phone.seal()


async def exchange_by_hand(services: Services, phone: FieldPhone, outgoing: Any) -> ExchangeAnswer:
    """What the route does, with services of one's own."""
    caller = Caller(user_id=WORKER.id, name="", kind="device", assignments=(), device_id=phone.device_id)
    answer = await exchange(services, caller, outgoing.request, outgoing.sets, phone.form)
    return decode_answer(encode_answer(answer, phone.form), phone.form)


async def send_twice(phone: FieldPhone, outgoing: Any) -> ExchangeAnswer:
    """The same request over the wire, by a phone that believes that the first one was lost."""
    body = encode_request(outgoing.request, outgoing.sets, phone.form)
    response = await phone.client.post("/v1/exchange", content=body, headers=phone.headers)
    assert response.status_code == 200, response.text
    return decode_answer(response.content, phone.form)


async def wait_for_locks(truth: asyncpg.Connection, tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Until each task has ended, or stands in the database behind somebody's lock."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(PATIENCE):
        while await truth.fetchval(asked) < sum(not task.done() for task in tasks):
            pass


def write_beside(town: Town, stop: int, made: Sequence[UUID]) -> None:
    """What others write about the same items, and about others in the same streams."""
    edited, moved, _ = made
    town.mate.edit(edited, owner_phone="13855010001")
    house(town.mate, f"{stop} mate")
    town.chief.edit(moved, rooms_let=stop % 9 + 1)
    house(town.chief, f"{stop} chief", GRIDS[1])
    house(town.neighbour, f"{stop} neighbour", GRIDS[1])
    for phone in (town.mate, town.chief, town.neighbour):
        phone.seal()


async def others_go_on(town: Town, stop: int, made: Sequence[UUID]) -> list[asyncio.Task[Any]]:
    """Who only reads, or writes elsewhere, is done before this returns; who writes to the same streams may wait."""
    write_beside(town, stop, made)
    house(town.west, f"{stop} west", GRIDS[2])
    town.west.seal()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(town.west.sync(), *(phone.sync() for phone in town.reading))
    pushing = [asyncio.create_task(phone.sync()) for phone in (town.mate, town.chief, town.neighbour)]
    await wait_for_locks(town.truth, pushing)
    assert await effects_are_single(town.truth) == []
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(phone.sync() for phone in town.reading))
    return pushing


async def stand_before(town: Town, stop: int) -> Halt:
    """One exchange that stands before its statement number `stop`, and everything that happens around it."""
    made = await prepare(town, stop)
    write_everything(town.writer, stop, made)
    outgoing = town.writer.device.next_request(clock(), form=town.writer.form)
    halt = Halt(stop)
    standing = asyncio.create_task(exchange_by_hand(halting(town.services, halt), town.writer, outgoing))
    try:
        if await halt.stands_or(standing):
            print(f"stands before {stop}: {halt.passed[-1]}")
            beside = await others_go_on(town, stop, made)
            second = asyncio.create_task(send_twice(town.writer, outgoing))
            await wait_for_locks(town.truth, [*beside, second])
            halt.let_go.set()
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*beside)
                assert (await second).receipts == (await standing).receipts
    finally:
        halt.let_go.set()
    applied = town.writer.device.apply_answer(outgoing.serial, await standing)
    assert applied.repaired == []
    assert applied.receipts == 2
    return halt


@pytest.mark.parametrize("share", range(SHARES))
async def test_nobody_skips_an_entry_while_a_writer_stands_before_any_of_its_statements(town: Town, share: int) -> None:
    """Each share takes every fourth statement."""
    stop, stood = share + 1, True
    passed: list[str] = []
    while stood:
        halt = await stand_before(town, stop)
        await at_rest(*town.phones)
        await check(town, town.phones)
        stop, stood, passed = stop + SHARES, halt.reached.is_set(), halt.passed
    assert passed.count("keep_change_set") == passed.count(COMMIT) == 2
    stored = {"insert_new_items", "update_items", "insert_revisions", "insert_quarantine"}
    written = {"lock_counter", "lock_items_wholly", "lock_streams", "begin_feed", "write_feed", "note_exchange"}
    read = {"streams_of_scope", "entries_after", "read_counter"}
    assert stored | written | read <= set(passed)


# Reading page by page ------------------------------------------------------------------------------------------------


async def page(phone: FieldPhone) -> tuple[ExchangeAnswer, bool]:
    """One small page; whether another is to follow."""
    answer, applied = phone.apply(*await phone.send(PAGE))
    return answer, applied.again


async def ten_houses(town: Town) -> list[UUID]:
    made = [house(town.mate, f"house {number}") for number in range(10)]
    town.mate.seal()
    made += [house(town.chief, f"house {number}", GRIDS[1]) for number in range(10, 20)]
    town.chief.seal()
    await at_rest(town.mate, town.chief)
    return made


@pytest.mark.parametrize("seed", range(3))
async def test_a_stream_is_rewritten_between_its_pages(town: Town, seed: int) -> None:
    """Entries that were given and entries that were not move to the head, to the other stream, or leave."""
    rng = random.Random(seed)
    await ten_houses(town)
    reader, pages, again = town.reading[1], 0, True
    while again:
        _, again = await page(reader)
        pages += 1
        if pages <= 25:
            rewrite(town.chief, rng, pages)
            await town.chief.sync()
    assert pages > 10
    await at_rest(*town.phones)
    await check(town, town.phones)


def rewrite(phone: FieldPhone, rng: random.Random, turn: int) -> None:
    """Somebody edits, moves, deletes and makes dwellings of both grids."""
    houses = [one for one in phone.device.items() if one.type == "0102"]
    edited, moved, deleted = rng.sample(houses, 3)
    phone.edit(edited.id, rooms_let=turn)
    phone.edit(moved.id, location=point(rng.choice(GRIDS[:2])))
    if turn % 3 == 0:
        phone.device.delete_item(deleted.id, phone.capture())
    house(phone, f"turn {turn}", rng.choice(GRIDS[:2]))
    phone.seal()


async def floor_of(truth: asyncpg.Connection) -> int:
    return await truth.fetchval("SELECT gc_floor FROM stream WHERE key = $1", STREAMS[GRIDS[0]])


async def leave(phone: FieldPhone, *items: UUID) -> None:
    for item in items:
        phone.device.delete_item(item, phone.capture())
    phone.seal()
    await phone.sync()


@pytest.mark.parametrize("kept_long_enough", [True, False])
async def test_a_first_fill_goes_on_while_its_stream_is_compacted(town: Town, kept_long_enough: bool) -> None:
    """What left before the fill began goes at once and disturbs nobody. What left since then may not go unnoticed: a
    phone that is so slow that it does is told that its cursor is too old."""
    made = await ten_houses(town)
    await leave(town.mate, *made[:2])
    more = [house(town.mate, f"late {number}") for number in range(6)]
    town.mate.seal()
    await town.mate.sync()
    reader = town.reading[0]
    fill = await town.truth.fetchval("SELECT head FROM stream WHERE key = $1", STREAMS[GRIDS[0]])
    await page(reader)
    leaving, resets = iter([*made[2:6], *more]), 0
    for gone in leaving:
        await leave(town.mate, gone)
        await town.truth.execute(AGED, fill if kept_long_enough else 2**40)
        await compact(town.services)
        answer, again = await page(reader)
        resets += sum(one.reset for one in answer.streams)
    while again:
        answer, again = await page(reader)
        resets += sum(one.reset for one in answer.streams)
    assert (await floor_of(town.truth) > fill) is not kept_long_enough
    assert bool(resets) is not kept_long_enough
    await at_rest(*town.phones)
    await check(town, town.phones)


TAKEN = "UPDATE assignment SET valid_to = now() WHERE user_id = $1 AND grid_id = $2 AND valid_to IS NULL"
GIVEN = "INSERT INTO assignment (user_id, role, grid_id) VALUES ($1, 'grid_chief', $2)"


@pytest.mark.parametrize("absent", [0, 1, 3])
@pytest.mark.parametrize("after", [1, 4, 8])
async def test_a_grid_is_taken_away_and_given_again_between_pages(town: Town, after: int, absent: int) -> None:
    """`absent`: for how many pages it is without the grid.

    If it gets it back before it has noticed, or while it still fills another one, it goes on where it was.
    """
    await ten_houses(town)
    reader, stream = town.reading[1], STREAMS[GRIDS[1]]
    for _ in range(after):
        await page(reader)
    await town.truth.execute(TAKEN, CHIEF.id, grid_id(GRIDS[1]))
    for turn in range(absent + 1):
        await move_and_edit(town, turn)
        if turn == absent:
            await town.truth.execute(GIVEN, CHIEF.id, grid_id(GRIDS[1]))
        held = stream in reader.device.memberships()
        answer, again = await page(reader)
        assert (stream in answer.lost) == (turn < absent and held)
        assert (stream in answer.gained) == (turn == absent and not held)
    while again:
        _, again = await page(reader)
    await at_rest(*town.phones)
    await check(town, town.phones)


async def move_and_edit(town: Town, turn: int) -> None:
    """In the grid that is taken away something is edited; something comes into it from the other one."""
    await town.neighbour.sync()
    mine = [one for one in town.neighbour.device.items() if one.type == "0102"]
    town.neighbour.edit(mine[turn].id, rooms_let=turn + 1)
    town.neighbour.seal()
    await town.neighbour.sync()
    await town.mate.sync()
    theirs = [one for one in town.mate.device.items() if one.type == "0102"]
    town.mate.edit(theirs[turn].id, location=point(GRIDS[1]))
    town.mate.seal()
    await town.mate.sync()
