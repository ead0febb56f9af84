"""Epochs: what a new one changes for devices and tokens, and how the witness comes to begin one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
from msgspec import json
from msgspec.structs import replace

from schemas.accounts import TokenPair
from schemas.wire import ChangeSet
from server.cli import run
from server.db import epochs
from server.db.database import Database
from server.errors import Problem
from server.jobs.witness import witnessing
from server.prepare import PrepareError, prepare
from server.services import Services
from server.storage.objects import ObjectMissing, StoreUnavailable
from server.usecases.epochs import begin_epoch
from server.usecases.epochs_asked import ask_for_epoch, list_epochs
from server.usecases.sessions import Pair, begin_session, refresh
from server.usecases.witness import Life, difference, face_witness, witness_key
from sync.framing import encode_set
from tests.builders import ADMINISTRATOR, WORKER, Phone, build_city, caller, create, enrol
from tests.databases import copying, drop_database
from tests.integration.erasing_scene import raw_set, send

pytestmark = pytest.mark.long


@pytest.fixture
async def phone(services: Services) -> Phone:
    await build_city(services)
    return await enrol(services, WORKER)


@pytest.fixture
async def elsewhere(embedded: dict[str, str], template: str) -> AsyncIterator[str]:
    """Another migrated database of the same server."""
    name = f"test_{uuid4().hex[:8]}_other"
    admin = await asyncpg.connect(embedded["ONEGRID_DATABASE_URL"])
    await admin.execute(copying(template, name))
    yield urlunsplit(urlsplit(embedded["ONEGRID_DATABASE_URL"])._replace(path=f"/{name}"))
    await drop_database(admin, name)
    await admin.close()


async def begin(services: Services, phone: Phone | None = None) -> str:
    """Another epoch, as a restore begins it; the phone takes it over."""
    epoch = await services.database.write(lambda tx: begin_epoch(tx, "restored", "of the test"))
    if phone is not None:
        phone.epoch = epoch.id
    return epoch.id


# Numbers and receipts --------------------------------------------------------------------------------------


async def test_numbers_go_on_in_every_epoch(services: Services, phone: Phone, truth: asyncpg.Connection) -> None:
    for _ in range(3):
        await phone.report("0102")
        await begin(services, phone)
    await phone.report("0102")
    rows = await truth.fetch("SELECT last_no FROM counter c JOIN epoch e ON e.id = c.epoch ORDER BY e.seq")
    assert [row["last_no"] for row in rows] == [1, 2, 3, 4]


async def test_a_set_of_a_former_epoch_is_answered_as_it_was_and_has_no_second_effect(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    raw = raw_set(phone, 1, [create("0102")], epoch=phone.epoch)
    first = await send(phone, raw)
    await begin(services, phone)
    assert await send(phone, raw, 1) == first
    assert await truth.fetchval("SELECT count(*) FROM revision") == 1


async def test_other_bytes_under_a_number_of_a_former_epoch_are_a_fork(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    await phone.report("0102")
    await begin(services, phone)
    assert (await send(phone, raw_set(phone, 1, [create("0102")]), 1)).status == "forked"
    assert await truth.fetchval("SELECT count(*) FROM forked_set") == 1


async def test_a_set_that_names_its_old_epoch_inside_is_taken_in_the_new_one(services: Services, phone: Phone) -> None:
    """What the restored server lacks comes with its old bytes, so that its hash stays."""
    old = phone.epoch
    raw = raw_set(phone, 1, [create("0102")], epoch=old)
    await begin(services, phone)
    receipt = await send(phone, raw)
    assert [one.outcome for one in receipt.outcomes] == ["applied"]


async def test_nothing_is_decided_in_an_epoch_that_is_over(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    await phone.report("0102")
    await begin(services)
    with pytest.raises(Problem) as refused:
        await phone.push(create("0102"))
    assert refused.value.code == "not_ready"
    assert await truth.fetchval("SELECT count(*) FROM item") == 1


async def test_an_epoch_waits_for_the_set_that_is_being_decided(
    services: Services, phone: Phone, database_url: str
) -> None:
    """Else the counter of the new epoch would begin one too low, and the set be decided twice."""
    await phone.report("0102")
    holder = await asyncpg.connect(database_url)
    deciding = holder.transaction()
    await deciding.start()
    await holder.execute("UPDATE counter SET last_no = 2 WHERE device_id = $1", phone.device_id)
    beginning = asyncio.create_task(begin(services))
    watcher = await asyncpg.connect(database_url)
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE counter%'"
    )
    while not await watcher.fetchval(waiting):
        assert not beginning.done()
    await deciding.commit()
    epoch = await beginning
    phone.epoch, phone.no = epoch, 2
    assert (await phone.push(create("0102"))).no == 3
    for connection in (holder, watcher):
        await connection.close()


# Void ------------------------------------------------------------------------------------------------------


def void_set(phone: Phone, no: int, why: Any) -> bytes:
    whole = json.decode(raw_set(phone, no, [create("0102")]), type=ChangeSet)
    return encode_set(replace(whole, changes=[], void=why), "json")


@pytest.mark.parametrize("why", ["lost", "too_large"])
async def test_a_void_set_uses_its_number_up_and_is_on_record(
    phone: Phone, truth: asyncpg.Connection, why: str
) -> None:
    raw = void_set(phone, 1, why)
    receipt = await send(phone, raw)
    assert (receipt.status, receipt.code, receipt.outcomes) == ("void", f"set_void_{why}", [])
    assert receipt.zh
    assert await send(phone, raw, 1) == receipt
    await phone.report("0102")
    act = await truth.fetchrow("SELECT actor_id, subject_id, detail FROM audit WHERE action = 'change_set.void'")
    assert act is not None
    assert (act["actor_id"], act["subject_id"]) == (WORKER.id, str(phone.device_id))
    assert json.decode(act["detail"]) == {"no": 1, "epoch": phone.epoch, "why": why}
    assert await truth.fetchval("SELECT sealed IS NOT NULL FROM change_set WHERE no = 1")
    assert await truth.fetchval("SELECT count(*) FROM quarantine") == 0


# Tokens ----------------------------------------------------------------------------------------------------


async def session_of(services: Services, phone: Phone) -> TokenPair:
    return await services.database.write(
        lambda tx: begin_session(tx, services, phone.device_id, "device", WORKER.id, phone.device_id)
    )


async def test_a_token_that_is_ahead_of_a_restored_database_goes_on(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    """The phone rotated its tokens after the backup: only this installation can have made what it shows."""
    first = await session_of(services, phone)
    ahead = Pair.of(services.keyring, phone.device_id, 7)
    with pytest.raises(Problem) as refused:
        await refresh(services, ahead.refresh)
    assert refused.value.code == "token_superseded", "a database that never went back has forgotten nothing"
    await begin(services)
    await truth.execute("UPDATE session SET refresh_expires_at = now() - interval '1 day'")
    pair = await refresh(services, ahead.refresh)
    assert pair.refresh == Pair.of(services.keyring, phone.device_id, 8).refresh
    assert await refresh(services, ahead.refresh) == pair, "a lost answer is asked for again"
    for older in (first.refresh, Pair.of(services.keyring, phone.device_id, 5).refresh):
        with pytest.raises(Problem) as refused:
            await refresh(services, older)
        assert refused.value.code == "token_superseded"
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'session.caught_up'") == 1


async def test_a_session_that_was_ended_stays_ended(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    await session_of(services, phone)
    await begin(services)
    await truth.execute("UPDATE session SET ended_at = now()")
    with pytest.raises(Problem) as refused:
        await refresh(services, Pair.of(services.keyring, phone.device_id, 7).refresh)
    assert refused.value.code == "token_unknown"


# The witness -----------------------------------------------------------------------------------------------


async def face(services: Services) -> str | None:
    return await face_witness(services.database, services.objects, services.keyring)


async def written(services: Services) -> dict[str, Any]:
    return json.decode(await services.objects.read(witness_key(services.keyring), 100_000))


async def test_a_database_that_only_grew_goes_on(services: Services, phone: Phone, truth: asyncpg.Connection) -> None:
    assert await face(services) is None
    first = (await written(services))["life"]
    await phone.report("0102")
    assert await face(services) is None
    second = (await written(services))["life"]
    assert (second["positions"], second["numbers"]) > (first["positions"], first["numbers"])
    assert second["lsn"] > first["lsn"]
    assert await truth.fetchval("SELECT count(*) FROM epoch") == 1


async def test_another_database_under_the_same_epoch_begins_one(
    services: Services, phone: Phone, truth: asyncpg.Connection, elsewhere: str
) -> None:
    """As after a restore that nobody told of: same cluster, same timeline, a log that has gone on."""
    await face(services)
    other = await Database.connect(elsewhere, size=1)
    epoch = await truth.fetchval("SELECT id FROM epoch")
    await other.pool.execute("INSERT INTO epoch (id, reason) VALUES ($1, 'first start')", epoch)
    await other.pool.execute("INSERT INTO stream (key, head) VALUES ('grid/a', 1000)")
    assert await face_witness(other, services.objects, services.keyring) == "other_database"
    assert await face_witness(other, services.objects, services.keyring) is None
    await other.close()


async def test_fewer_positions_or_numbers_than_were_seen_begin_an_epoch(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    await phone.report("0102")
    assert await face(services) is None
    await truth.execute("UPDATE counter SET last_no = 0")
    assert await face(services) == "behind"
    assert await face(services) is None
    await truth.execute("UPDATE stream SET head = head - 1 WHERE head > 0")
    assert await face(services) == "behind"
    rows = await truth.fetch("SELECT reason FROM epoch ORDER BY seq")
    assert [row["reason"] for row in rows] == ["first start", "behind", "behind"]
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'epoch.begun'") == 2


async def test_an_epoch_that_the_database_never_knew_begins_another(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    await begin(services)
    await face(services)
    await truth.execute("DELETE FROM epoch WHERE reason = 'restored'")
    assert await face(services) == "epoch_unknown"


async def test_an_altered_witness_hides_nothing(services: Services, phone: Phone) -> None:
    await phone.report("0102")
    await face(services)
    said = await written(services)
    said["life"]["numbers"] = 0
    for damaged in (json.encode(said), b"{", b"\xff" * 20_000):
        await services.objects.write(witness_key(services.keyring), damaged, "application/json")
        assert await face(services) == "unreadable"
        assert await face(services) is None


LIFE = Life(epoch="e", seq=1, positions=10, numbers=5, database=7, system="s", timeline=1, lsn=100)


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        (LIFE, None),
        (replace(LIFE, lsn=101, positions=11, numbers=6), None),
        (replace(LIFE, lsn=99), "behind"),
        (replace(LIFE, positions=9, lsn=200), "behind"),
        (replace(LIFE, numbers=4, lsn=200), "behind"),
        (replace(LIFE, timeline=2, lsn=200), "other_timeline"),
        (replace(LIFE, system="t", lsn=200), "other_cluster"),
        (replace(LIFE, database=8, lsn=200), "other_database"),
        (replace(LIFE, system=None, timeline=None, lsn=None), None),
        (replace(LIFE, system=None, timeline=None, lsn=None, numbers=4), "behind"),
    ],
)
def test_what_the_witness_and_the_database_say(now: Life, cause: str | None) -> None:
    assert difference(LIFE, now) == cause


async def test_servers_that_start_at_once_begin_one_epoch(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    await phone.report("0102")
    await face(services)
    await truth.execute("UPDATE counter SET last_no = 0")
    found = await asyncio.gather(*(asyncio.to_thread(prepare, services.settings) for _ in range(3)))
    assert sorted(str(one.epoch) for one in found) == ["None", "None", "behind"]
    assert await truth.fetchval("SELECT count(*) FROM epoch") == 2


async def test_without_the_store_nothing_starts(services: Services, phone: Phone) -> None:
    away = replace(services.settings, s3_endpoint="http://127.0.0.1:9")
    with pytest.raises(PrepareError, match="S3_ENDPOINT"):
        await asyncio.to_thread(prepare, away)


async def test_the_job_process_keeps_the_witness_growing(services: Services, phone: Phone) -> None:
    """At once, and at its end with what came meanwhile."""
    async with witnessing(services):
        while (said := await _said(services)) is None:
            pass
        await phone.report("0102")
    last = await _said(services)
    assert last is not None
    assert last["numbers"] == said["numbers"] + 1


async def _said(services: Services) -> dict[str, Any] | None:
    try:
        return (await written(services))["life"]
    except (ObjectMissing, StoreUnavailable):
        return None


async def test_a_database_service_that_hides_its_cluster_does_without(
    services: Services, phone: Phone, monkeypatch: pytest.MonkeyPatch, truth: asyncpg.Connection
) -> None:
    statements = epochs.sql

    def hidden(name: str) -> str:
        return "SELECT no_such_function()" if name == "cluster" else statements(name)

    monkeypatch.setattr(epochs, "sql", hidden)
    await phone.report("0102")
    assert await face(services) is None
    assert "lsn" not in {key for key, value in (await written(services))["life"].items() if value is not None}
    await truth.execute("UPDATE counter SET last_no = 0")
    assert await face(services) == "behind"


async def test_a_polling_phone_sees_the_epoch_that_began_while_the_server_ran(
    services: Services, phone: Phone, app_client: httpx.AsyncClient
) -> None:
    pair = await session_of(services, phone)
    headers = {"Authorization": f"Bearer {pair.access}", "Content-Type": "application/json"}
    now = datetime.now(UTC).isoformat()
    clock = {"wall": now, "mono": 0, "boot": "boot"}
    asked: dict[str, Any] = {"device": str(phone.device_id), "clock": clock, "catalogue": "", "registry": 1}
    first = await app_client.post("/v1/exchange", json=asked, headers=headers)
    epoch = await begin(services)
    second = await app_client.post("/v1/exchange", json=asked | {"epoch": first.json()["epoch"]}, headers=headers)
    assert (first.json()["epoch"], second.json()["epoch"]) == (phone.epoch, epoch)


async def test_somebody_may_begin_an_epoch_for_what_no_witness_can_tell(
    services: Services, phone: Phone, truth: asyncpg.Connection
) -> None:
    with pytest.raises(Problem) as refused:
        await ask_for_epoch(services, await caller(services, WORKER), "映像还原")
    assert refused.value.code == "forbidden"
    begun = await ask_for_epoch(services, await caller(services, ADMINISTRATOR), "映像还原")
    assert [one.id for one in await list_epochs(services)] == [phone.epoch, begun.id]
    assert await face(services) is None
    act = await truth.fetchrow("SELECT actor_id, reason FROM audit WHERE action = 'epoch.begun'")
    assert act is not None
    assert tuple(act) == (ADMINISTRATOR.id, "映像还原")


async def test_the_command_line_shows_epochs(
    environ: dict[str, str], phone: Phone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    why = ["--as", ADMINISTRATOR.phone, "--reason", "映像还原", "--json"]
    assert await asyncio.to_thread(run, ["epoch", "begin", *why]) == 0
    begun = json.decode(capsys.readouterr().out)
    assert await asyncio.to_thread(run, ["epoch", "show", "--json"]) == 0
    shown = json.decode(capsys.readouterr().out)
    assert [one["id"] for one in shown] == [phone.epoch, begun["id"]]
    assert await asyncio.to_thread(run, ["epoch", "begin", "--as", ADMINISTRATOR.phone, "--reason", " "]) == 1
