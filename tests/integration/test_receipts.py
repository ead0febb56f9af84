"""Receipts that were cut down answer as those that were not."""

from __future__ import annotations

import asyncpg
import httpx
import msgspec
import pytest

from schemas.wire import Receipt
from server.services import Services
from server.usecases.push import Arrival, push_set
from server.usecases.receipts import prune
from tests.builders import GRIDS, WORKER, Phone, build_city, create, enrol
from tests.phones import clock, field_phone


@pytest.fixture
async def phone(services: Services) -> Phone:
    await build_city(services)
    return await enrol(services, WORKER)


async def send(phone: Phone, no: int, raw: bytes) -> Receipt:
    now = clock()
    receipt = await push_set(phone.services, Arrival(phone.device_id, phone.epoch, no, raw, now, now.wall))
    assert receipt is not None
    return receipt


async def push_everything(phone: Phone) -> list[tuple[bytes, Receipt]]:
    """Sets of every status and of outcomes with words from the catalogue, from a form, and without any."""
    house = create("0102")
    sets = [
        phone.encode((house, create("0401")), 1),
        phone.encode((create("0102", rooms_let="many"), create("0102", address="x" * 5_000)), 2),
        phone.encode((create("0102", grid=GRIDS[2]),), 3),
        b'{"no": 4}',
        phone.encode((house,), 9),
        phone.encode((house,), 6).replace(b'"catalogue":"', b'"catalogue":"0'),
    ]
    return [(raw, await send(phone, no, raw)) for no, raw in enumerate(sets, 1)]


ACKNOWLEDGE = "UPDATE counter SET acknowledged = $1"


async def test_a_set_sent_again_gets_the_same_receipt_before_and_after(phone: Phone, truth: asyncpg.Connection) -> None:
    pushed = await push_everything(phone)
    said = [outcome.code for _, receipt in pushed for outcome in receipt.outcomes]
    assert {receipt.status for _, receipt in pushed} == {"decided", "rejected", "quarantined"}
    assert {"field_type", "field_too_long", "out_of_scope", None} <= set(said), said
    size = await truth.fetchval("SELECT sum(pg_column_size(receipt)) FROM change_set")
    raw = await truth.fetch("SELECT no, hash, sealed, wrapped, size FROM change_set ORDER BY no")
    await truth.execute(ACKNOWLEDGE, len(pushed))
    assert await prune(phone.services) == len(pushed)
    assert await truth.fetchval("SELECT sum(pg_column_size(receipt)) FROM change_set") < 0.6 * size
    assert await truth.fetch("SELECT no, hash, sealed, wrapped, size FROM change_set ORDER BY no") == raw
    for no, (sent, receipt) in enumerate(pushed, 1):
        again = await send(phone, no, sent)
        assert msgspec.json.encode(again) == msgspec.json.encode(receipt)


async def test_what_codes_stand_for_is_not_kept(phone: Phone, truth: asyncpg.Connection) -> None:
    await push_everything(phone)
    await truth.execute(ACKNOWLEDGE, 6)
    await prune(phone.services)
    kept = {row["no"]: msgspec.json.decode(row["receipt"]) for row in await truth.fetch("SELECT * FROM change_set")}
    assert all("hash" not in receipt and "no" not in receipt for receipt in kept.values())
    assert set(kept[3]["outcomes"][0]) == {"item", "outcome", "code"}
    assert {"field", "zh", "en"} < set(kept[2]["outcomes"][0])
    assert set(kept[4]) == {"status", "code", "field"}


async def test_only_what_is_acknowledged_is_cut_down(phone: Phone, truth: asyncpg.Connection) -> None:
    await push_everything(phone)
    assert await prune(phone.services) == 0
    await truth.execute(ACKNOWLEDGE, 2)
    assert await prune(phone.services) == 2
    whole = await truth.fetch("SELECT no FROM change_set WHERE receipt ? 'hash' ORDER BY no")
    assert [row["no"] for row in whole] == [3, 4, 5, 6]
    assert await prune(phone.services) == 0
    await truth.execute(ACKNOWLEDGE, 3)
    assert await prune(phone.services) == 1


async def test_more_than_fits_into_one_transaction(
    phone: Phone, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.usecases.receipts._BATCH", 2)
    await push_everything(phone)
    await truth.execute(ACKNOWLEDGE, 6)
    assert await prune(phone.services) == 6
    assert await truth.fetchval("SELECT pruned FROM counter") == 6


async def test_a_device_that_is_pushing_is_passed_over(
    phone: Phone, truth: asyncpg.Connection, database_url: str
) -> None:
    await push_everything(phone)
    await truth.execute(ACKNOWLEDGE, 6)
    holder = await asyncpg.connect(database_url)
    await holder.execute("BEGIN")
    await holder.execute("SELECT FROM counter FOR UPDATE")
    assert await prune(phone.services) == 0
    await holder.close()
    assert await prune(phone.services) == 6


async def test_a_phone_acknowledges_by_itself(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await build_city(services)
    phone = await field_phone(services, app_client, WORKER)
    for _ in range(2):
        phone.create("0102", {})
        phone.seal()
        await phone.sync()
    await phone.sync()
    assert await truth.fetchval("SELECT acknowledged FROM counter") == 2
    assert await prune(services) == 2
