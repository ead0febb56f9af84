"""Nudges: said after the commit, heard by every process, passed on to those who keep an event stream open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from server.db.nudges import CHANNEL, Nudges
from server.memory import keeper
from server.settings import Settings
from server.usecases.feeding import FeedWrite, write_feed
from tests.builders import CADRE, GRIDS, MATE, WORKER, build_city, form, grid_id, sign_in
from tests.integration.live_scene import Process, process, swept, until
from tests.phones import FieldPhone, field_phone

STREAM = f"grid/{grid_id(GRIDS[0])}"
OUT_OF_SCOPE = f"grid/{grid_id(GRIDS[2])}"


@pytest.fixture
async def here(settings_of_test: Settings) -> AsyncIterator[Process]:
    async with process(replace(settings_of_test, event_heartbeat_seconds=1)) as one:
        await build_city(one.services)
        yield one


@pytest.fixture
async def phone(here: Process) -> FieldPhone:
    """Its enrolment, and the assignments of its holder, are no news any more."""
    enrolled = await field_phone(here.services, here.client, WORKER)
    await swept(here)
    return enrolled


class Events:
    """An open event stream, read event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._parts = response.aiter_text()
        self._text = ""

    async def next(self) -> str:
        """The next event; empty at the end."""
        async with asyncio.timeout(10):
            while "\n\n" not in self._text:
                try:
                    self._text += await anext(self._parts)
                except StopAsyncIteration:
                    return ""
        event, _, self._text = self._text.partition("\n\n")
        return event

    async def nudged(self) -> None:
        """Wait for a nudge, past heartbeats."""
        while not (event := await self.next()).startswith("event: nudge"):
            assert event == ":", repr(event)

    async def ended(self) -> None:
        """Wait for the end, past everything else."""
        while await self.next():
            pass


@asynccontextmanager
async def events(here: Process, headers: dict[str, str], **query: int) -> AsyncIterator[Events]:
    """An event stream after its greeting: when to come back, and a nudge for what came before."""
    given = {"Authorization": headers["Authorization"], "Accept-Encoding": "gzip"}
    async with here.client.stream("GET", "/v1/events", params=query, headers=given, timeout=30) as response:
        assert response.status_code == 200, await response.aread()
        opened = Events(response)
        assert (await opened.next()).startswith("retry: ")
        await opened.nudged()
        yield opened


async def move(here: Process, stream: str) -> None:
    """Commit something new in a stream."""
    write = FeedWrite(stream, grid_id(GRIDS[0]), "notice", True, 1)
    await here.services.database.write(lambda tx: write_feed(tx, [write]))


# Between processes -----------------------------------------------------------------------------------------


async def test_a_nudge_names_the_streams_and_is_said_after_the_commit(here: Process, truth: asyncpg.Connection) -> None:
    heard: list[str] = []
    await truth.add_listener(CHANNEL, lambda *said: heard.append(said[-1]))
    await asyncio.gather(*(move(here, f"grid/{number}") for number in range(5)))
    ids = {row["id"] for row in await truth.fetch("SELECT id FROM stream")}
    await until(lambda: {int(one) for said in heard for one in said.split(",")} == ids, 5)
    sent = await truth.fetchval("SELECT query FROM pg_stat_activity WHERE application_name = 'onegrid nudges' LIMIT 1")
    assert "pg_notify" in sent


async def test_what_is_rolled_back_nudges_nobody(here: Process, truth: asyncpg.Connection) -> None:
    heard: list[str] = []
    await truth.add_listener(CHANNEL, lambda *said: heard.append(said[-1]))

    async def fail(tx: object) -> None:
        await write_feed(tx, [FeedWrite(STREAM, grid_id(GRIDS[0]), "notice", True, 1)])  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await here.services.database.write(fail)
    await move(here, OUT_OF_SCOPE)
    await until(lambda: heard, 5)
    (known,) = await truth.fetch("SELECT id FROM stream")
    assert heard == [str(known["id"])]


@pytest.mark.parametrize("lost", [asyncpg.InternalClientError("another operation is in progress"), ConnectionError()])
async def test_a_connection_that_died_under_the_driver_is_made_anew(
    settings_of_test: Settings, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, lost: Exception
) -> None:
    heard: list[str] = []
    await truth.add_listener(CHANNEL, lambda *said: heard.append(said[-1]))
    execute, spoilt = asyncpg.Connection.execute, [lost]

    async def die_once(connection: asyncpg.Connection, *asked: Any) -> Any:
        if spoilt:
            raise spoilt.pop()
        return await execute(connection, *asked)

    monkeypatch.setattr(asyncpg.Connection, "execute", die_once)
    nudges = Nudges(settings_of_test.database_url)
    nudges.send({STREAM: 1})
    await until(lambda: not spoilt, 5)
    await nudges.close()
    nudges.send({STREAM: 2})
    await until(lambda: heard == ["2"], 5)
    await nudges.close()


