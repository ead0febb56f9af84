"""Polls that memory answers: without the database, never later than it may be, and not at all where it is not sure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.db.live import Sweep
from server.memory import Memory, Session, keeper
from server.memory import memory as memory_module
from server.sealing import token_hash
from server.settings import Settings
from server.usecases.feeding import FeedWrite, write_feed
from tests.builders import GRIDS, MATE, WORKER, build_city, form, grid_id
from tests.integration.live_scene import (
    Process,
    from_memory,
    process,
    swept,
    until,
    until_answered_from_memory,
    until_answered_otherwise,
)
from tests.phones import FieldPhone, field_phone

STREAM = f"grid/{grid_id(GRIDS[0])}"
MOVED_BEHIND = "UPDATE stream SET head = head + 1, stirred = pg_current_xact_id() WHERE key = $1"
MEMORIES = "FROM pg_stat_activity WHERE application_name = 'onegrid memory' AND datname = current_database()"


@pytest.fixture
async def here(settings_of_test: Settings) -> AsyncIterator[Process]:
    async with process(settings_of_test) as one:
        await build_city(one.services)
        yield one


@pytest.fixture
async def phone(here: Process) -> FieldPhone:
    return await field_phone(here.services, here.client, WORKER)


@pytest.fixture
async def mark(phone: FieldPhone) -> str:
    """The mark of a phone that holds everything, in a city with something in it."""
    phone.create("0102", form("0102"))
    phone.seal()
    last = (await phone.sync())[-1].mark
    assert last is not None
    return last


async def test_the_second_poll_needs_no_database(here: Process, phone: FieldPhone, mark: str) -> None:
    await until_answered_from_memory(here, phone, mark)
    async with AsyncExitStack() as held:
        for _ in range(here.services.settings.db_pool_size):
            await held.enter_async_context(here.services.database.pool.acquire())
        async with asyncio.timeout(5):
            assert from_memory(await here.poll(phone, mark))


async def test_it_is_two_hundred_bytes_with_its_question(here: Process, phone: FieldPhone, mark: str) -> None:
    await until_answered_from_memory(here, phone, mark)
    question = (
        f"GET /v1/exchange?mark={mark} HTTP/1.1\r\nHost: grid.chuzhou.example\r\n"
        f"Authorization: {phone.headers['Authorization']}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(question)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert len(question) + len(answer) <= 200, answer


async def test_another_mark_or_token_is_not_answered_from_memory(here: Process, phone: FieldPhone, mark: str) -> None:
    await until_answered_from_memory(here, phone, mark)
    other = ("A" if mark[0] != "A" else "B") + mark[1:]
    assert (await here.poll(phone, other)).json() == {"changed": True}
    phone.headers["Authorization"] = "Bearer " + "x" * 22
    assert (await here.poll(phone, mark)).status_code == 401


async def test_what_this_process_commits_is_news_at_once(here: Process, phone: FieldPhone, mark: str) -> None:
    await until_answered_from_memory(here, phone, mark)
    access, write = phone.headers["Authorization"].removeprefix("Bearer "), FeedWrite(STREAM, uuid4(), "item", False, 1)
    await here.services.database.write(lambda tx: write_feed(tx, [write]))
    # No nudge can have come back yet.
    assert not here.services.memory.nothing_new(token_hash(access), mark)
    assert (await here.poll(phone, mark)).json() == {"changed": True}


async def test_what_another_process_commits_is_news_within_two_seconds(
    here: Process, phone: FieldPhone, mark: str, settings_of_test: Settings
) -> None:
    async with process(settings_of_test) as there:
        mate = await field_phone(there.services, there.client, MATE)
        await until_answered_from_memory(here, phone, mark)
        await until_answered_from_memory(there, phone, mark)
        mate.create("0102", form("0102"))
        mate.seal()
        await mate.send()
        await until_answered_otherwise(here, phone, mark)
        for one in (here, there):
            assert (await one.poll(phone, mark)).json() == {"changed": True}


async def test_a_lost_nudge_only_delays(here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection) -> None:
    await until_answered_from_memory(here, phone, mark)
    await truth.execute(MOVED_BEHIND, STREAM)
    await until_answered_otherwise(here, phone, mark)


async def test_a_stream_that_begins_is_news(
    here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection
) -> None:
    await truth.execute("DELETE FROM feed")
    await truth.execute("DELETE FROM stream")
    await truth.execute(f"SELECT pg_terminate_backend(pid) {MEMORIES}")
    empty = (await phone.sync())[-1].mark
    await until_answered_from_memory(here, phone, empty)
    await truth.execute("INSERT INTO stream (key, head) VALUES ($1, 1)", STREAM)
    await until_answered_otherwise(here, phone, empty)


async def test_what_was_in_flight_while_others_committed_is_not_passed_over(
    here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection, database_url: str
) -> None:
    """Its transaction is older than some that were seen long before it committed."""
    slow = await asyncpg.connect(database_url)
    await slow.execute("BEGIN")
    await slow.execute(MOVED_BEHIND, STREAM)
    await until_answered_from_memory(here, phone, mark)
    for number in range(3):
        await truth.execute("INSERT INTO stream (key, head) VALUES ($1, 1)", f"grid/{uuid4()}")
        await swept(here)
        assert from_memory(await here.poll(phone, mark)), number
    await slow.execute("COMMIT")
    await slow.close()
    await until_answered_otherwise(here, phone, mark)


# Sign-ins --------------------------------------------------------------------------------------------------

STIRRED = {
    "the device is revoked": "UPDATE device SET revoked_at = now() WHERE user_id = $1",
    "the sign-in ends": "UPDATE session SET ended_at = now() WHERE user_id = $1",
    "the token is replaced": "UPDATE session SET access_hash = 'another' WHERE user_id = $1",
    "the token expires early": "UPDATE session SET access_expires_at = now() WHERE user_id = $1",
    "he leaves": "UPDATE users SET left_at = now() WHERE id = $1",
    "his assignment ends": "UPDATE assignment SET valid_to = now() WHERE user_id = $1",
    "his assignment is deleted": "DELETE FROM assignment WHERE user_id = $1",
    "he is assigned to more": f"INSERT INTO assignment (user_id, role, grid_id) VALUES ($1, 'grid_worker', '{grid_id(GRIDS[1])}')",  # noqa: E501
    "his device is asked to do something": """
        INSERT INTO directive (id, device_id, kind, reason, created_by)
        SELECT gen_random_uuid(), id, 'update_app', 'old', user_id FROM device WHERE user_id = $1
    """,
}


@pytest.mark.parametrize("statement", STIRRED.values(), ids=STIRRED)
async def test_no_process_says_nothing_new_for_long_after(
    here: Process, phone: FieldPhone, mark: str, settings_of_test: Settings, truth: asyncpg.Connection, statement: str
) -> None:
    async with process(settings_of_test) as there:
        for one in (here, there):
            await until_answered_from_memory(one, phone, mark)
        await truth.execute(statement, WORKER.id)
        took = await asyncio.gather(*(until_answered_otherwise(one, phone, mark) for one in (here, there)))
        print(f"obeyed after {took[0]:.2f} s and {took[1]:.2f} s")
        for one in (here, there):
            answer = await one.poll(phone, mark)
            assert answer.status_code == 401 or answer.json() == {"changed": True}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO epoch (id, reason) VALUES ('another', 'restored')",
        "INSERT INTO registry_version (version, note) VALUES (99, 'published')",
    ],
)
async def test_another_epoch_or_registry_version_forgets_everybody(
    here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection, statement: str
) -> None:
    await until_answered_from_memory(here, phone, mark)
    await truth.execute(statement)
    await until_answered_otherwise(here, phone, mark)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE session SET access_expires_at = now() + interval '2 seconds' WHERE user_id = $1",
        "UPDATE assignment SET valid_to = now() + interval '2 seconds' WHERE user_id = $1",
        "UPDATE assignment SET valid_from = now() + interval '2 seconds' WHERE user_id = $1",
    ],
)
async def test_what_ends_by_itself_is_foreseen(
    here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection, statement: str
) -> None:
    await truth.execute(statement, WORKER.id)
    now_held = (await phone.sync())[-1].mark
    await until_answered_from_memory(here, phone, now_held)
    async with asyncio.timeout(5):
        while (answer := await here.poll(phone, now_held)).status_code == 204:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert answer.status_code == 401 or answer.json() == {"changed": True}


async def test_nothing_is_said_from_memory_while_its_connection_is_gone(
    here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection
) -> None:
    await until_answered_from_memory(here, phone, mark)
    memory = here.services.memory
    await truth.execute(f"SELECT pg_terminate_backend(pid) {MEMORIES}")
    await until(lambda: not memory.fresh)
    answer = await here.poll(phone, mark)
    assert (answer.status_code, from_memory(answer)) == (204, False)
    await until_answered_from_memory(here, phone, mark)
    await truth.execute(MOVED_BEHIND, STREAM)
    await until_answered_otherwise(here, phone, mark)


async def test_the_end_of_its_connection_empties_it_at_once(
    settings_of_test: Settings, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when it next looks, nor when what it knows has grown old."""
    monkeypatch.setattr(keeper, "_SWEEP_SECONDS", 3600)
    monkeypatch.setattr(memory_module, "STALEST", 3600)
    async with process(settings_of_test) as one:
        assert one.services.memory.fresh
        await truth.execute(f"SELECT pg_terminate_backend(pid) {MEMORIES}")
        await until(lambda: not one.services.memory.fresh)


