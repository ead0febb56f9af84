"""A border moved between two grids that go on, and with it everything that was written before anybody could know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from schemas.wire import Base, Capture, Change, ChangeOutcome, Fix
from server.services import Services
from server.usecases.explaining import explain_item
from sync.feed import unsigned64
from tests.builders import (
    CHIEF,
    GRIDS,
    MATE,
    NEIGHBOUR,
    WORKER,
    Phone,
    build_city,
    caller,
    capture,
    create,
    enrol,
    grid_id,
)
from tests.integration.crosswalk_scene import FAR
from tests.integration.registry_change_scene import apply, code_of, plan_files, split_of_first, spot, strip

pytestmark = pytest.mark.long

NOWHERE = Fix(FAR["lon"], FAR["lat"], "wgs84", 5.0)
GIVEN = 0.9
"""A place in the first grid that the redraw gives to the second."""
KEPT = 0.2


@pytest.fixture
async def phone(services: Services) -> Phone:
    """A phone that knows the registry of version 1."""
    await build_city(services)
    return await enrol(services, WORKER)


def written(type_code: str = "0102", grid: str | None = GRIDS[0], at: float = GIVEN, **fields: Any) -> Change:
    """A new item in the first grid, at a place of the city's strip; the phone stood where no grid is."""
    made = create(type_code, **fields)
    placed = made.fields | ({"location": spot(at)} if "location" in made.fields else {})
    return replace(made, grid=grid, capture=replace(made.capture, position=NOWHERE), fields=placed)


async def redraw(services: Services) -> None:
    """The eastern quarter of the first grid goes to the second one."""
    await change(services, plan_files({"redraw": [GRIDS[0], GRIDS[1]]}, s001=strip(0, 0.75), s002=strip(0.75, 2)))


async def change(services: Services, plan: Any) -> None:
    await apply(services, plan)
    services.registry_holder._checked_at = float("-inf")
    await services.registry_holder.refresh()


async def outcomes(phone: Phone, *changes: Change) -> list[str]:
    return [told(one) for one in (await phone.push(*changes)).outcomes]


def told(one: ChangeOutcome) -> str:
    return f"{one.outcome} {one.code or ''}".strip()


async def edit(truth: asyncpg.Connection, item: UUID, **more: Any) -> Change:
    """An edit on the item as it is now."""
    row = await truth.fetchrow("SELECT type, version, rev FROM item WHERE id = $1", item)
    base = Base(row["version"], f"{unsigned64(row['rev']):016x}")
    return replace(Change("update", item, row["type"], capture(), base=base), **more)


async def sentence(services: Services, item: UUID) -> str:
    return (await explain_item(services, await caller(services, CHIEF), item)).revisions[-1].en


