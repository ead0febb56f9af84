"""An erased item leaves the phones: what they pulled, what they had not sent, and what they kept of what they sent."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import httpx
import pytest

from server.services import Services
from server.usecases.erasure import erase_item
from sync.device import Device
from sync.framing import Form
from tests.builders import CADRE, CHIEF, MATE, WORKER, build_city, caller, form, photo
from tests.phones import FieldPhone, field_phone

PERSONAL = "郑小满"


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)


async def erase(services: Services, item: UUID) -> None:
    await erase_item(services, await caller(services, CADRE), item, "本人申请删除", datetime.now(UTC))


async def reported(phone: FieldPhone) -> UUID:
    """A shop that names its manager, with a photo, sent and pulled."""
    item = phone.create("0103", form("0103") | {"manager": PERSONAL, "photos": [photo(1)]})
    phone.seal()
    await phone.sync()
    return item


def keeps(device: Device) -> bool:
    """Whether anything that the device remembers has the personal value in it."""
    return PERSONAL.encode() in device.snapshot() or any(PERSONAL in str(told) for told in device.told())


async def holds_what_the_server_does(phone: FieldPhone, truth: asyncpg.Connection) -> None:
    streams = await truth.fetch("SELECT key, digest FROM stream WHERE key = ANY($1)", list(phone.device.memberships()))
    for stream in streams:
        assert phone.device.digest(stream["key"]) == f"{stream['digest'] % 2**64:016x}", stream["key"]
    assert phone.device.repairs == 0


async def test_phones_that_hold_it_drop_it(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    worker = await field_phone(services, app_client, WORKER)
    others = [await field_phone(services, app_client, person) for person in (MATE, CHIEF)]
    item = await reported(worker)
    for phone in others:
        await phone.sync()
        assert phone.device.visible(item)
        assert keeps(phone.device)
    await erase(services, item)
    for phone in (worker, *others):
        await phone.sync()
        assert phone.device.visible(item) is None
        assert all(item not in members for members in phone.device.memberships().values())
        await holds_what_the_server_does(phone, truth)
    assert not any(keeps(phone.device) for phone in others)
    fresh = await field_phone(services, app_client, WORKER)
    await fresh.sync()
    assert fresh.device.items() == []
    await holds_what_the_server_does(fresh, truth)


@pytest.mark.parametrize("form_of_sets", ["json", "msgpack"])
async def test_a_phone_with_an_unsent_edit_is_told_and_keeps_no_copy(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection, form_of_sets: Form
) -> None:
    worker = await field_phone(services, app_client, WORKER, form_of_sets)
    item = await reported(worker)
    worker.edit(item, manager=f"{PERSONAL}乙", photos=[photo(1), photo(2)])
    worker.seal()
    other = worker.create("0103", form("0103") | {"manager": "别家的人"})
    worker.seal()
    worker.edit(item, manager=f"{PERSONAL}丙")
    assert keeps(worker.device)
    await erase(services, item)
    await worker.sync()
    (told,) = worker.device.told()
    assert (told.outcome.outcome, told.outcome.code, told.change.item) == ("rejected", "item_erased", item)
    assert told.change.fields == {}
    assert not keeps(worker.device)
    assert worker.device.visible(item) is None
    assert worker.device.unsent == 0
    assert not any(item in own.items for own in worker.device.photo_states().values())
    await holds_what_the_server_does(worker, truth)
    # What else it sent stays, in sight and in its outbox.
    assert worker.device.visible(other) is not None
    assert "别家的人".encode() in worker.device.snapshot()
    # And it goes on.
    worker.edit(other, manager="别家的新人")
    worker.seal()
    await worker.sync()
    assert worker.device.unsent == 0


async def test_an_edit_that_travels_with_others_loses_only_itself(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    worker = await field_phone(services, app_client, WORKER)
    item = await reported(worker)
    worker.edit(item, manager=f"{PERSONAL}乙")
    other = worker.create("0103", form("0103") | {"manager": "别家的人"})
    worker.seal()
    await erase(services, item)
    await worker.sync()
    assert [one.outcome.code for one in worker.device.told()] == ["item_erased"]
    assert worker.device.visible(other) is not None
    assert not keeps(worker.device)
    assert PERSONAL not in str(await truth.fetch("SELECT * FROM change_set"))
    await holds_what_the_server_does(worker, truth)
