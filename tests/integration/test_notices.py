"""Notices that ask for nothing: put away by their reader on any of his phones, or ended by themselves after a while."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from schemas.wire import PutAway
from server.db import items
from server.db.database import Transaction
from server.services import Services
from server.usecases.devices import revoke_device
from server.usecases.feeding import write_feed, writes_for_notices
from server.usecases.notices import lapse, put_away
from server.usecases.quarantine_release import ReleaseOrder, release
from tests.builders import ADMINISTRATOR, CADRE, GRIDS, MATE, WORKER, build_city, caller, form
from tests.integration.evidence_scene import until_someone_waits_for_a_lock
from tests.integration.test_conflicts import assert_streams_add_up
from tests.phones import FieldPhone, field_phone

OWN = f"own/{WORKER.id}"
LONG = timedelta(days=46)


@pytest.fixture
async def phone(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    await build_city(services)
    return await field_phone(services, app_client, WORKER)


async def release_one(services: Services, truth: asyncpg.Connection, at: datetime | None = None) -> None:
    held = await truth.fetchval("SELECT id FROM quarantine WHERE state = 'held'")
    order = ReleaseOrder(actor=await caller(services, CADRE), reason="确属帮办", now=at or datetime.now(UTC))
    await release(services, order, (held, held))


async def released(services: Services, truth: asyncpg.Connection, phone: FieldPhone) -> UUID:
    """The notice of what its holder wrote in a grid that is not his, and an office let go on; his phone has it."""
    phone.create("0102", form("0102", grid=GRIDS[1]), GRIDS[1])
    phone.seal()
    await phone.sync()
    await release_one(services, truth)
    await phone.sync()
    (notice,) = phone.device.notices()
    assert (notice.kind, notice.code) == ("notice", "released")
    return notice.id


async def notice_of(truth: asyncpg.Connection, notice: UUID) -> tuple[bool, bool, int]:
    """Whether it is open, whether the stream has it, and its version; both agree about that."""
    row = await truth.fetchrow(
        "SELECT n.open, f.present, n.version, f.version AS told FROM notice n JOIN feed f ON f.object_id = n.id "
        "WHERE n.id = $1",
        notice,
    )
    assert row["version"] == row["told"]
    return row["open"], row["present"], row["version"]


async def test_it_ends_when_its_reader_has_put_it_away(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone, app_client: httpx.AsyncClient
) -> None:
    """Out of sight at once, and gone from all his phones with the next exchange."""
    other = await field_phone(services, app_client, WORKER)
    notice = await released(services, truth, phone)
    await other.sync()
    phone.device.put_away(notice)
    assert (phone.device.notices(), phone.device.mark) == ([], None)
    assert await notice_of(truth, notice) == (True, True, 1)
    (answer,) = await phone.sync()
    (entry,) = (one for page in answer.streams for one in page.entries if one.id == notice)
    assert (entry.kind, entry.notice, entry.version) == ("notice", None, 2)
    assert await notice_of(truth, notice) == (False, False, 2)
    assert notice not in phone.device.memberships()[OWN]
    assert phone.device.mark is not None
    assert [one.id for one in other.device.notices()] == [notice]
    await other.sync()
    assert other.device.notices() == []
    await assert_streams_add_up(truth)


async def test_an_answer_that_is_lost_does_no_harm(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone
) -> None:
    notice = await released(services, truth, phone)
    phone.device.put_away(notice)
    await phone.send()
    assert phone.device.notices() == []
    await phone.sync()
    assert await notice_of(truth, notice) == (False, False, 2)
    await phone.sync()
    assert await notice_of(truth, notice) == (False, False, 2)


async def test_what_was_told_anew_meanwhile_stays(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone
) -> None:
    """Something else of the same item is released before the phone says that the first was seen."""
    notice = await released(services, truth, phone)
    item = phone.device.notices()[0].item
    phone.device.put_away(notice)
    await truth.execute("UPDATE quarantine SET state = 'held' WHERE item_id = $1", item)
    await release_one(services, truth)
    await phone.sync()
    assert await notice_of(truth, notice) == (True, True, 2)
    assert [(one.id, one.version) for one in phone.device.notices()] == [(notice, 2)]
    phone.device.put_away(notice)
    await phone.sync()
    assert await notice_of(truth, notice) == (False, False, 3)


async def test_so_does_what_is_being_told_at_that_moment(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone
) -> None:
    """The release has written its notice and not committed: whoever puts the former one away waits for it."""
    notice = await released(services, truth, phone)
    told, commit = asyncio.Event(), asyncio.Event()

    async def tell(tx: Transaction) -> None:
        row = dict(await tx.connection.fetchrow("SELECT * FROM notice WHERE id = $1", notice) or ())
        await write_feed(tx, writes_for_notices(await items.upsert_notices(tx.connection, [row])))
        told.set()
        await commit.wait()

    telling = asyncio.create_task(services.database.write(tell))
    await told.wait()
    phone.device.put_away(notice)
    saying = asyncio.create_task(phone.sync())
    try:
        await until_someone_waits_for_a_lock(truth)
    finally:
        commit.set()
    await telling
    await saying
    assert await notice_of(truth, notice) == (True, True, 2)
    assert [one.version for one in phone.device.notices()] == [2]


async def test_nobody_puts_away_what_is_not_his(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone, app_client: httpx.AsyncClient
) -> None:
    """Another's, what a revoked phone names, what asks for something, and what there never was."""
    notice, mate = await released(services, truth, phone), await field_phone(services, app_client, MATE)

    async def name(device: UUID, *notices: UUID) -> None:
        named = [PutAway(one, 9) for one in notices]
        await services.database.write(lambda tx: put_away(tx, device, named))

    await name(mate.device_id, notice)
    await revoke_device(services, await caller(services, ADMINISTRATOR), phone.device_id, "丢失")
    await name(phone.device_id, notice)
    assert await notice_of(truth, notice) == (True, True, 1)
    other = await field_phone(services, app_client, WORKER)
    await truth.execute("UPDATE notice SET code = 'returned', kind = 'todo' WHERE id = $1", notice)
    await name(other.device_id, notice, UUID(int=7))
    assert await notice_of(truth, notice) == (True, True, 1)
    await truth.execute("UPDATE notice SET code = 'released', kind = 'notice' WHERE id = $1", notice)
    await name(other.device_id, notice, notice, UUID(int=7))
    assert await notice_of(truth, notice) == (False, False, 2)


