"""What a push begins beside the revision: a review, a case, and the steps that tell how they came about."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from server.db.database import Database
from server.services import Services
from server.settings import Settings
from tests import builders
from tests.builders import (
    CHIEF,
    EAST,
    GRIDS,
    MATE,
    STREET,
    WORKER,
    create,
    deliver,
    enrol,
    organisation,
    photo,
    point,
)
from tests.integration.office import case_of, case_path, review_of, review_path


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


async def test_a_report_waits_for_its_grid_chief(services: Services, truth: asyncpg.Connection) -> None:
    item_id = await (await enrol(services, WORKER)).report("0401", urgency="normal")
    review, case = await review_of(truth, item_id), await case_of(truth, item_id)
    asked = (review["state"], review["level"], review["asked_by"], review["asked_tier"])
    assert asked == ("pending", 1, "grid_chief", "grid")
    assert review["authors"] == [WORKER.id]
    assert (case["state"], case["urgency"], case["department"]) == ("reported", "normal", "xiaofang")
    assert case["accept_by"] > case["opened_at"]
    assert case["organisation_id"] is None
    assert await case_path(truth, item_id) == [("report", None, "reported")]
    assert await review_path(truth, item_id) == [("submitted", WORKER.id)]


async def test_a_record_has_a_review_and_no_case(services: Services, truth: asyncpg.Connection) -> None:
    item_id = await (await enrol(services, WORKER)).report("0102")
    assert (await review_of(truth, item_id))["state"] == "approved"
    assert not await truth.fetchval("SELECT count(*) FROM cases")


async def test_a_chiefs_own_report_is_reviewed_by_the_community(services: Services, truth: asyncpg.Connection) -> None:
    item_id = await (await enrol(services, CHIEF)).report("0401")
    review = await review_of(truth, item_id)
    assert (review["asked_by"], review["asked_tier"]) == ("community", "community")


async def test_what_waits_for_photos_alone_is_approved_when_they_are_verified(
    services: Services, truth: asyncpg.Connection
) -> None:
    item_id = await (await enrol(services, WORKER)).report("0105", photos=[photo(1)])
    review = await review_of(truth, item_id)
    assert (review["state"], review["waits_for_evidence"], review["asked_by"]) == ("pending", True, None)
    touch = await truth.fetchval("SELECT touch FROM item WHERE id = $1", item_id)
    await deliver(services, WORKER, 1)
    review = await review_of(truth, item_id)
    assert (review["state"], review["approved_version"], review["waits_for_evidence"]) == ("approved", 1, False)
    assert await review_path(truth, item_id) == [("submitted", WORKER.id), ("approved", None)]
    assert await truth.fetchval("SELECT touch FROM item WHERE id = $1", item_id) > touch


async def test_of_one_set_what_has_its_photo_verified_before_is_approved_and_the_rest_waits(
    services: Services, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    await phone.report("0105", photos=[photo(1)])
    await deliver(services, WORKER, 1)
    waits, verified, waits_too = [create("0105", photos=[photo(number)]) for number in (2, 1, 3)]
    await phone.push(waits, verified, waits_too)
    states = [(await review_of(truth, one.item))["state"] for one in (waits, verified, waits_too)]
    assert states == ["pending", "approved", "pending"]
    assert await review_path(truth, verified.item) == [("submitted", WORKER.id), ("approved", None)]


async def test_a_photo_taken_out_of_the_form_proves_nothing_any_more(
    services: Services, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item_id = await phone.report("0105", photos=[photo(1)])
    await deliver(services, WORKER, 1)
    await phone.correct(item_id, photos=[photo(2)])
    assert (await review_of(truth, item_id))["state"] == "pending"
    await deliver(services, WORKER, 2)
    assert (await review_of(truth, item_id))["approved_version"] == 2


async def test_what_was_fixed_on_the_spot_closes_once_its_photos_are_verified(
    services: Services, truth: asyncpg.Connection
) -> None:
    both = [photo(1), photo(2, "close")]
    item_id = await (await enrol(services, WORKER)).report("0401", fixed_on_site=True, photos=both)
    await deliver(services, WORKER, 1)
    assert (await case_of(truth, item_id))["state"] == "reported"
    await deliver(services, WORKER, 2)
    assert (await case_of(truth, item_id))["state"] == "closed"
    assert await case_path(truth, item_id) == [("report", None, "reported"), ("close", "reported", "closed")]
    assert (await review_of(truth, item_id))["waits_for_evidence"] is False


async def test_an_urgent_petition_goes_straight_to_the_nearest_organisation(
    services: Services, truth: asyncpg.Connection
) -> None:
    item_id = await (await enrol(services, WORKER)).report("0504", urgency="urgent")
    case = await case_of(truth, item_id)
    assert (case["state"], case["organisation_id"]) == ("dispatched", organisation("xinfang", STREET).id)
    assert case["respond_by"] is not None
    assert [action for action, _, _ in await case_path(truth, item_id)] == ["report", "accept", "dispatch"]
    assert (await review_of(truth, item_id))["state"] == "pending"


async def test_a_normal_petition_waits_for_its_review(services: Services, truth: asyncpg.Connection) -> None:
    item_id = await (await enrol(services, WORKER)).report("0504", urgency="normal", risk="low")
    assert (await case_of(truth, item_id))["state"] == "reported"


async def test_a_correction_begins_the_review_anew_and_keeps_who_wrote(
    services: Services, truth: asyncpg.Connection
) -> None:
    item_id = await (await enrol(services, WORKER)).report("0401", urgency="normal")
    await (await enrol(services, MATE)).correct(item_id, description="堆放已清理一半")
    review = await review_of(truth, item_id)
    assert (review["version"], review["state"], review["authors"]) == (2, "pending", [WORKER.id, MATE.id])
    assert await review_path(truth, item_id) == [("submitted", WORKER.id), ("submitted", MATE.id)]


async def test_a_report_in_another_community_belongs_there(services: Services, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    change = create("0401", grid=GRIDS[2], location=point(GRIDS[2]))
    assert (await phone.push(change)).outcomes[0].outcome == "applied"
    assert (await review_of(truth, change.item))["asked_by"] == "grid_chief"
    assert await truth.fetchval("SELECT grid_id FROM item WHERE id = $1", change.item) == builders.grid_id(GRIDS[2])
    assert not GRIDS[2].startswith(EAST)


async def test_a_set_of_a_hundred_items_takes_no_more_statements_than_one(
    services: Services, settings_of_test: Settings, truth: asyncpg.Connection
) -> None:
    """Counted on the one connection that the push has, so that nothing is done item by item."""
    database = await Database.connect(settings_of_test.database_url, size=1)
    counted: list[str] = []
    async with database.pool.acquire() as connection:
        connection.add_query_logger(lambda record: counted.append(record.query))
    phone = await enrol(replace(services, database=database), WORKER)
    numbers: list[int] = []
    for size in (1, 1, 100):  # the first one also makes the streams
        counted.clear()
        await phone.push(*[create("0401") for _ in range(size)])
        numbers.append(len(counted))
    await database.close()
    assert await truth.fetchval("SELECT count(*) FROM review") == 102
    assert await truth.fetchval("SELECT count(*) FROM case_steps") == 102
    assert numbers[1] > 5
    assert numbers[2] == numbers[1]
