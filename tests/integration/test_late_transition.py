"""Steps of cases that were taken offline: taken, already so, too late, waiting for photos, settled and undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from json import loads
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.errors import Problem
from server.services import Services
from sync.disputes import Choice
from tests.integration.conflict_scene import DWELLING
from tests.integration.kinds_scene import KindsScene
from tests.integration.test_conflicts import GRID_STREAM, OWN_STREAM, assert_streams_add_up
from tests.integration.town import COMMUNITY_EAST, WORKER_EAST

SERVER, INCOMING = Choice("server"), Choice("incoming")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)


async def hazard(scene: KindsScene, state: str = "handled", photos: bool = True) -> UUID:
    """A fire hazard whose case is in this state."""
    fields = {
        "hazards": ["ebike"], "description": "楼道堆放电动车", "fixed_on_site": False, "location": DWELLING["location"],
        "photos": [{"sha256": "ab" * 32, "size": 1000, "role": "report"}],
    }  # fmt: skip
    change = scene.change("create", fields=fields, type="0401")
    outcome = await scene.one("worker", change)
    assert outcome.outcome == "applied", outcome
    await scene.truth.execute(
        "UPDATE cases SET state = $2, dispatched_at = now() WHERE item_id = $1", change.item, state
    )
    if photos:
        await show_after(scene, change.item)
    return change.item


async def show_after(scene: KindsScene, item: UUID) -> None:
    """Photos from before and after the work, verified."""
    await scene.truth.execute("UPDATE evidence SET state = 'verified'")
    await scene.truth.execute(
        "INSERT INTO evidence (sha256, size, state) VALUES ($1, 1, 'verified') ON CONFLICT DO NOTHING", b"a" * 32
    )
    await scene.truth.execute(
        "INSERT INTO evidence_link (item_id, sha256, size, role) VALUES ($1, $2, 1, 'close')", item, b"a" * 32
    )


async def case(scene: KindsScene, item: UUID) -> str:
    return await scene.truth.fetchval("SELECT state FROM cases WHERE item_id = $1", item)


async def last_step(scene: KindsScene, item: UUID) -> tuple[Any, ...]:
    row = await scene.truth.fetchrow(
        "SELECT action, from_state, to_state, actor_id FROM case_steps WHERE item_id = $1 ORDER BY seq DESC LIMIT 1",
        item,
    )
    return tuple(row)


async def test_a_step_taken_offline_moves_the_case_and_its_entries(scene: KindsScene) -> None:
    item = await hazard(scene)
    before, seen = await scene.item(item), (await scene.entries(item))[GRID_STREAM]
    outcome = await scene.one("worker", scene.step(item, "verify", "handled"))
    assert (outcome.outcome, outcome.version) == ("applied", before.version)
    assert await case(scene, item) == "verified"
    assert await last_step(scene, item) == ("verify", "handled", "verified", WORKER_EAST.id)
    after, entry = await scene.item(item), (await scene.entries(item))[GRID_STREAM]
    assert (after.touch, entry["touch"]) == (before.touch + 1, before.touch + 1)
    assert entry["position"] > seen["position"]


async def test_its_fields_are_stored_with_it(scene: KindsScene) -> None:
    item = await hazard(scene)
    step = scene.step(item, "verify", "handled", fields={"description": "已清理"}, base=await scene.base(item))
    assert (await scene.one("worker", step)).outcome == "applied"
    assert (await scene.item(item)).fields["description"] == "已清理"
    assert await case(scene, item) == "verified"


async def test_a_note_is_sealed(scene: KindsScene) -> None:
    item = await hazard(scene, "closed")
    outcome = await scene.one("worker", scene.step(item, "redo", "handled", "王五家门口还有"))
    assert outcome.outcome == "parked"
    text = "\n".join(line for lines in (await scene.everything()).values() for line in lines)
    assert "王五" not in text
    assert outcome.conflict is not None
    detail = await scene.shown(outcome.conflict, COMMUNITY_EAST)
    assert detail.step is not None
    assert (detail.step.note, detail.step.masked) == ("***", True)


async def test_where_the_case_already_is_there_is_nothing_to_do(scene: KindsScene) -> None:
    item = await hazard(scene, "verified")
    assert (await scene.one("worker", scene.step(item, "verify", "handled"))).outcome == "applied"
    assert await scene.kinds() == []


async def test_a_step_that_comes_too_late_waits_and_is_taken_from_the_present_state(scene: KindsScene) -> None:
    item = await hazard(scene, "closed")
    outcome = await scene.one("worker", scene.step(item, "redo", "handled", "又堆上了"))
    assert outcome.outcome == "parked"
    assert outcome.conflict is not None
    assert await scene.kinds() == [("late_transition", "open")]
    assert await scene.streams_of(outcome.conflict) == {OWN_STREAM}
    detail = await scene.shown(outcome.conflict, COMMUNITY_EAST)
    assert detail.step is not None
    assert (detail.step.action, detail.step.leaves, detail.step.now) == ("redo", "handled", "closed")
    with pytest.raises(Problem) as caught:
        await scene.resolve(outcome.conflict, COMMUNITY_EAST, INCOMING)
    assert caught.value.code == "late_transition"
    await scene.truth.execute("UPDATE cases SET state = 'verified' WHERE item_id = $1", item)
    done = await scene.resolve(outcome.conflict, COMMUNITY_EAST, INCOMING)
    assert done.step == "signed"
    assert await last_step(scene, item) == ("redo", "verified", "signed", WORKER_EAST.id)
    undone = await scene.undo(outcome.conflict, COMMUNITY_EAST)
    assert (undone.step, await case(scene, item)) == ("verified", "verified")
    assert (await last_step(scene, item))[0] == "undo"
    acts = await scene.truth.fetch(
        "SELECT actor_id, detail -> 'step' AS step FROM audit WHERE detail ? 'step' ORDER BY id"
    )
    assert [(act["actor_id"], loads(act["step"])) for act in acts] == [
        (COMMUNITY_EAST.id, {"action": "redo", "from": "verified", "to": "signed"}),
        (COMMUNITY_EAST.id, {"action": "undo", "from": "signed", "to": "verified"}),
    ]


async def test_a_case_that_went_on_is_not_taken_back(scene: KindsScene) -> None:
    item = await hazard(scene, "closed")
    conflict = (await scene.one("worker", scene.step(item, "redo", "handled", "又堆上了"))).conflict
    assert conflict is not None
    await scene.truth.execute("UPDATE cases SET state = 'handled' WHERE item_id = $1", item)
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    await scene.truth.execute("UPDATE cases SET state = 'handled' WHERE item_id = $1", item)
    with pytest.raises(Problem) as caught:
        await scene.undo(conflict, COMMUNITY_EAST)
    assert caught.value.code == "undo_too_late"


async def test_it_may_be_dropped(scene: KindsScene) -> None:
    item = await hazard(scene, "closed")
    conflict = (await scene.one("worker", scene.step(item, "redo", "handled", "又堆上了"))).conflict
    assert conflict is not None
    assert (await scene.resolve(conflict, COMMUNITY_EAST, SERVER)).step is None
    assert await case(scene, item) == "closed"
    assert (await scene.undo(conflict, COMMUNITY_EAST)).state == "open"


async def test_a_step_waits_for_its_photos_and_is_then_taken(scene: KindsScene) -> None:
    item = await hazard(scene, photos=False)
    outcome = await scene.one("worker", scene.step(item, "verify", "handled"))
    assert outcome.outcome == "parked"
    assert outcome.conflict is not None
    with pytest.raises(Problem) as caught:
        await scene.resolve(outcome.conflict, COMMUNITY_EAST, INCOMING)
    assert caught.value.code == "evidence_not_verified"
    await show_after(scene, item)
    assert (await scene.resolve(outcome.conflict, COMMUNITY_EAST, INCOMING)).step == "verified"


async def test_what_another_role_may_do_is_kept_for_a_person(scene: KindsScene) -> None:
    item = await hazard(scene, "verified")
    outcome = await scene.one("worker", scene.step(item, "close", "verified"))
    assert (outcome.outcome, outcome.code) == ("quarantined", "forbidden")
    assert await case(scene, item) == "verified"


async def test_a_step_of_something_without_a_case_is_kept(scene: KindsScene) -> None:
    house = await scene.built()
    change = scene.step(house, "verify", "handled")
    outcome = await scene.one("worker", scene.change("transition", house, transition=change.transition))
    assert (outcome.outcome, outcome.code) == ("quarantined", "forbidden")
    unknown = await scene.one("worker", scene.step(uuid4(), "verify", "handled"))
    assert (unknown.outcome, unknown.code) == ("quarantined", "item_unknown")
