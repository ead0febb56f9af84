"""Two items that are one: linked, what others wrote of the loser carried to the winner, and parted again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from json import loads
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec import Raw, json

from schemas.wire import Base, ItemBody
from server.services import Services
from server.usecases.conflict_views import reveal_conflict
from server.usecases.erasure import erase_item
from server.usecases.quarantine_release import ReleaseOrder, release
from server.usecases.salvage import keep_salvage
from sync.disputes import Choice
from tests.integration.kinds_scene import KindsScene
from tests.integration.terminal import Terminal, onegrid
from tests.integration.test_conflicts import GRID_STREAM, assert_streams_add_up, refusal
from tests.integration.test_duplicates import WEST_POINT, assert_hints_are_held, twins
from tests.integration.town import CHIEF_EAST, COMMUNITY_EAST, EAST, WORKER_EAST, WORKER_WEST, grid_id

pytestmark = pytest.mark.long

__all__ = ["onegrid"]


class Pair(NamedTuple):
    """Two dwellings of one door, who lives in the second, and the conflict about it; bases as the worker held them."""

    winner: UUID
    loser: UUID
    conflict: UUID
    resident: UUID
    base: Base


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)
    await assert_hints_are_held(opened)


@pytest.fixture
async def pair(scene: KindsScene) -> Pair:
    winner, loser, conflict = await twins(scene)
    living = scene.resident(loser)
    assert (await scene.one("worker", living)).outcome == "applied"
    return Pair(winner, loser, conflict, living.item, await scene.base(loser))


async def link(scene: KindsScene, pair: Pair, **more: Any) -> Any:
    return await scene.resolve(pair.conflict, COMMUNITY_EAST, Choice("link", link=pair.winner), **more)


async def of_loser(scene: KindsScene, pair: Pair, **fields: Any) -> Any:
    """What becomes of the worker's edit of the loser, which he still holds as it was."""
    return await scene.one("worker", await scene.edit(pair.loser, pair.base, **fields))


# Linking -------------------------------------------------------------------------------------------------


async def test_the_loser_goes_and_its_history_stays(scene: KindsScene, pair: Pair) -> None:
    before = await scene.item(pair.winner)
    done = await link(scene, pair)
    assert (done.deleted, done.linked, done.repointed) == (True, pair.winner, 1)
    assert await scene.streams_of(pair.loser) == set()
    assert (await scene.entries(pair.loser))[GRID_STREAM]["present"] is False
    assert await scene.item(pair.winner) == before
    revision = await scene.revision(pair.loser, done.version)
    assert (revision["op"], revision["author_id"], revision["reason"]) == (
        "resolve",
        COMMUNITY_EAST.id,
        "已电话核实",
    )
    row = await scene.conflict(pair.conflict)
    assert (row["state"], row["take"], row["resolution_version"]) == ("resolved", "link", done.version)
    assert await scene.notice(pair.conflict) == ("notice", "duplicate", False)


async def test_what_referred_to_the_loser_refers_to_the_winner_with_who_and_why(scene: KindsScene, pair: Pair) -> None:
    before = await scene.item(pair.resident)
    await link(scene, pair)
    after = await scene.item(pair.resident)
    assert (after.fields["dwelling"], after.version) == (str(pair.winner), before.version + 1)
    revision = await scene.revision(pair.resident, after.version)
    assert (revision["op"], revision["author_id"], revision["reason"]) == (
        "resolve",
        COMMUNITY_EAST.id,
        "已电话核实",
    )
    assert loads(revision["derivation"])["repointed"] == {"from": str(pair.loser), "to": str(pair.winner)}
    gone = await scene.one("chief", await scene.deletion(pair.winner))
    assert gone.outcome == "parked", "the winner is referred to now"


async def test_a_link_is_audited_and_tried_in_vain(scene: KindsScene, pair: Pair) -> None:
    whole = await scene.everything()
    assert (await link(scene, pair, dry_run=True)).repointed == 1
    assert await scene.everything() == whole
    await link(scene, pair)
    act = await scene.truth.fetchrow("SELECT * FROM audit WHERE action = 'conflict.resolve'")
    assert (act["reason"], loads(act["detail"])["link"]) == ("已电话核实", str(pair.winner))