async def test_nothing_is_said_from_a_memory_whose_database_hangs(
    here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until_answered_from_memory(here, phone, mark)
    await truth.execute("BEGIN")
    await truth.execute("LOCK TABLE stirred_user")
    await until(lambda: not here.services.memory.fresh, 2 * memory_module.STALEST)
    await truth.execute("ROLLBACK")
    await until_answered_from_memory(here, phone, mark)


async def test_a_revoked_device_is_told_to_exchange(
    here: Process, phone: FieldPhone, mark: str, truth: asyncpg.Connection
) -> None:
    await truth.execute("UPDATE device SET revoked_at = now()")
    for _ in range(3):
        assert (await here.poll(phone, mark)).json() == {"changed": True}


# The memory itself -----------------------------------------------------------------------------------------

USER = UUID(int=1)


def seen(**more: object) -> Sweep:
    return Sweep(
        **(
            {"horizon": 1, "epoch": "one", "registry": 1, "catalogue": "2024.2", "keys": {}, "heads": {}, "users": {}}
            | more
        )
    )  # type: ignore[arg-type]


def fresh_memory(**more: object) -> Memory:
    memory = Memory()
    memory.sweep_begins()
    memory.apply(seen(**more))
    return memory


def session(*scope: str, user: UUID = USER) -> Session:
    return Session(user, scope, (), float("inf"))


def mark_of(_: Memory, **positions: int) -> str:
    return memory_module.make_mark("one", "2024.2", positions)


def test_what_changed_while_a_session_was_being_read_is_not_remembered() -> None:
    memory = fresh_memory(heads={"a": 3})
    ticket = memory.ticket()
    memory.sweep_begins()
    memory.apply(seen(users={USER: 7}))
    memory.remember(ticket, b"token", session("a"))
    assert not memory.nothing_new(b"token", mark_of(memory, a=3))
    memory.remember(memory.ticket(), b"token", session("a"))
    assert memory.nothing_new(b"token", mark_of(memory, a=3))


def test_a_row_seen_again_stirs_nobody_again() -> None:
    memory = fresh_memory(heads={"a": 3}, users={USER: 7})
    memory.remember(memory.ticket(), b"token", session("a"))
    memory.sweep_begins()
    memory.apply(seen(users={USER: 7}))
    assert memory.nothing_new(b"token", mark_of(memory, a=3))
    memory.sweep_begins()
    memory.apply(seen(users={USER: 8}))
    assert not memory.nothing_new(b"token", mark_of(memory, a=3))


def test_what_this_process_moved_is_doubted_until_a_sweep_that_began_later() -> None:
    memory = fresh_memory(heads={"a": 3, "b": 1})
    memory.remember(memory.ticket(), b"token", session("a"))
    memory.remember(memory.ticket(), b"other", session("b", user=UUID(int=2)))
    memory.sweep_begins()
    memory.moved(["a"])
    memory.apply(seen(heads={}))
    assert not memory.nothing_new(b"token", mark_of(memory, a=3))
    assert memory.nothing_new(b"other", mark_of(memory, b=1))
    memory.sweep_begins()
    memory.apply(seen(heads={"a": 4}))
    assert memory.nothing_new(b"token", mark_of(memory, a=4))


def test_what_another_process_moved_is_doubted_as_soon_as_it_says_so() -> None:
    memory = fresh_memory(keys={5: "a"}, heads={"a": 3})
    memory.remember(memory.ticket(), b"token", session("a"))
    memory.nudged([4, 5])
    assert not memory.nothing_new(b"token", mark_of(memory, a=3))


def test_equal_sums_over_other_streams_are_not_taken_for_one_another() -> None:
    memory = fresh_memory(heads={"a": 3, "b": 1})
    memory.remember(memory.ticket(), b"token", session("a", "b"))
    assert memory.nothing_new(b"token", mark_of(memory, a=1, b=3))
    assert not memory.nothing_new(b"token", mark_of(memory, a=4))
    assert not memory.nothing_new(b"token", memory_module.make_mark("two", "2024.2", {"a": 3, "b": 1}))


async def test_it_falls_silent_when_no_sweep_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "STALEST", 0.2)
    memory = fresh_memory(heads={"a": 3})
    memory.remember(memory.ticket(), b"token", session("a"))
    assert memory.nothing_new(b"token", mark_of(memory, a=3))
    await until(lambda: not memory.nothing_new(b"token", mark_of(memory, a=3)))


def test_it_keeps_the_sessions_that_were_asked_for_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "_MOST_SESSIONS", 3)
    memory = fresh_memory(heads={"a": 3})
    for number in range(3):
        memory.remember(memory.ticket(), bytes([number]), session("a", user=UUID(int=number)))
    assert memory.nothing_new(b"\0", mark_of(memory, a=3))
    memory.remember(memory.ticket(), b"new", session("a"))
    known = [memory.nothing_new(token, mark_of(memory, a=3)) for token in (b"\0", b"\1", b"\2", b"new")]
    assert known == [True, False, True, True]


def test_an_emptied_memory_remembers_nothing_that_was_read_before() -> None:
    memory = fresh_memory(heads={"a": 3})
    ticket = memory.ticket()
    memory.empty()
    memory.sweep_begins()
    memory.apply(seen(heads={"a": 3}))
    memory.remember(ticket, b"token", session("a"))
    assert not memory.nothing_new(b"token", mark_of(memory, a=3))
