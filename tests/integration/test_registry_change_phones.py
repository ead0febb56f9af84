"""A grid is split while phones hold it: nothing is ever out of sight, and what was written offline arrives."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import asyncpg
import httpx
import pytest

from server.services import Services
from tests.builders import GRIDS, MATE, WORKER, build_city, enrol, form
from tests.integration.registry_change_scene import FIRST, SECOND, code_of, split_of_first, spot
from tests.integration.test_conflicts import assert_streams_add_up
from tests.integration.test_registry_applying import job_of, look_again, publish_only
from tests.phones import FieldPhone, field_phone

pytestmark = pytest.mark.long

PLACES = (0.1, 0.2, 0.3, 0.6, 0.7, 0.8)


def seen(phone: FieldPhone, items: Iterable[UUID]) -> dict[UUID, tuple[int, str | None]]:
    """What a phone shows of these: version and the code of the grid."""
    shown = {item: phone.device.visible(item) for item in items}
    return {item: (one.version, one.code) for item, one in shown.items() if one is not None}


async def test_every_phone_shows_every_item_at_every_moment(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.usecases.registry_moving.BATCH", 2)
    await build_city(services)
    author = await enrol(services, WORKER)
    items = [await author.report("0102", location=spot(place)) for place in PLACES]
    worker, mate = [await field_phone(services, app_client, person) for person in (WORKER, MATE)]
    for phone in (worker, mate):
        await phone.sync()
    worker.edit(items[0], address="改过的门牌")
    worker.seal()
    record = worker.create("0102", form("0102") | {"location": spot(0.9)})
    worker.seal()
    version = await publish_only(services, split_of_first(team=[{"user": MATE.phone, "role": "grid_worker"}]))
    await look_again(services)
    job = await job_of(services, version)
    while True:
        await mate.sync()
        assert seen(mate, items).keys() == set(items)
        if await job.batch() is None:
            break
    answers = await worker.sync()
    outcomes = [one.outcome for answer in answers for receipt in answer.receipts for one in receipt.outcomes]
    assert set(outcomes) <= {"applied", "merged", "rebased"}
    assert len(outcomes) == 2
    assert [await code_of(truth, one) for one in (items[0], record)] == [FIRST, SECOND]
    for phone in (worker, mate):
        await phone.sync()
    fresh = await field_phone(services, app_client, MATE)
    await fresh.sync()
    every = [*items, record]
    assert seen(mate, every) == seen(fresh, every)
    assert seen(mate, every).keys() == set(every)
    # Whom the plan does not name in the western half sees the eastern one alone.
    assert seen(worker, every).keys() == {*items[3:], record}
    await assert_streams_add_up(truth)


async def test_what_is_written_under_the_old_code_comes_to_the_successor_of_its_place(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    """Offline all the while; a phone that has heard nothing of the split is understood."""
    await build_city(services)
    worker = await field_phone(services, app_client, WORKER)
    await worker.sync()
    written = [worker.create("0102", form("0102") | {"location": spot(place)}, GRIDS[0]) for place in (0.2, 0.8)]
    worker.seal()
    version = await publish_only(services, split_of_first())
    await look_again(services)
    assert await (await job_of(services, version)).batch() is None
    await worker.sync()
    assert [await code_of(truth, one) for one in written] == [FIRST, SECOND]
    assert seen(worker, written).keys() == set(written)
