"""Repair over HTTP against the real database: its digests, its hashes, its scope, jumps to the head, and epochs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from schemas.wire import Cursor, ExchangeAnswer, Repair, StreamPage
from server.services import Services
from server.usecases.epochs import begin_epoch
from server.usecases.feeding import FeedWrite, write_feed
from sync import repair
from sync.device import Applied, Device
from sync.feed import to_hex
from sync.framing import Form, decode_answer, encode_request
from tests.builders import GRIDS, MATE, NEIGHBOUR, WORKER, build_city, form, grid_id
from tests.phones import FieldPhone, clock, field_phone

STREAM = f"grid/{grid_id(GRIDS[0])}"
NEXT_DOOR = f"grid/{grid_id(GRIDS[1])}"


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)


@pytest.fixture
async def mate(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    """Who writes what the others hold."""
    return await field_phone(services, app_client, MATE)


async def worker(services: Services, client: httpx.AsyncClient, form: Form = "json") -> FieldPhone:
    return await field_phone(services, client, WORKER, form)


async def houses(phone: FieldPhone, number: int, low: int | None = None) -> list[UUID]:
    """New records in one set; `low`: the last byte of all their ids, so that they share a bucket."""
    ids = [UUID(int=uuid4().int & ~0xFF | low) if low is not None else uuid4() for _ in range(number)]
    for place, item in enumerate(ids):
        filled = form("0102", phone_grid(phone)) | {"unit_no": str(place)}
        phone.device.create_item(item, "0102", phone.capture(phone_grid(phone)), filled, phone_grid(phone))
    phone.seal()
    await phone.sync()
    return ids


def phone_grid(phone: FieldPhone) -> str:
    return GRIDS[1] if phone.device._state.user == NEIGHBOUR.id else GRIDS[0]


async def step(phone: FieldPhone) -> tuple[ExchangeAnswer, Applied]:
    """One exchange in which a repair is no surprise."""
    serial, response = await phone.send()
    assert response.status_code == 200, response.text
    answer = decode_answer(response.content, phone.form)
    return answer, phone.device.apply_answer(serial, answer)


async def heal(phone: FieldPhone) -> list[ExchangeAnswer]:
    answers: list[ExchangeAnswer] = []
    while len(answers) < 20:
        answer, applied = await step(phone)
        answers.append(answer)
        if not applied.again:
            return answers
    pytest.fail("the phone never comes to rest")


def page_of(answer: ExchangeAnswer, stream: str = STREAM) -> StreamPage:
    (page,) = [page for page in answer.streams if page.stream == stream]
    return page


async def ask(phone: FieldPhone, cursors: dict[str, Cursor], repairs: dict[str, Repair]) -> ExchangeAnswer:
    """One exchange of which the device learns nothing."""
    outgoing = phone.device.next_request(clock(), form=phone.form)
    request = replace(outgoing.request, cursors=cursors, repairs=repairs)
    body = encode_request(request, outgoing.sets, phone.form)
    response = await phone.client.post("/v1/exchange", content=body, headers=phone.headers)
    assert response.status_code == 200, response.text
    return decode_answer(response.content, phone.form)


def spoil(device: Device, *, forget: list[UUID], age: list[UUID]) -> None:
    """Memberships that are gone, of an older version, and one that never was."""
    members = device._state.streams[STREAM].members
    for item in forget:
        del members[item]
        del device._state.items[item]
    for item in age:
        members[item] = replace(members[item], version=0, hash=members[item].hash ^ 1)
    members[uuid4()] = replace(next(iter(members.values())), hash=12345)


def holds(phone: FieldPhone) -> dict[str, Any]:
    return {"streams": phone.device.memberships(), "bodies": {one.id: one.fields for one in phone.device.items()}}


@asynccontextmanager
async def counted(services: Services, word: str) -> AsyncIterator[list[str]]:
    """The statements with this word that are sent meanwhile."""
    seen: list[str] = []

    def note(query: Any) -> None:
        if word in query.query:
            seen.append(query.query)

    held = [await services.database.pool.acquire() for _ in range(services.database.pool.get_size())]
    for one in held:
        one.add_query_logger(note)
        await services.database.pool.release(one)
    yield seen
    held = [await services.database.pool.acquire() for _ in range(services.database.pool.get_size())]
    for one in held:
        one.remove_query_logger(note)
        await services.database.pool.release(one)


# Digests that disagree ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "msgpack"])
async def test_a_wrong_stream_is_healed_in_two_trips_with_no_more_than_what_differs(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone, form: Form
) -> None:
    ids = await houses(mate, 30)
    phone = await worker(services, app_client, form)
    await phone.sync()
    spoil(phone.device, forget=ids[:2], age=ids[2:5])
    await houses(mate, 1)
    _, applied = await step(phone)
    assert applied.repaired == [STREAM]
    found, healed = await heal(phone)
    assert (page_of(found).entries, page_of(healed).entries) == ([], [])
    told = page_of(healed).repaired
    assert told is not None
    assert {entry.id for entry in told.entries} == set(ids[:5])
    assert holds(phone)["streams"][STREAM] == holds(mate)["streams"][STREAM]
    assert holds(phone)["bodies"] == holds(mate)["bodies"]
    assert phone.device.mark is not None


async def test_a_bucket_of_many_is_narrowed_down_first(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone
) -> None:
    ids = await houses(mate, repair.LISTED + 10, low=0xA7)
    phone = await worker(services, app_client)
    await phone.sync()
    spoil(phone.device, forget=ids[:1], age=[])
    await houses(mate, 1, low=0xB8)
    await step(phone)
    answers = await heal(phone)
    first, second, third = [page_of(answer).repaired for answer in answers]
    assert (list(first.finer), 0xA7 in first.hashes) == ([0xA7], False)  # type: ignore[union-attr]
    assert all(key >= 256 for key in second.hashes)  # type: ignore[union-attr]
    assert [entry.id for entry in third.entries] == ids[:1]  # type: ignore[union-attr]
    assert holds(phone)["streams"][STREAM] == holds(mate)["streams"][STREAM]


async def test_the_database_computes_the_digests_that_the_device_does(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone
) -> None:
    """Of everything present, and of nothing that is absent."""
    ids = await houses(mate, 40)
    mate.device.delete_item(ids[0], mate.capture())
    mate.seal()
    await mate.sync()
    members = mate.device.memberships()[STREAM]
    digests = repair.digests_of((one, held.hash) for one, held in members.items())
    cursor = {STREAM: Cursor(1, 1)}
    same = await ask(mate, cursor, {STREAM: Repair(buckets=repair.bucket_digests(digests))})
    told = page_of(same).repaired
    assert told is not None
    assert (told.hashes, told.finer) == ({}, {})
    empty = await ask(mate, cursor, {STREAM: Repair(buckets=bytes(2048))})
    told = page_of(empty).repaired
    assert told is not None
    hashes = [one for packed in told.hashes.values() for one in repair.unpack_hashes(packed)]
    assert sorted(hashes) == sorted(held.hash for held in members.values())


async def test_it_takes_a_handful_of_statements_whatever_differs(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone
) -> None:
    await houses(mate, 60)
    wanted = [to_hex(held.hash) for held in mate.device.memberships()[STREAM].values()]
    asked = {key: Repair(buckets=bytes(2048), finer={7: bytes(128)}, want=wanted) for key in (STREAM, f"own/{MATE.id}")}
    async with counted(services, "feed f") as seen:
        answer = await ask(mate, {key: Cursor(1, 1) for key in asked}, asked)
    told = page_of(answer).repaired
    assert told is not None
    assert len(told.entries) == 60
    # Entries after the cursors; erased ones; places; hashes; wanted entries.
    assert len(seen) == 5


@pytest.mark.parametrize("backwards", [False, True])
async def test_what_is_wanted_comes_in_the_order_asked_and_by_the_bytes_of_a_page(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone, backwards: bool
) -> None:
    await houses(mate, 20)
    by_hash = {to_hex(held.hash): one for one, held in mate.device.memberships()[STREAM].items()}
    wanted = sorted(by_hash, key=by_hash.__getitem__, reverse=backwards)
    outgoing = mate.device.next_request(clock(), answer_bytes=2_000)
    request = replace(outgoing.request, repairs={STREAM: Repair(want=["0" * 16, *wanted])})
    response = await mate.client.post("/v1/exchange", content=encode_request(request, [], "json"), headers=mate.headers)
    told = page_of(decode_answer(response.content, "json")).repaired
    assert told is not None
    assert 0 < len(told.entries) < 20
    assert [entry.id for entry in told.entries] == [by_hash[one] for one in wanted[: len(told.entries)]]


# Scope -------------------------------------------------------------------------------------------------------


async def test_of_streams_out_of_scope_nothing_is_told(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone
) -> None:
    neighbour = await field_phone(services, app_client, NEIGHBOUR)
    await houses(neighbour, 3)
    foreign = [to_hex(held.hash) for held in neighbour.device.memberships()[NEXT_DOOR].values()]
    asked = Repair(buckets=bytes(2048), want=foreign)
    answer = await ask(mate, {}, {NEXT_DOOR: asked, STREAM: asked})
    assert (answer.lost, [page.stream for page in answer.streams if page.stream == NEXT_DOOR]) == ([NEXT_DOOR], [])
    told = page_of(answer).repaired
    assert told is not None
    assert (told.entries, told.hashes) == ([], {})


async def test_a_name_that_is_no_stream_is_refused(mate: FieldPhone) -> None:
    outgoing = mate.device.next_request(clock())
    request = replace(outgoing.request, repairs={"grid/ x": Repair()})
    response = await mate.client.post("/v1/exchange", content=encode_request(request, [], "json"), headers=mate.headers)
    assert (response.status_code, response.json()["code"]) == (400, "body_malformed")


# Jumps to the head -------------------------------------------------------------------------------------------


async def test_a_cursor_beyond_the_head_jumps_there_without_entries(mate: FieldPhone) -> None:
    await houses(mate, 5)
    stream = mate.device._state.streams[STREAM]
    head = stream.cursor
    assert head is not None
    stream.cursor = Cursor(head.position + 7, 0)
    answer, applied = await step(mate)
    page = page_of(answer)
    assert (page.reset, page.entries, page.cursor) == (True, [], Cursor(head.position, head.position))
    assert (applied.again, applied.repaired, len(mate.device.items())) == (False, [], 5)


async def test_over_a_jump_it_is_told_what_was_erased(
    services: Services, mate: FieldPhone, truth: asyncpg.Connection
) -> None:
    erased, *_ = await houses(mate, 3)
    absence = [FeedWrite(STREAM, erased, "item", False, 1)]
    await services.database.write(lambda tx: write_feed(tx, absence))
    await truth.execute("UPDATE item SET erased_at = now(), deleted = true WHERE id = $1", erased)
    mate.device._state.streams[STREAM].cursor = Cursor(10_000, 0)
    answer, _ = await step(mate)
    assert [(entry.id, entry.erased) for entry in page_of(answer).entries] == [(erased, True)]
    assert erased in mate.device._state.erased


# Epochs ------------------------------------------------------------------------------------------------------


async def another_epoch(services: Services) -> None:
    await services.database.write(lambda tx: begin_epoch(tx, "restored", "of the test"))


async def test_a_new_epoch_costs_a_comparison_and_no_fill(services: Services, mate: FieldPhone) -> None:
    await houses(mate, 20)
    before = holds(mate)
    await another_epoch(services)
    first, applied = await step(mate)
    assert (first.streams, first.gained, first.lost, applied.new_epoch) == ([], [], [], True)
    compared, applied = await step(mate)
    assert [page.entries for page in compared.streams] == [[]] * len(compared.streams)
    assert (compared.gained, compared.lost, page_of(compared).reset, applied.again) == ([], [], True, False)
    assert (holds(mate), mate.device.acknowledged, mate.device.repairs) == (before, 1, 0)


async def test_what_the_restored_database_lacks_comes_back_by_its_numbers_or_as_salvage(
    services: Services, app_client: httpx.AsyncClient, mate: FieldPhone, truth: asyncpg.Connection
) -> None:
    """What the phone itself wrote after the backup it sends again; what a phone wrote that never returns, it brings."""
    (house,) = await houses(mate, 1)
    gone, phone = await field_phone(services, app_client, MATE), await worker(services, app_client)
    await gone.sync()
    await phone.sync()
    await back_up(truth)
    phone.edit(house, rooms_let=3)
    phone.seal()
    (alone,) = await houses(gone, 1)
    await phone.sync()
    before = holds(phone)["bodies"]
    await restore(truth)
    await another_epoch(services)
    answers = await heal(phone)
    assert len(answers) == 3
    assert holds(phone)["bodies"] == {house: before[house]}
    saved = await truth.fetch("SELECT item_id, item_version FROM quarantine WHERE outcome = 'salvaged'")
    assert [tuple(row) for row in saved] == [(alone, 1)]
    await heal(mate)
    assert phone.device.memberships()[STREAM] == mate.device.memberships()[STREAM]
    assert mate.device.visible(house) == phone.device.visible(house)


# The whole database, put aside and brought back under a running server.
_COLUMNS = """
SELECT table_name, string_agg(quote_ident(column_name), ', ') AS columns
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'
GROUP BY table_name
"""
# They would ask for one order of the tables.
_REFERENCES = """
SELECT conrelid::regclass::text AS owner, quote_ident(conname) AS name FROM pg_constraint WHERE contype = 'f'
"""


async def back_up(truth: asyncpg.Connection) -> None:
    await truth.execute("CREATE SCHEMA backup")
    for row in await truth.fetch(_COLUMNS):
        await truth.execute(f'CREATE TABLE backup."{row["table_name"]}" AS TABLE public."{row["table_name"]}"')


async def restore(truth: asyncpg.Connection) -> None:
    rows = await truth.fetch(_COLUMNS)
    async with truth.transaction():
        for row in await truth.fetch(_REFERENCES):
            await truth.execute(f"ALTER TABLE {row['owner']} DROP CONSTRAINT {row['name']}")
        for row in rows:
            await truth.execute(f'ALTER TABLE public."{row["table_name"]}" DISABLE TRIGGER USER')
        await truth.execute("TRUNCATE " + ", ".join(f'public."{row["table_name"]}"' for row in rows))
        for row in rows:
            await truth.execute(
                f'INSERT INTO public."{row["table_name"]}" ({row["columns"]}) OVERRIDING SYSTEM VALUE'
                f' SELECT {row["columns"]} FROM backup."{row["table_name"]}"'
            )
        for row in rows:
            await truth.execute(f'ALTER TABLE public."{row["table_name"]}" ENABLE TRIGGER USER')
