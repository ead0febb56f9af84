"""What counts on after a restore never comes to a number that a lost life gave to something else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from server.db import items
from server.db.database import Transaction
from server.services import Services
from server.usecases.epochs import begin_epoch
from server.usecases.feeding import touch_items
from tests.builders import WORKER, build_city, enrol

_COUNTED_FROM = datetime(2024, 1, 1, tzinfo=UTC)


async def life_began(truth: asyncpg.Connection) -> int:
    """When the present life began, in the unit in which counts go on: nothing is touched twice in a millisecond."""
    began = await truth.fetchval("SELECT began_at FROM epoch ORDER BY seq DESC LIMIT 1")
    return (began - _COUNTED_FROM) // timedelta(milliseconds=1)


@pytest.fixture
async def item(services: Services) -> object:
    await build_city(services)
    return await (await enrol(services, WORKER)).report("0102")


async def test_touches_of_another_life_are_others(services: Services, item: object, truth: asyncpg.Connection) -> None:
    """Two lives that touched an item once each look the same by the count, and say different things of it."""
    touched = "SELECT touch FROM item WHERE id = $1"
    for wanted in (1, 2):
        await services.database.write(lambda tx: touch_items(tx, [item]))
        assert await truth.fetchval(touched, item) == wanted
    await services.database.write(lambda tx: begin_epoch(tx, "restored", "of the test"))
    await services.database.write(lambda tx: touch_items(tx, [item]))
    first = await truth.fetchval(touched, item)
    assert first == await life_began(truth)
    await services.database.write(lambda tx: touch_items(tx, [item]))
    assert await truth.fetchval(touched, item) == first + 1


async def test_notices_of_another_life_are_others(services: Services, item: object, truth: asyncpg.Connection) -> None:
    async def tell(tx: Transaction) -> int:
        row = {"id": told, "user_id": WORKER.id, "kind": "todo", "code": "returned", "item_id": item, "open": True}
        (notice,) = await items.upsert_notices(tx.connection, [row | {"created_at": "2026-01-01T00:00:00Z"}])
        return notice["version"]

    told = uuid4()
    assert [await services.database.write(tell) for _ in range(2)] == [1, 2]
    await services.database.write(lambda tx: begin_epoch(tx, "restored", "of the test"))
    again = await services.database.write(tell)
    assert again == await life_began(truth)
    told = uuid4()
    assert await services.database.write(tell) >= again
