"""What a person places or releases after the registry changed once more: its candidates, its review, its author."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.quarantine_release import ReleaseOrder, release
from tests.builders import CADRE, CHIEF, EAST, GRIDS, WORKER, Phone, build_city, caller, enrol
from tests.integration.crosswalk_scene import Scene
from tests.integration.registry_change_scene import FIRST, SECOND, code_of, plan_files, split_of_first, strip
from tests.integration.test_redraw import change, outcomes, written

pytestmark = pytest.mark.long

THIRD, FOURTH, JOINED = (f"{EAST}0{number}" for number in (14, 15, 16))


@pytest.fixture
async def scene(services: Services, truth: asyncpg.Connection) -> Scene:
    await build_city(services)
    return Scene(services, truth, await enrol(services, WORKER))


async def split_second(services: Services) -> None:
    """The second half of the first grid is halved again."""
    into = [{"code": THIRD, "name": "丙"}, {"code": FOURTH, "name": "丁"}]
    files = plan_files({"split": SECOND, "into": into}, registry=2, s014=strip(0.5, 0.7), s015=strip(0.7, 1))
    await change(services, files)


async def unplaced(scene: Scene) -> tuple[UUID, UUID]:
    """An item whose grid was split, and that nothing places; and its conflict."""
    item = await scene.phone.report("0501")
    await change(scene.services, split_of_first())
    return item, await scene.truth.fetchval("SELECT id FROM conflict WHERE item_id = $1", item)


async def candidates(scene: Scene, conflict: UUID) -> list[str]:
    claim = (await scene.show(conflict, CADRE)).claim
    assert claim is not None
    return [one.code for one in claim.candidates]


async def test_candidates_are_grids_of_today(scene: Scene) -> None:
    item, conflict = await unplaced(scene)
    assert await candidates(scene, conflict) == [FIRST, SECOND]
    await split_second(scene.services)
    assert await candidates(scene, conflict) == [FIRST, THIRD, FOURTH]
    with pytest.raises(Problem) as refused:
        await scene.settle(conflict, CADRE, SECOND)
    assert refused.value.code == "resolution_invalid"
    assert THIRD in str(refused.value.en)
    assert FOURTH in str(refused.value.zh)
    await scene.settle(conflict, CADRE, FOURTH)
    assert await code_of(scene.truth, item) == FOURTH


async def test_a_code_that_ended_leads_to_its_only_successor(scene: Scene) -> None:
    item, conflict = await unplaced(scene)
    into = {"code": JOINED, "name": "合"}
    await change(scene.services, plan_files({"merge": [FIRST, SECOND], "into": into}, registry=2))
    assert await candidates(scene, conflict) == [JOINED]
    done = await scene.settle(conflict, CADRE, FIRST)
    assert done.grid == await code_of(scene.truth, item) == JOINED


@pytest.mark.parametrize("state", ["approved", "pending", "returned"])
async def test_what_a_person_places_keeps_the_review_that_it_had(scene: Scene, state: str) -> None:
    item = await scene.phone.report("0501")
    await scene.truth.execute(
        "UPDATE review r SET state = $2, level = 2, approved_version = CASE WHEN $2 = 'approved' THEN i.version END,"
        " approved_rev = CASE WHEN $2 = 'approved' THEN i.rev END FROM item i WHERE i.id = r.item_id AND i.id = $1",
        *(item, state),
    )
    await change(scene.services, split_of_first())
    conflict = await scene.truth.fetchval("SELECT id FROM conflict WHERE item_id = $1", item)
    await scene.settle(conflict, CADRE, SECOND)
    assert await review_of(scene, item) == (state, 2, True, state == "approved", 3)


@pytest.mark.parametrize("state", ["approved", "pending", "returned"])
async def test_so_it_does_where_the_place_was_taken_back_and_told_again(scene: Scene, state: str) -> None:
    """In between it lies nowhere, and its review waits with it."""
    item, conflict = await unplaced(scene)
    await scene.settle(conflict, CADRE, SECOND)
    steps = await scene.truth.fetchval("SELECT count(*) FROM review_steps WHERE item_id = $1", item)
    await scene.truth.execute(
        "UPDATE review r SET state = $2, level = 2, approved_version = CASE WHEN $2 = 'approved' THEN i.version END,"
        " approved_rev = CASE WHEN $2 = 'approved' THEN i.rev END FROM item i WHERE i.id = r.item_id AND i.id = $1",
        *(item, state),
    )
    for place, version in ((None, 4), (FIRST, 5), (None, 6), (SECOND, 7)):
        await (scene.undo(conflict, CADRE) if place is None else scene.settle(conflict, CADRE, place))
        assert await code_of(scene.truth, item) == place
        assert await review_of(scene, item) == (state, 2, True, state == "approved", version)
    assert await scene.truth.fetchval("SELECT count(*) FROM review_steps WHERE item_id = $1", item) == steps


async def test_what_its_author_wrote_in_between_is_reviewed(scene: Scene) -> None:
    item, conflict = await unplaced(scene)
    await scene.settle(conflict, CADRE, SECOND)
    await scene.truth.execute("UPDATE review SET state = 'approved', level = 2 WHERE item_id = $1", item)
    await scene.undo(conflict, CADRE)
    await scene.phone.correct(item, cause="又有新情况")
    assert (await review_of(scene, item))[:3] == ("approved", 2, False)
    await scene.settle(conflict, CADRE, FIRST)
    assert (await review_of(scene, item))[:3] == ("pending", 1, True)


async def review_of(scene: Scene, item: UUID) -> tuple[object, ...]:
    """Its state and level, whether it is about the head, whether that is approved, and the head's version."""
    row = await scene.truth.fetchrow(
        "SELECT r.state, r.level, r.version = i.version AND r.rev = i.rev AS head,"
        " coalesce(r.approved_version = i.version AND r.approved_rev = i.rev, false) AS approved, i.version"
        " FROM review r JOIN item i ON i.id = r.item_id WHERE i.id = $1",
        item,
    )
    return tuple(row)


async def test_its_author_is_told_what_was_released(
    services: Services, truth: asyncpg.Connection, scene: Scene
) -> None:
    phone: Phone = scene.phone
    foreign = written(grid=GRIDS[1], at=1.5)
    assert await outcomes(phone, foreign) == ["quarantined out_of_scope"]
    held = await truth.fetchval("SELECT id FROM quarantine WHERE item_id = $1", foreign.item)
    order = ReleaseOrder(actor=await caller(services, CHIEF), reason="确属帮办", now=datetime.now(UTC))
    tried = ReleaseOrder(actor=order.actor, reason=order.reason, now=order.now, dry_run=True)
    await release(services, tried, (held, held))
    assert await truth.fetchval("SELECT count(*) FROM notice") == 0
    await release(services, order, (held, held))
    (notice,) = await truth.fetch("SELECT * FROM notice")
    assert (notice["user_id"], notice["kind"], notice["code"]) == (WORKER.id, "notice", "released")
    assert (notice["item_id"], notice["open"]) == (foreign.item, True)
    assert await scene.streams(notice["id"]) == {f"own/{WORKER.id}"}