async def test_a_record_on_ground_that_was_given_away_arrives_and_lies_where_the_ground_lies(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    record = written()
    await redraw(services)
    assert await outcomes(phone, record) == ["rebased"]
    assert await code_of(truth, record.item) == GRIDS[1]
    assert await truth.fetchval("SELECT in_own_stream FROM item WHERE id = $1", record.item)
    assert await sentence(services, record.item) == (
        f"Written against {GRIDS[0]} at registry 1; redrawn at 2, this ground went to {GRIDS[1]}; "
        f"the fix, 5 m accuracy, lies in {GRIDS[1]}, 140 m from its border; "
        f"the code says {GRIDS[0]}, which moved nothing."
    )


async def test_what_names_no_code_is_carried_by_its_ground_alone(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    given, kept = written(grid=None), written(grid=None, at=KEPT)
    await redraw(services)
    assert await outcomes(phone, given, kept) == ["rebased", "applied"]
    assert [await code_of(truth, one.item) for one in (given, kept)] == [GRIDS[1], GRIDS[0]]
    assert (await sentence(services, given.item)).startswith(
        f"Written against {GRIDS[0]} at registry 1; redrawn at 2, this ground went to {GRIDS[1]}; the fix, "
    )
    assert "redrawn" not in await sentence(services, kept.item)


async def test_what_refers_to_ground_that_was_given_away_goes_with_it(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """A dwelling that the server knew, and one that the phone brings with its resident."""
    known = await phone.report("0102", location=spot(GIVEN))
    brought = written()
    residents = [written("0101", dwelling=str(one)) for one in (known, brought.item)]
    await redraw(services)
    assert await outcomes(phone, residents[0]) == ["rebased"]
    assert await outcomes(phone, brought, residents[1]) == ["rebased", "rebased"]
    assert [await code_of(truth, one.item) for one in residents] == [GRIDS[1], GRIDS[1]]
    assert await sentence(services, residents[0].item) == (
        f"Written against {GRIDS[0]} at registry 1; redrawn at 2, this ground went to {GRIDS[1]}; "
        f"what it refers to lies in {GRIDS[1]}; the code says {GRIDS[0]}, which moved nothing."
    )


async def test_a_resident_may_come_in_a_later_set_than_its_dwelling(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    dwelling = written()
    resident = written("0101", dwelling=str(dwelling.item))
    await redraw(services)
    assert await outcomes(phone, dwelling) + await outcomes(phone, resident) == ["rebased", "rebased"]
    assert await code_of(truth, resident.item) == GRIDS[1]


@pytest.mark.parametrize("op", ["update", "delete"])
async def test_an_edit_written_before_the_redraw_is_its_authors_to_make(
    services: Services, truth: asyncpg.Connection, phone: Phone, op: str
) -> None:
    mate = await enrol(services, MATE)
    item = await phone.report("0102", location=spot(GIVEN))
    more = {"op": op, "fields": {"address": "旧界内 9 号"} if op == "update" else {}}
    written_before = await edit(truth, item, **more)
    await redraw(services)
    assert await code_of(truth, item) == GRIDS[1]
    assert await outcomes(mate, written_before) == ["applied"]


async def test_an_item_that_arrived_on_ground_given_away_is_edited_by_the_sets_behind_it(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    record = written()
    await redraw(services)
    assert await outcomes(phone, record) == ["rebased"]
    later = Change("update", record.item, "0102", capture(), fields={"address": "旧界内 9 号"})
    assert await outcomes(phone, later) == ["applied"]
    assert await code_of(truth, record.item) == GRIDS[1]


async def test_the_new_holder_of_the_ground_writes_there_and_its_former_one_no_more(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """Once his phone has the new registry, and he writes after it was published."""
    neighbour = await enrol(services, NEIGHBOUR)
    await redraw(services)
    phone.registry = neighbour.registry = 2
    record = written()
    now = replace(record, capture=Capture(datetime.now(UTC), 60_000, "boot", NOWHERE))
    assert await outcomes(phone, now) == ["quarantined out_of_scope"]
    assert await outcomes(neighbour, replace(now, item=uuid4(), grid=GRIDS[1])) == ["applied"]


async def test_what_was_written_before_but_sealed_after_is_judged_by_when_it_was_written(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    record = written()  # a minute ago
    await redraw(services)
    phone.registry = 2
    assert await outcomes(phone, record) == ["rebased"]


async def test_ground_that_never_was_his_is_not_his_for_being_redrawn(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    foreign = written(at=1.5)
    await redraw(services)
    assert await outcomes(phone, foreign) == ["quarantined out_of_scope"]


async def test_a_registry_older_than_the_lease_says_nothing_of_whose_ground_it_is(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    record = written()
    await redraw(services)
    days = services.settings.offline_lease_days
    await truth.execute(
        "UPDATE registry_version SET published_at = now() - make_interval(days => $1 * (3 - version))", days + 1
    )
    services.registry_holder.registry = type(services.registry)(0, [])
    await services.registry_holder.refresh()
    assert await outcomes(phone, record) == ["quarantined out_of_scope"]


async def test_who_did_not_work_there_when_he_wrote_gains_nothing_by_an_old_registry(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    record = written()
    await redraw(services)
    await truth.execute("UPDATE assignment SET valid_to = now() - interval '1 hour' WHERE user_id = $1", WORKER.id)
    assert (await outcomes(phone, record))[0].startswith("quarantined")


async def test_ground_is_followed_through_a_redraw_and_a_split(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """The grid that took the ground was itself split later."""
    record = written()
    await redraw(services)
    into = [{"code": f"{GRIDS[1][:12]}014", "name": "甲"}, {"code": f"{GRIDS[1][:12]}015", "name": "乙"}]
    split = plan_files({"split": GRIDS[1], "into": into}, registry=2, s014=strip(0.75, 1.2), s015=strip(1.2, 2))
    await change(services, split)
    assert await outcomes(phone, record) == ["rebased"]
    assert await code_of(truth, record.item) == into[0]["code"]
    assert (await sentence(services, record.item)).startswith(
        f"Written against {GRIDS[0]} at registry 1; redrawn at 2, this ground went to {GRIDS[1]}; "
        f"split at 3 into {into[0]['code']} and {into[1]['code']}; the fix, 5 m accuracy, lies in "
    )


async def test_what_moved_with_the_ground_says_so(services: Services, truth: asyncpg.Connection, phone: Phone) -> None:
    item = await phone.report("0102", location=spot(GIVEN))
    await redraw(services)
    assert await sentence(services, item) == (
        f"Written against {GRIDS[0]} at registry 1; redrawn at 2, this ground went to {GRIDS[1]}; "
        f"its own point lies in {GRIDS[1]}."
    )


# The same for grids that end, or go to another community ---------------------------------------------------------


async def test_an_edit_by_a_colleague_arrives_though_the_split_left_its_item_to_a_person(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    mate = await enrol(services, MATE)
    item = await phone.report("0404", location=spot(0.5))
    written_before = await edit(truth, item, fields={"water_name": "小塘"})
    await change(services, split_of_first())
    assert await code_of(truth, item) is None
    assert (await outcomes(mate, written_before))[0] in ("applied", "merged")
    assert await truth.fetchval("SELECT clear ->> 'water_name' FROM item WHERE id = $1", item) == "小塘"


async def test_an_event_in_a_grid_that_went_to_another_county_is_reported_from_the_former_one(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    """Events are reported anywhere in the worker's county, as the counties were when he wrote."""
    county, street, community = "341102000000", "341102001000", "341102001001"
    await truth.execute(
        "INSERT INTO division (code, parent, tier, name_zh, name_en, synthetic) VALUES"
        " ($1, '341100000000', 'county', '琅琊区', '', false), ($2, $1, 'street', '街道', '', false),"
        " ($3, $2, 'community', '社区', '', false)",
        *(county, street, community),
    )
    there, ours = written("0401", grid=None, at=1.5), written("0401", at=KEPT)
    await truth.execute(
        """
        WITH published AS (INSERT INTO registry_version (version, note) VALUES (2, 'move') RETURNING version),
            ended AS (UPDATE grid_label SET to_version = 2 WHERE grid_id = $1 RETURNING *),
            given AS (INSERT INTO grid_code SELECT $2, $1),
            step AS (INSERT INTO lineage SELECT version, 1, 'move', ARRAY[$1]::uuid[], ARRAY[$1]::uuid[] FROM published)
        INSERT INTO grid_label (grid_id, from_version, code, community, kind, name, outline)
        SELECT grid_id, 2, $2, $3, kind, name, outline FROM ended
        """,
        *(grid_id(GRIDS[1]), f"{community}001", community),
    )
    services.registry_holder._checked_at = float("-inf")
    await services.registry_holder.refresh()
    assert services.registry.version == 2
    assert await outcomes(phone, there, ours) == ["applied", "applied"]
    phone.registry = 2
    after = replace(there, item=uuid4(), capture=Capture(datetime.now(UTC), 60_000, "boot", NOWHERE))
    assert await outcomes(phone, after) == ["quarantined out_of_scope"]