async def test_a_nudge_wakes_a_process_that_would_not_have_looked_yet(
    settings_of_test: Settings, here: Process, phone: FieldPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_SWEEP_SECONDS", 3600)
    async with process(settings_of_test) as there, events(there, phone.headers) as opened:
        await move(here, STREAM)
        await opened.nudged()


# Event streams ---------------------------------------------------------------------------------------------


async def test_who_listens_is_nudged_about_his_streams_and_no_others(here: Process, phone: FieldPhone) -> None:
    async with events(here, phone.headers) as opened:
        assert opened.response.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in opened.response.headers
        await move(here, OUT_OF_SCOPE)
        assert await opened.next() == ":"
        await move(here, STREAM)
        await opened.nudged()
        mate = await field_phone(here.services, here.client, MATE)
        mate.create("0102", form("0102"))
        mate.seal()
        await mate.send()
        await opened.nudged()


async def test_however_much_moves_there_are_two_nudges_a_second(here: Process, phone: FieldPhone) -> None:
    async with events(here, phone.headers) as opened:
        began, nudges = monotonic(), 0
        moving = asyncio.create_task(_keep_moving(here, began + 2))
        while monotonic() < began + 2:
            await opened.nudged()
            nudges += 1
        await moving
    assert 3 <= nudges <= 6


async def _keep_moving(here: Process, end: float) -> None:
    while monotonic() < end:
        await move(here, STREAM)


async def test_a_person_at_an_office_may_listen_too(here: Process) -> None:
    headers = await sign_in(here.services, CADRE)
    await swept(here)
    async with events(here, headers) as opened:
        await move(here, f"own/{CADRE.id}")
        await opened.nudged()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE device SET revoked_at = now() WHERE user_id = $1",
        "UPDATE session SET access_hash = 'another' WHERE user_id = $1",
        "UPDATE assignment SET valid_to = now() WHERE user_id = $1",
        "UPDATE session SET access_expires_at = now() + interval '1 second' WHERE user_id = $1",
    ],
)
async def test_a_stream_ends_with_the_right_to_it(
    here: Process, phone: FieldPhone, truth: asyncpg.Connection, statement: str
) -> None:
    async with events(here, phone.headers) as opened:
        await truth.execute(statement, WORKER.id)
        async with asyncio.timeout(5):
            await opened.ended()
    await until(lambda: here.services.memory.listeners.count == 0)


async def test_a_stream_ends_when_its_time_is_up(here: Process, phone: FieldPhone) -> None:
    async with events(here, phone.headers, wait=1) as opened:
        async with asyncio.timeout(5):
            await opened.ended()


async def test_a_stream_ends_where_the_process_loses_sight_of_the_database(
    here: Process, phone: FieldPhone, truth: asyncpg.Connection
) -> None:
    async with events(here, phone.headers) as opened:
        await truth.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'onegrid memory' AND datname = current_database()"
        )
        await opened.ended()


async def test_who_goes_away_is_forgotten(here: Process, phone: FieldPhone) -> None:
    listeners = here.services.memory.listeners
    async with events(here, phone.headers):
        assert listeners.count == 1
    await until(lambda: listeners.count == 0, 5)


async def test_no_more_listen_than_there_is_room_for(settings_of_test: Settings) -> None:
    async with process(replace(settings_of_test, event_streams=1)) as here:
        await build_city(here.services)
        phone = await field_phone(here.services, here.client, WORKER)
        await swept(here)
        async with events(here, phone.headers):
            full = await here.client.get("/v1/events", headers=phone.headers)
            assert (full.status_code, full.json()["code"]) == (503, "events_full")
            assert int(full.headers["retry-after"]) > 0
        await until(lambda: here.services.memory.listeners.count == 0, 5)
        async with events(here, phone.headers):
            pass


async def test_a_revoked_device_listens_to_nothing(here: Process, phone: FieldPhone, truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE device SET revoked_at = now()")
    assert (await here.client.get("/v1/events", headers=phone.headers)).json()["code"] == "forbidden"


async def test_a_server_that_stops_does_not_wait_for_its_listeners(
    settings_of_test: Settings, here: Process, phone: FieldPhone
) -> None:
    async with process(settings_of_test) as stopping, events(stopping, phone.headers) as opened:
        stopping.server.should_exit = True
        async with asyncio.timeout(5):
            await opened.ended()
