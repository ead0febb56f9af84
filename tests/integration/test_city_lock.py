"""Nothing in a push makes the city wait: while pushes stand, before their commit or inside it, all others go on.

Standing inside the commit means that everything is written and flushed and every lock is still held: PostgreSQL is told
to wait for a standby that does not exist, and those transactions alone ask for that.

Breakages seen red: a notification sent inside the writing transaction; one advisory lock around every push; audit rows
written under a lock of their table.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from schemas.offices import ReviewDecision
from schemas.wire import Capture, Change, ChangeSet, Clock, Fix, Receipt, Void
from server.bench.exchange.town import Phone, enrol, ground, lay_out
from server.db import audit, push
from server.db.nudges import CHANNEL
from server.services import Services
from server.usecases.push import Arrival, push_set
from server.usecases.reviews import decide_all
from server.usecases.sessions import Caller
from sync.framing import encode_change, encode_set
from tests.builders import form
from tests.proof.halting import COMMIT, Halt, halting
from tests.proof.house import as_superuser

pytestmark = pytest.mark.long

PATIENCE = 30.0
GRIDS = 501
AT_ONCE = 8
HAZARD = "0401"
# The streams of grids in which an approval has moved an entry.
MOVED = "SELECT count(*) FROM stream s JOIN feed f ON f.stream_id = s.id WHERE f.touch > 0 AND s.key LIKE 'grid/%'"


class City(NamedTuple):
    """In grid 0 two phones stand; one worker and one chief have all the others, in each of which a hazard waits for
    approval. `elsewhere`: phones with one grid each."""

    services: Services
    truth: asyncpg.Connection
    standing: list[Phone]
    chief: Phone
    elsewhere: list[Phone]
    waiting: list[ReviewDecision]


@pytest.fixture
async def city(services: Services, truth: asyncpg.Connection) -> City:
    await lay_out(services, GRIDS)
    everywhere = tuple(range(1, GRIDS))
    *standing, worker = await enrol(services, "grid_worker", [(0,), (0,), everywhere])
    (chief,) = await enrol(services, "grid_chief", [everywhere])
    elsewhere = await enrol(services, "grid_worker", [(grid,) for grid in range(1, 1 + AT_ONCE)])
    waiting: list[ReviewDecision] = []
    for no, first in enumerate(range(1, GRIDS, 100), 1):
        receipt = await push_hazards(services, worker, no, range(first, first + 100))
        waiting += [ReviewDecision(UUID(one.item or ""), 1, one.rev or "", "approve") for one in receipt.outcomes]
    return City(services, truth, standing, chief, elsewhere, waiting)


def hazard(grid: int) -> Change:
    """A fire hazard in the middle of a grid."""
    lons, lats = zip(*ground(grid).ring, strict=True)
    lon, lat = round((min(lons) + max(lons)) / 2, 6), round((min(lats) + max(lats)) / 2, 6)
    here = {"lon": lon, "lat": lat, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"}
    capture = Capture(datetime.now(UTC), 0, "boot", Fix(lon, lat, "wgs84", 5.0))
    fields = form(HAZARD) | {"location": here}
    return Change("create", uuid4(), HAZARD, capture, grid=ground(grid).code, urgency="normal", fields=fields)


async def push_hazards(services: Services, phone: Phone, no: int, grids: Sequence[int]) -> Receipt:
    """A set of one hazard in each grid, every one of which must be applied."""
    receipt = await push_changes(services, phone, no, [encode_change(hazard(grid), "json") for grid in grids])
    assert {one.outcome for one in receipt.outcomes} == {"applied"}
    return receipt


async def push_changes(
    services: Services, phone: Phone, no: int, changes: list[msgspec.Raw], void: Void | None = None
) -> Receipt:
    change_set = ChangeSet(
        no=no,
        device=phone.device,
        holder=phone.user,
        author=phone.user,
        catalogue=phone.catalogue,
        registry=1,
        nonce="n" * 22,
        changes=changes,
        void=void,
    )
    now = datetime.now(UTC)
    clock = Clock(now, 60_000, "boot")
    receipt = await push_set(
        services, Arrival(phone.device, phone.epoch, no, encode_set(change_set, "json"), clock, now)
    )
    assert receipt is not None
    return receipt


class Standing(NamedTuple):
    """Two pushes that have done all but their commit."""

    halts: tuple[Halt, Halt]
    tasks: tuple[asyncio.Task[Receipt], asyncio.Task[Receipt]]

    def none_is_done(self) -> bool:
        return not any(task.done() for task in self.tasks)

    def let_go(self) -> None:
        for halt in self.halts:
            halt.let_go.set()


@asynccontextmanager
async def two_stand(city: City) -> AsyncIterator[Standing]:
    """One push that moves streams and one that writes to the audit trail; both are through when the block has ended."""
    halts = Halt(before=COMMIT), Halt(before=COMMIT)
    moving, audited = (halting(city.services, halt) for halt in halts)
    one, other = city.standing
    first = asyncio.create_task(push_hazards(moving, one, 1, [0]))
    second = asyncio.create_task(push_changes(audited, other, 1, [], "lost"))
    standing = Standing(halts, (first, second))
    try:
        async with asyncio.timeout(PATIENCE):
            assert [await halts[0].stands_or(first), await halts[1].stands_or(second)] == [True, True]
        assert {"lock_counter", "insert_new_items", "lock_streams", "keep_change_set"} <= set(halts[0].passed)
        assert {"lock_counter", "insert_audit", "keep_change_set"} <= set(halts[1].passed)
        yield standing
    finally:
        standing.let_go()
        await asyncio.gather(first, second)


async def everything_else_goes_on(city: City) -> None:
    """Pushes to other streams, 500 approvals in one transaction, audit rows and nudges, all at once."""
    nudged = asyncio.Event()
    await city.truth.add_listener(CHANNEL, lambda *_: nudged.set())
    pushes = [push_hazards(city.services, phone, 1, phone.grids) for phone in city.elsewhere]
    audits = [city.services.database.write(lambda tx: note(tx.connection, city)) for _ in range(AT_ONCE)]
    async with asyncio.timeout(PATIENCE):
        results, *_ = await asyncio.gather(approve_all(city), *pushes, *audits, nudged.wait())
    assert {one.result for one in results} == {"done"}
    assert len(results) == GRIDS - 1
    touched = (
        "SELECT count(*) FROM stream s JOIN feed f ON f.stream_id = s.id WHERE f.touch > 0 AND s.key LIKE 'grid/%'"
    )
    assert await city.truth.fetchval(touched) == GRIDS - 1


async def note(connection: asyncpg.Connection, city: City) -> None:
    one = city.standing[0]
    await audit.record(connection, one.user, "proof.noted", "device", str(one.device))


async def approve_all(city: City) -> Sequence[Any]:
    async with city.services.database.read() as connection:
        held = await push.assignments_ever(connection, city.chief.user)
    chief = Caller(user_id=city.chief.user, name="chief", kind="user", assignments=tuple(held))
    return await decide_all(city.services, chief, city.waiting)


async def test_pushes_before_their_commit_hold_up_nobody(city: City) -> None:
    async with two_stand(city) as standing:
        await everything_else_goes_on(city)
        assert standing.none_is_done()


async def test_pushes_inside_their_commit_hold_up_nobody(city: City, database_url: str) -> None:
    async with two_stand(city) as standing, a_standby_that_never_answers(city.services, database_url):
        for halt in standing.halts:
            await halt.connection.execute("SET LOCAL synchronous_commit = on")
        standing.let_go()
        await until_waiting(city.truth, 2)
        await everything_else_goes_on(city)
        assert standing.none_is_done()


@asynccontextmanager
async def a_standby_that_never_answers(services: Services, database_url: str) -> AsyncIterator[None]:
    """Who asks for a synchronous commit waits until the block has ended; nobody waits without asking."""
    owner = await asyncpg.connect(as_superuser(database_url))
    try:
        await configure(owner, synchronous_commit="local", synchronous_standby_names="nobody")
        await services.database.pool.expire_connections()
        await until_the_database_waits(owner, database_url)
        yield
    finally:
        await configure(owner, synchronous_commit=None, synchronous_standby_names=None)
        await owner.close()


async def configure(owner: asyncpg.Connection, **settings: str | None) -> None:
    for name, value in settings.items():
        await owner.execute(f"ALTER SYSTEM {f'SET {name} = {value!r}' if value else f'RESET {name}'}")
    loaded = await owner.fetchval("SELECT pg_conf_load_time()")
    await owner.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(PATIENCE):
        while await owner.fetchval("SELECT pg_conf_load_time()") == loaded:
            pass


async def until_the_database_waits(owner: asyncpg.Connection, database_url: str) -> None:
    """The settings reach every process in its own time: try with a commit that is to wait."""
    probe = await asyncpg.connect(database_url, server_settings={"synchronous_commit": "on"})
    trying = asyncio.create_task(keep_writing(probe))
    await until_waiting(owner, 1)
    probe.terminate()
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    async with asyncio.timeout(PATIENCE):
        # It would wait on although its client has gone.
        while await owner.fetchval(WAITING):
            await owner.execute(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {STANDS}")


async def keep_writing(probe: asyncpg.Connection) -> None:
    while True:
        await probe.execute("CREATE TABLE IF NOT EXISTS probe (n integer); INSERT INTO probe VALUES (1)")


STANDS = "wait_event = 'SyncRep'"
WAITING = f"SELECT count(*) FROM pg_stat_activity WHERE {STANDS}"


async def until_waiting(truth: asyncpg.Connection, commits: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await truth.fetchval(WAITING) < commits:
            pass
