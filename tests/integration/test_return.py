"""A phone whose enrolment the restored database does not hold: it comes back, and what it still holds comes with it."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import httpx
import pytest

from server.services import Services
from sync.device import Device
from tests.builders import WORKER, build_city, form
from tests.phones import FieldPhone, field_phone


@pytest.fixture
async def phone(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    await build_city(services)
    return await field_phone(services, app_client, WORKER)


async def restore_to_before_the_enrolment(truth: asyncpg.Connection, phone: FieldPhone) -> None:
    async with truth.transaction():
        await truth.execute("TRUNCATE counter, session")
        await truth.execute("DELETE FROM device WHERE id = $1", phone.device_id)
        await truth.execute("INSERT INTO epoch (id, reason) VALUES ($1, 'restored')", uuid4().hex[:12])


async def test_what_the_phone_has_not_sent_comes_back_with_it(phone: FieldPhone, truth: asyncpg.Connection) -> None:
    await phone.sync()
    unsent = phone.create("0102", form("0102"))
    phone.seal()
    await restore_to_before_the_enrolment(truth, phone)
    assert (await phone.send())[1].status_code == 401
    response = await phone.come_back()
    assert response.status_code == 200, response.text
    assert response.json()["device"] == str(phone.device_id)
    await phone.sync()
    assert phone.device.unsent == 0
    assert {item.id for item in phone.device.items()} == {unsent}
    assert [row["device_id"] for row in await truth.fetch("SELECT device_id FROM revision")] == [phone.device_id]


async def test_a_restarted_app_still_has_its_ticket(phone: FieldPhone) -> None:
    ticket = phone.device.ticket
    assert ticket
    assert Device.restore(phone.device.snapshot()).ticket == ticket