async def test_only_an_item_of_the_same_type_within_reach_may_be_the_winner(scene: KindsScene, pair: Pair) -> None:
    await scene.enrol("west", WORKER_WEST)
    elsewhere = scene.dwelling(location=WEST_POINT)
    assert (await scene.one("west", elsewhere)).outcome == "applied"
    gone = await scene.built()
    await scene.one("worker", await scene.deletion(gone))
    told = set()
    for winner in (pair.loser, pair.resident, elsewhere.item, gone, uuid4()):
        choice = Choice("link", link=winner)
        problem = await refusal(scene.resolve(pair.conflict, COMMUNITY_EAST, choice))
        told.add((problem.code, problem.field, problem.zh))
    assert len(told) == 1, "whoever may not see an item is told the same as of none"
    assert told.pop()[:2] == ("resolution_invalid", "link")


async def test_only_a_duplicate_is_linked(scene: KindsScene) -> None:
    conflict = await scene.two_edits(await scene.register(), {"name": "张三丰"}, {"name": "张山"})
    problem = await refusal(scene.resolve(conflict, COMMUNITY_EAST, Choice("link", link=uuid4())))
    assert (problem.code, problem.field) == ("resolution_invalid", "link")


async def test_other_conflicts_about_the_loser_come_first(scene: KindsScene, pair: Pair) -> None:
    base = await scene.base(pair.loser)
    await scene.one("chief", await scene.edit(pair.loser, base, use="rented"))
    assert (await scene.one("worker", await scene.edit(pair.loser, base, use="vacant"))).outcome == "parked"
    assert (await refusal(link(scene, pair))).code == "resolution_invalid"


async def test_of_two_who_link_and_part_at_once_one_wins(scene: KindsScene, pair: Pair) -> None:
    results = await asyncio.gather(
        link(scene, pair),
        scene.resolve(pair.conflict, CHIEF_EAST, Choice("server")),
        return_exceptions=True,
    )
    assert sorted(getattr(one, "code", "done") for one in results) == ["conflict_resolved", "done"]


async def test_the_command_line_links_and_parts(scene: KindsScene, pair: Pair, onegrid: Terminal) -> None:
    begin, why = str(pair.conflict)[:8], ("--reason", "同一户")
    assert "--link ITEM" in (await onegrid("show", begin)).out
    done = await onegrid("resolve", begin, "--link", str(pair.winner), *why, "--json")
    assert (done.document["linked"], done.document["repointed"]) == (str(pair.winner), 1)
    assert "合为一项 link" in (await onegrid("show", begin)).out
    assert (await onegrid("undo", begin, *why)).status == 0
    for wrong in (["--link", "x"], ["--link", str(pair.winner), "--take", "server"], ["--take", "link"]):
        assert (await onegrid("resolve", begin, *wrong, *why)).status == 2


# What phones still send ----------------------------------------------------------------------------------