async def test_one_that_nobody_puts_away_ends_by_itself(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone
) -> None:
    notice = await released(services, truth, phone)
    now = datetime.now(UTC)
    assert await lapse(services, now + timedelta(days=44)) == 0
    assert await lapse(services, now + LONG) == 1
    assert await lapse(services, now + LONG) == 0
    assert await notice_of(truth, notice) == (False, False, 2)
    await phone.sync()
    assert phone.device.notices() == []
    await assert_streams_add_up(truth)


async def test_it_is_as_old_as_what_it_told_last(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone
) -> None:
    notice = await released(services, truth, phone)
    item = phone.device.notices()[0].item
    await truth.execute("UPDATE quarantine SET state = 'held' WHERE item_id = $1", item)
    later = datetime.now(UTC) + timedelta(days=20)
    await release_one(services, truth, later)
    assert await lapse(services, datetime.now(UTC) + LONG) == 0
    assert await lapse(services, later + LONG) == 1
    assert (await notice_of(truth, notice))[0] is False


@pytest.mark.long
async def test_all_others_end_with_what_they_are_about(
    services: Services, truth: asyncpg.Connection, phone: FieldPhone
) -> None:
    """However old a to-do, a parked change or a duplicate is, it does not end by itself."""
    notice = await released(services, truth, phone)
    for kind, code in (("todo", "returned"), ("parked", "parked"), ("notice", "duplicate")):
        await truth.execute("UPDATE notice SET kind = $2, code = $3 WHERE id = $1", notice, kind, code)
        assert await lapse(services, datetime.now(UTC) + timedelta(days=400)) == 0
    assert (await notice_of(truth, notice))[0]
