"""A phone whose clock is wrong: when it wrote something is estimated, and whoever reads the history is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from schemas.wire import Base, Change, Clock
from server.services import Services
from server.usecases.push import Arrival, push_set
from tests.builders import CHIEF, WORKER, Phone, build_city, capture, create, enrol, sign_in
from tests.integration.console_scene import at_console
from tests.integration.terminal import shell

UPTIME = 7_200_000
SLOW = timedelta(hours=26)


@pytest.fixture
async def phone(services: Services) -> Phone:
    await build_city(services)
    return await enrol(services, WORKER)


async def send(phone: Phone, wrong: timedelta, *changes: Change) -> None:
    """Push changes from a phone whose wall clock is so far wrong; each was written five minutes ago."""
    phone.no += 1
    now = datetime.now(UTC)
    await phone.services.database.pool.execute("UPDATE device SET enrolled_at = $1", now - timedelta(days=1))
    at = replace(capture(), wall=now - timedelta(minutes=5) + wrong, mono=UPTIME - 300_000)
    dated = tuple(replace(change, capture=at) for change in changes)
    arrival = Arrival(
        phone.device_id, phone.epoch, phone.no, phone.encode(dated, phone.no), Clock(now + wrong, UPTIME, "boot"), now
    )
    receipt = await push_set(phone.services, arrival)
    assert receipt is not None
    assert [one.outcome for one in receipt.outcomes] == ["applied"] * len(changes)


async def edit(phone: Phone, wrong: timedelta, item: UUID, **fields: Any) -> None:
    row = await phone.services.database.pool.fetchrow("SELECT type, version, rev FROM item WHERE id = $1", item)
    base = Base(row["version"], f"{row['rev'] % 2**64:016x}")
    await send(phone, wrong, Change("update", item, row["type"], capture(), base=base, fields=fields))


async def skews(truth: asyncpg.Connection, item: UUID) -> list[int | None]:
    rows = await truth.fetch("SELECT skew FROM revision WHERE item_id = $1 ORDER BY version", item)
    return [row["skew"] for row in rows]


async def test_creations_and_edits_keep_by_how_much_the_clock_was_wrong(
    phone: Phone, truth: asyncpg.Connection
) -> None:
    slow, right = create("0105"), create("0105")
    await send(phone, -SLOW, slow)
    await send(phone, timedelta(minutes=4), right)
    await edit(phone, timedelta(0), slow.item, name="东门")
    await edit(phone, timedelta(days=3650), right.item, name="西门")
    # A creation and an edit of it in one set go another way than a creation alone.
    both = create("0105")
    await send(phone, -SLOW, both, Change("update", both.item, "0105", capture(), fields={"name": "南门"}))
    assert await skews(truth, slow.item) == [-93_600, None]
    assert await skews(truth, right.item) == [None, 315_360_000]
    assert await skews(truth, both.item) == [-93_600, -93_600]
    for row in await truth.fetch("SELECT captured_at, received_at FROM revision"):
        assert abs(row["received_at"] - row["captured_at"] - timedelta(minutes=5)) < timedelta(seconds=1)


async def test_the_history_tells_it_in_the_api_at_the_console_and_at_the_command_line(
    phone: Phone, services: Services, app_client: httpx.AsyncClient, environ: dict[str, str]
) -> None:
    item = create("0105")
    await send(phone, -SLOW, item)
    await edit(phone, timedelta(minutes=30), item.item, name="东门")
    header = await sign_in(services, CHIEF)
    history = (await app_client.get(f"/v1/items/{item.item}", headers=header)).json()["history"]
    assert [one["skew"] for one in history] == [-93_600, 1_800]
    shown = await shell(environ, "item", "show", str(item.item), "--as", CHIEF.phone)
    assert "手机时钟慢 the phone's clock was behind: 1 day, 2:00:00" in shown.out, shown
    assert "手机时钟快 the phone's clock was ahead: 0:30:00" in shown.out
    page = await (await at_console(services, app_client, CHIEF)).get(f"/console/items/{item.item}")
    assert "手机时钟慢 26 小时" in page.text
    assert "手机时钟快 30 分钟" in page.text