async def test_an_edit_of_the_loser_is_merged_onto_the_winner(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    outcome = await of_loser(scene, pair, use="rented", rooms_let=2)
    winner = await scene.item(pair.winner)
    assert (outcome.item, outcome.outcome, outcome.linked) == (str(pair.loser), "merged", pair.winner)
    assert (outcome.version, winner.version) == (winner.version, 2)
    assert (winner.fields["use"], winner.fields["rooms_let"]) == ("rented", 2)
    revision = await scene.revision(pair.winner, 2)
    assert loads(revision["derivation"])["linked"] == {"from": str(pair.loser), "base": pair.base.version}
    assert (await scene.item(pair.loser)).deleted


async def test_where_both_differ_a_person_decides_and_the_base_is_the_losers(scene: KindsScene, pair: Pair) -> None:
    await scene.one("chief", await scene.edit(pair.winner, use="shared"))
    await link(scene, pair)
    outcome = await of_loser(scene, pair, use="rented")
    assert (outcome.outcome, outcome.linked) == ("parked", pair.winner)
    row = await scene.conflict(outcome.conflict)
    assert (row["kind"], row["item_id"], row["linked_from"]) == ("update_update", pair.winner, pair.loser)
    caller, ids = await scene.caller(COMMUNITY_EAST), (outcome.conflict, outcome.conflict)
    (sides,) = (await reveal_conflict(scene.services, caller, ids, "核对")).fields
    assert (sides.base, sides.server, sides.incoming) == ("owner", "shared", "rented")
    await scene.resolve(outcome.conflict, COMMUNITY_EAST, Choice("incoming"))
    assert (await scene.item(pair.winner)).fields["use"] == "rented"


async def test_a_phone_is_in_no_conflict_with_its_own_carried_edit(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    assert (await of_loser(scene, pair, use="rented")).outcome == "merged"
    assert (await of_loser(scene, pair, use="vacant")).outcome == "merged"
    assert (await scene.item(pair.winner)).fields["use"] == "vacant"
    await scene.one("chief", await scene.edit(pair.winner, use="shared"))
    assert (await of_loser(scene, pair, use="rented")).outcome == "parked"


async def test_equal_values_change_nothing(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    await scene.one("chief", await scene.edit(pair.winner, use="rented"))
    outcome = await of_loser(scene, pair, use="rented")
    assert (outcome.outcome, outcome.conflict) == ("merged", None)
    assert (await scene.item(pair.winner)).version == 2


async def test_an_unknown_base_of_the_loser_is_settled_by_a_person(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    outcome = await scene.one("worker", await scene.edit(pair.loser, Base(9, "0" * 16), use="rented"))
    assert outcome.outcome == "parked"
    assert (await scene.conflict(outcome.conflict))["base_unknown"]


async def test_a_deletion_of_the_loser_waits_for_a_person(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    gone = scene.change("delete", pair.loser, base=pair.base)
    outcome = await scene.one("worker", gone)
    assert (outcome.outcome, outcome.linked) == ("parked", pair.winner)
    row = await scene.conflict(outcome.conflict)
    assert (row["kind"], row["op"], row["item_id"]) == ("delete_update", "delete", pair.winner)
    assert not (await scene.item(pair.winner)).deleted


async def test_what_names_the_loser_names_the_winner(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    living = scene.resident(pair.loser)
    assert (await scene.one("worker", living)).outcome == "applied"
    assert (await scene.item(living.item)).fields["dwelling"] == str(pair.winner)
    other = await scene.built()
    moved = await scene.edit(living.item, of="0101", dwelling=str(other))
    assert (await scene.one("worker", moved)).outcome == "applied"
    back = await scene.edit(living.item, of="0101", dwelling=str(pair.loser))
    assert (await scene.one("worker", back)).outcome == "applied"
    assert (await scene.item(living.item)).fields["dwelling"] == str(pair.winner)


async def test_what_was_parked_naming_the_loser_is_taken_as_the_winner(scene: KindsScene, pair: Pair) -> None:
    living = scene.resident(await scene.built())
    await scene.one("worker", living)
    base, other = await scene.base(living.item), await scene.built()
    moved = await scene.edit(living.item, base, of="0101", dwelling=str(other))
    assert (await scene.one("chief", moved)).outcome == "applied"
    outcome = await scene.one("worker", await scene.edit(living.item, base, of="0101", dwelling=str(pair.loser)))
    assert outcome.outcome == "parked", outcome
    await link(scene, pair)
    await scene.resolve(outcome.conflict, COMMUNITY_EAST, Choice("incoming"))
    assert (await scene.item(living.item)).fields["dwelling"] == str(pair.winner)


async def test_a_way_of_several_links_is_followed_to_its_end(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    door = {"address": "明光街道东街 8 号", "unit_no": "1-101"}
    last = scene.dwelling(**door | {"unit_no": "1-102"})
    await scene.one("chief", last)
    again = await scene.one("chief", await scene.edit(pair.winner, unit_no="1-102"))
    assert again.conflict is not None
    await scene.resolve(again.conflict, COMMUNITY_EAST, Choice("link", link=last.item))
    outcome = await of_loser(scene, pair, use="rented")
    assert (outcome.outcome, outcome.linked) == ("merged", last.item)
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(last.item)


async def test_a_winner_elsewhere_is_not_told(scene: KindsScene) -> None:
    """The county's office links two dwellings of different grids; the worker of one hears nothing of the other."""
    await scene.enrol("west", WORKER_WEST)
    door = {"address": "明光街道东街 8 号", "unit_no": "1-101"}
    winner, loser = scene.dwelling(**door, location=WEST_POINT), scene.dwelling(**door)
    await scene.one("west", winner)
    conflict = (await scene.one("worker", loser)).conflict
    county = "INSERT INTO assignment (user_id, role, division) VALUES ($1, 'county_centre', '341182000000')"
    await scene.truth.execute(county, COMMUNITY_EAST.id)
    base = await scene.base(loser.item)
    await scene.resolve(conflict, COMMUNITY_EAST, Choice("link", link=winner.item))
    outcome = await scene.one("worker", await scene.edit(loser.item, base, use="rented"))
    assert (outcome.item, outcome.outcome) == (str(loser.item), "merged")
    assert (outcome.linked, outcome.version, outcome.rev) == (None, None, None)
    assert (await scene.item(winner.item)).fields["use"] == "rented"


async def test_a_set_that_names_both_is_in_no_conflict_with_its_own_carried_edit(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    assert (await of_loser(scene, pair, use="rented")).outcome == "merged"
    both = [
        await scene.edit(pair.winner, rooms_let=2),
        await scene.edit(pair.loser, pair.base, use="vacant"),
    ]
    assert [one.outcome for one in await scene.send("worker", *both)] == ["applied", "merged"]
    assert (await scene.item(pair.winner)).fields["use"] == "vacant"


# The loser as new once more -------------------------------------------------------------------------------


async def again_as_new(scene: KindsScene, pair: Pair, phone: str, **fields: Any) -> Any:
    """A phone pushes the loser as it was created, or with other values."""
    made = {"address": "明光街道东街 8 号", "unit_no": "1-101"}
    return await scene.one(phone, scene.dwelling(pair.loser, **made | fields))


async def test_a_restored_phone_that_creates_the_loser_again_changes_nothing(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    await scene.one("chief", await scene.edit(pair.winner, use="shared"))
    await scene.enrol("restored", WORKER_EAST)
    before = await scene.item(pair.winner)
    outcome = await again_as_new(scene, pair, "restored")
    assert (outcome.item, outcome.outcome, outcome.linked) == (str(pair.loser), "merged", pair.winner)
    assert (await scene.item(pair.winner), await scene.kinds()) == (before, [("duplicate", "resolved")])
    assert (await scene.undo(pair.conflict, COMMUNITY_EAST)).restored, "nothing was carried"


async def test_what_it_had_unsent_goes_to_the_winner(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    await scene.enrol("restored", WORKER_EAST)
    outcome = await again_as_new(scene, pair, "restored", rooms_let=4)
    assert (outcome.outcome, outcome.linked, outcome.version) == ("merged", pair.winner, 2)
    assert (await scene.item(pair.winner)).fields["rooms_let"] == 4
    assert (await scene.item(pair.loser)).deleted
    assert (await refusal(scene.undo(pair.conflict, COMMUNITY_EAST))).code == "undo_too_late"


async def test_somebody_elses_creation_of_it_waits_for_a_person(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    outcome = await again_as_new(scene, pair, "chief", use="rented")
    assert (outcome.outcome, outcome.linked) == ("parked", pair.winner)
    row = await scene.conflict(outcome.conflict)
    assert (row["item_id"], row["linked_from"], row["base_unknown"], row["fields"]) == (
        pair.winner,
        pair.loser,
        True,
        ["use"],
    )


async def test_salvage_of_the_loser_is_released_onto_the_winner(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    fields = (await scene.item(pair.loser)).fields | {"use": "rented"}
    body = ItemBody(
        id=pair.loser, type="0102", version=7, rev="00000000000000aa", touch=0, grid=grid_id(f"{EAST}001"), code=None,
        author=WORKER_EAST.id, urgency="normal", fields=fields, received_at=datetime.now(UTC),
    )  # fmt: skip
    device, now = scene.phones["worker"], datetime.now(UTC)
    assert await keep_salvage(scene.services, device.id, scene.epoch, [Raw(json.encode(body))], now) == 1
    held = await scene.truth.fetchval("SELECT id FROM quarantine WHERE outcome = 'salvaged'")
    order = ReleaseOrder(actor=await scene.caller(COMMUNITY_EAST), reason="补报", now=now)
    (outcome,) = (await release(scene.services, order, (held, held))).outcomes
    assert (outcome.item, outcome.outcome) == (str(pair.loser), "parked")
    row = await scene.conflict(outcome.conflict)
    assert (row["item_id"], row["fields"], row["base_unknown"]) == (pair.winner, ["use"], True)
    await scene.resolve(outcome.conflict, COMMUNITY_EAST, Choice("incoming"))
    assert (await scene.item(pair.winner)).fields["use"] == "rented"


# All or nothing -------------------------------------------------------------------------------------------


async def test_a_set_of_all_or_nothing_is_parked_and_settled_as_one(scene: KindsScene, pair: Pair) -> None:
    """An edit of the loser, what newly refers to it, and an edit that somebody has to decide about."""
    other = await scene.built()
    stale = await scene.base(other)
    await scene.one("chief", await scene.edit(other, use="shared"))
    await link(scene, pair)
    living = scene.resident(pair.loser)
    changes = [
        await scene.edit(pair.loser, pair.base, use="rented"),
        living,
        await scene.edit(other, stale, use="vacant"),
    ]
    before = await scene.item(pair.winner)
    outcomes = await scene.send("worker", *changes, atomic=True)
    assert [one.outcome for one in outcomes] == ["parked"] * 3
    assert await scene.item(pair.winner) == before
    done = await scene.resolve(outcomes[0].conflict, COMMUNITY_EAST, Choice("incoming"))
    assert len(done.together) == 2
    assert (await scene.item(pair.winner)).fields["use"] == "rented"
    assert (await scene.item(living.item)).fields["dwelling"] == str(pair.winner)
    assert (await scene.item(other)).fields["use"] == "vacant"
    assert (await refusal(scene.undo(pair.conflict, COMMUNITY_EAST))).code == "undo_too_late"


async def test_a_set_of_all_or_nothing_that_is_refused_leaves_the_winner_alone(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    before = await scene.item(pair.winner)
    wrong = scene.dwelling(use="castle")
    changes = [await scene.edit(pair.loser, pair.base, use="rented"), scene.resident(pair.loser), wrong]
    outcomes = await scene.send("worker", *changes, atomic=True)
    assert [one.outcome for one in outcomes] == ["rejected"] * 3
    assert await scene.item(pair.winner) == before
    assert (await scene.undo(pair.conflict, COMMUNITY_EAST)).restored


async def test_of_an_erased_winner_nothing_is_taken(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    by = await scene.caller(COMMUNITY_EAST)
    await erase_item(scene.services, by, pair.resident, "本人要求", datetime.now(UTC))
    await erase_item(scene.services, by, pair.winner, "本人要求", datetime.now(UTC))
    outcome = await of_loser(scene, pair, use="rented")
    assert (outcome.outcome, outcome.code) == ("rejected", "item_erased")


# Parting -------------------------------------------------------------------------------------------------


async def test_undoing_makes_two_of_one_again(scene: KindsScene, pair: Pair) -> None:
    before = await scene.item(pair.loser)
    await link(scene, pair)
    assert (await scene.undo(pair.conflict, COMMUNITY_EAST)).restored
    after = await scene.item(pair.loser)
    assert (after.fields, after.deleted) == (before.fields, False)
    assert await scene.streams_of(pair.loser) == {GRID_STREAM}
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(pair.loser)
    assert await scene.kinds() == [("duplicate", "open")]
    outcome = await of_loser(scene, pair, use="rented")
    assert (outcome.outcome, outcome.linked) == ("applied", None)
    await link(scene, pair)
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(pair.winner)


async def test_what_was_changed_since_is_left_as_it_is(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    other = await scene.built()
    await scene.one("worker", await scene.edit(pair.resident, of="0101", dwelling=str(other)))
    await scene.undo(pair.conflict, COMMUNITY_EAST)
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(other)


async def test_of_two_that_were_linked_with_one_either_is_parted_alone(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    third = scene.dwelling(address="明光街道东街 8 号", unit_no="1-101")
    conflict = (await scene.one("worker", third)).conflict
    assert conflict is not None
    living = scene.resident(third.item)
    await scene.one("worker", living)
    await scene.resolve(conflict, COMMUNITY_EAST, Choice("link", link=pair.winner))
    assert (await scene.undo(pair.conflict, COMMUNITY_EAST)).restored
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(pair.loser)
    assert (await scene.item(living.item)).fields["dwelling"] == str(pair.winner)
    assert (await scene.item(third.item)).deleted
    assert (await scene.undo(conflict, COMMUNITY_EAST)).restored
    assert (await scene.item(living.item)).fields["dwelling"] == str(third.item)


async def onto_another(scene: KindsScene, pair: Pair) -> tuple[UUID, UUID]:
    """The winner is linked with a third dwelling: that one, and the conflict."""
    last = scene.dwelling(address="明光街道东街 8 号", unit_no="1-102")
    await scene.one("chief", last)
    again = await scene.one("chief", await scene.edit(pair.winner, unit_no="1-102"))
    assert again.conflict is not None
    await scene.resolve(again.conflict, COMMUNITY_EAST, Choice("link", link=last.item))
    return last.item, again.conflict


async def test_links_in_a_row_are_undone_from_the_last(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    last, second = await onto_another(scene, pair)
    problem = await refusal(scene.undo(pair.conflict, COMMUNITY_EAST))
    assert (problem.code, problem.en) == (
        "undo_too_late",
        "The item that stayed was linked with another one since; undo that first.",
    )
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(last)
    await scene.undo(second, COMMUNITY_EAST)
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(pair.winner)
    done = await scene.undo(pair.conflict, COMMUNITY_EAST)
    assert (await scene.item(pair.resident)).fields["dwelling"] == str(pair.loser)
    assert (done.restored, done.state) == (True, "resolved"), "the winner has another door, so there are no twins left"
    assert (await scene.conflict(pair.conflict))["take"] == "released"
    assert await scene.notice(pair.conflict) == ("notice", "duplicate", False)


async def test_what_came_of_the_first_loser_holds_the_last_link_too(scene: KindsScene, pair: Pair) -> None:
    await link(scene, pair)
    last, second = await onto_another(scene, pair)
    assert (await of_loser(scene, pair, use="rented")).linked == last
    for conflict in (second, pair.conflict):
        problem = await refusal(scene.undo(conflict, COMMUNITY_EAST))
        assert (problem.code, problem.en[:22]) == ("undo_too_late", "What was written since")


async def test_an_edit_that_joined_another_conflict_of_the_winner_holds_the_link(scene: KindsScene, pair: Pair) -> None:
    base = await scene.base(pair.winner)
    await scene.one("chief", await scene.edit(pair.winner, base, use="shared"))
    parked = await scene.one("worker", await scene.edit(pair.winner, base, use="vacant"))
    await link(scene, pair)
    joined = await of_loser(scene, pair, use="rented")
    assert (joined.outcome, joined.conflict) == ("parked", parked.conflict)
    assert (await refusal(scene.undo(pair.conflict, COMMUNITY_EAST))).code == "undo_too_late"


async def test_an_older_settlement_does_not_bring_the_loser_back(scene: KindsScene, pair: Pair) -> None:
    """It was deleted by a settlement, restored by another one, and then linked."""
    await scene.one("worker", await scene.deletion(pair.resident, "0101"))
    base = await scene.base(pair.loser)
    await scene.one("chief", await scene.edit(pair.loser, base, rooms_let=1))
    first = (await scene.one("worker", scene.change("delete", pair.loser, base=base))).conflict
    await scene.resolve(first, COMMUNITY_EAST, Choice("incoming"))
    second = (await scene.one("chief", await scene.edit(pair.loser, base, rooms_let=2))).conflict
    await scene.resolve(second, COMMUNITY_EAST, Choice("incoming"))
    duplicate = await scene.truth.fetchval("SELECT id FROM conflict WHERE kind = 'duplicate' AND state = 'open'")
    await scene.resolve(duplicate, COMMUNITY_EAST, Choice("link", link=pair.winner))
    problem = await refusal(scene.undo(first, COMMUNITY_EAST))
    assert (problem.code, problem.en) == (
        "undo_too_late",
        "The item was linked with another one since; undo that first.",
    )
    assert (await scene.item(pair.loser)).deleted


@pytest.mark.parametrize("parked", [False, True])
async def test_once_the_winner_took_an_edit_over_they_stay_one(scene: KindsScene, pair: Pair, parked: bool) -> None:
    if parked:
        await scene.one("chief", await scene.edit(pair.winner, use="shared"))
    await link(scene, pair)
    assert (await of_loser(scene, pair, use="rented")).outcome == ("parked" if parked else "merged")
    assert (await refusal(scene.undo(pair.conflict, COMMUNITY_EAST))).code == "undo_too_late"
