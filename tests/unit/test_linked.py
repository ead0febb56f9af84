"""What is written of a loser and carried to its winner: creations, steps of a case, and sets of all or nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from schemas.wire import Base
from sync.decisions import Link, Reference
from sync.items import Past
from tests.unit.test_decide import (
    COLLEAGUE,
    GRID,
    NOW,
    OTHER_GRID,
    OTHER_PHONE,
    PHONE,
    base_of,
    change,
    context,
    decide,
    house,
    item,
)
from tests.unit.test_decide_kinds import FIRE, HAZARD, SEEN, create, report, resident, step, together

LOSER_PAST = [Past(1, 11, OTHER_PHONE, house()), Past(2, 12, uuid4(), {"use": "vacant"})]
"""Made by another phone, edited by a third; then it was linked, which is version 3."""
FIRST, SECOND = Base(1, f"{11:016x}"), Base(2, f"{12:016x}")


def linked(winner_fields, *, loser_author=None, winner_grid=GRID, more=()):
    """A context with a loser, which this author wrote, and its winner; and both."""
    author = {} if loser_author is None else {"author": loser_author}
    loser = item(house(use="vacant"), version=3, deleted=True, **author)
    winner = item(winner_fields, version=4, grid=winner_grid)
    past = {
        loser.id: [*LOSER_PAST, Past(3, loser.rev, None, {})],
        winner.id: [Past(4, winner.rev, None, winner.fields)],
    }
    held = context(loser, winner, *more, past=past)
    return msgspec.structs.replace(held, links={loser.id: Link(winner.id, 4)}), loser, winner


# A creation that comes again -------------------------------------------------------------------------------


def test_a_creation_that_comes_again_unchanged_leaves_the_winner_as_it_is():
    held, loser, winner = linked(house(use="rented", owner_name="别人"))
    (again,) = decide(held, change("create", loser.id, house()))
    assert (again.item_id, again.outcome, again.carried) == (winner.id, "merged", loser.id)
    assert (again.revision, again.conflict, again.current) == (None, None, winner)


def test_what_it_says_otherwise_than_the_first_revision_is_an_edit_of_the_winner():
    held, loser, _ = linked(house())
    (again,) = decide(held, change("create", loser.id, house(rooms_let=3)))
    assert (again.outcome, again.revision.fields) == ("merged", {"rooms_let": 3})
    assert again.revision.derivation["linked"] == {"from": str(loser.id), "base": 1}


def test_where_the_winner_says_a_third_thing_a_person_decides_against_the_first_revision():
    held, loser, _ = linked(house(use="shared"))
    (again,) = decide(held, change("create", loser.id, house(use="rented")))
    conflict = again.conflict
    assert (again.outcome, conflict.kind, conflict.op) == ("parked", "update_update", "update")
    assert (conflict.base_unknown, conflict.linked_from) == (False, loser.id)
    overlap = conflict.overlaps["use"]
    assert (overlap.base, overlap.server, overlap.incoming) == ("owner", "shared", "rented")


def test_the_creation_of_somebody_else_waits_for_a_person_wherever_it_differs():
    held, loser, _ = linked(house(use="shared"), loser_author=COLLEAGUE)
    (again,) = decide(held, change("create", loser.id, house(use="rented")))
    assert (again.outcome, again.conflict.base_unknown) == ("parked", True)
    assert set(again.conflict.overlaps) == {"use"}


def test_who_may_not_write_of_the_loser_carries_nothing():
    held, loser, _ = linked(house(), loser_author=COLLEAGUE)
    ended = msgspec.structs.replace(held.assignments[0], valid_to=NOW - timedelta(days=1))
    (again,) = decide(
        msgspec.structs.replace(held, assignments=[ended]), change("create", loser.id, house(use="rented"))
    )
    assert (again.outcome, again.revision) == ("quarantined", None)


@pytest.mark.parametrize(("fields", "type_code"), [(house(use=None), "0102"), (resident(), "0101")])
def test_a_creation_that_can_never_be_valid_is_rejected(fields, type_code):
    held, loser, _ = linked(house())
    (again,) = decide(held, change("create", loser.id, fields, type_code=type_code))
    assert (again.outcome, again.revision) == ("rejected", None)


def test_edits_of_ones_own_that_name_no_base_lean_on_the_creation():
    """A phone that was restored has another id, and what it had unsent names no base."""
    held, loser, _ = linked(house(rooms_let=1))
    first, second = decide(held, change("create", loser.id, house()), change("update", loser.id, {"use": "rented"}))
    assert (first.outcome, second.outcome) == ("merged", "merged")
    assert second.revision.fields == {"use": "rented"}


# Steps of a case -------------------------------------------------------------------------------------------


def stepped(state="handled", *, winner_fields=None, winner_grid=GRID, **facts):
    """An event that was linked into another one, whose case a step is taken of."""
    loser, case = report(state, **facts)
    loser = msgspec.structs.replace(loser, version=2, deleted=True)
    winner = item(HAZARD | {"photos": [SEEN]} | (winner_fields or {}), type_code="0401", version=4, grid=winner_grid)
    past = {
        loser.id: [Past(1, 11, OTHER_PHONE, HAZARD), Past(2, loser.rev, None, {})],
        winner.id: [Past(4, winner.rev, None, winner.fields)],
    }
    held = context(loser, winner, past=past)
    links = {loser.id: Link(winner.id, 4)}
    return msgspec.structs.replace(held, links=links, cases={winner.id: case}), loser, winner


def test_a_step_of_the_loser_is_one_of_the_winners_case():
    held, loser, winner = stepped()
    (decision,) = decide(held, step(loser, base=FIRST))
    assert (decision.item_id, decision.outcome, decision.carried) == (winner.id, "merged", loser.id)
    assert (decision.move.after.state, decision.move.carried) == ("verified", True)


def test_the_fields_of_a_step_are_merged_against_the_losers_history():
    held, loser, _ = stepped()
    (decision,) = decide(held, step(loser, base=FIRST, fields={"description": "已清理"}))
    assert (decision.outcome, decision.conflict) == ("merged", None)
    assert decision.revision.fields == {"description": "已清理"}
    assert (decision.revision.base_version, decision.move.after.state) == (None, "verified")
    assert decision.revision.derivation["linked"] == {"from": str(loser.id), "base": 1}


def test_the_fields_of_a_step_that_waits_keep_the_losers_base():
    held, loser, _ = stepped("closed", winner_fields={"description": "楼道还有一辆"})
    (decision,) = decide(held, step(loser, "redo", note="不对", base=FIRST, fields={"description": "已清理"}))
    conflict = decision.conflict
    assert (decision.outcome, conflict.kind, conflict.linked_from) == ("parked", "late_transition", loser.id)
    assert not conflict.base_unknown
    overlap = conflict.overlaps["description"]
    assert (overlap.base, overlap.server, overlap.incoming) == ("楼道堆放电动车", "楼道还有一辆", "已清理")


def test_in_what_capacity_somebody_acted_is_judged_by_what_he_saw():
    """The winner lies in a grid that is not his; the loser lay in his own."""
    held, loser, winner = stepped(winner_grid=OTHER_GRID)
    stranger = msgspec.structs.replace(winner, author_id=COLLEAGUE)
    held = msgspec.structs.replace(held, items=held.items | {winner.id: stranger})
    (decision,) = decide(held, step(loser, base=FIRST))
    assert (decision.outcome, decision.seen) == ("merged", False)
    assert decision.move.after.state == "verified"
    assert held.cases[winner.id].case.organisation == FIRE


# All or nothing --------------------------------------------------------------------------------------------


def test_one_refused_change_keeps_all_from_the_winner():
    held, loser, winner = linked(house(use="vacant"))
    carried, wrong = together(
        held, change("update", loser.id, {"use": "rented"}, base=SECOND), change("create", fields=house(use="castle"))
    )
    assert [(one.outcome, one.revision) for one in (carried, wrong)] == [("rejected", None)] * 2
    assert carried.item_id in (loser.id, winner.id)


def test_one_parked_change_parks_what_is_carried_too_as_a_group():
    held, loser, winner = linked(house(use="vacant"))
    mine = change("update", loser.id, {"use": "rented"}, base=SECOND)
    carried, parked = together(held, mine, change("create", fields=house(lon=119.5, unit_no="2")))
    assert [one.outcome for one in (carried, parked)] == ["parked", "parked"]
    assert (carried.revision, carried.item_id, carried.conflict.kind) == (None, winner.id, "group")
    assert carried.conflict.group == parked.conflict.group
    assert carried.conflict.group is not None
    assert (carried.conflict.linked_from, carried.conflict.base_unknown) == (loser.id, False)
    assert carried.conflict.overlaps["use"].base == "vacant"


def test_a_carried_change_that_parks_parks_the_rest():
    held, loser, _ = linked(house(use="shared"))
    carried, other = together(
        held, change("update", loser.id, {"use": "rented"}, base=SECOND), change("create", fields=house(unit_no="2"))
    )
    assert [one.outcome for one in (carried, other)] == ["parked", "parked"]
    assert other.conflict.group == carried.conflict.group


def test_a_carried_creation_is_parked_with_the_rest():
    held, loser, winner = linked(house())
    again, parked = together(
        held, change("create", loser.id, house(rooms_let=3)), change("create", fields=house(lon=119.5, unit_no="2"))
    )
    assert [one.outcome for one in (again, parked)] == ["parked", "parked"]
    assert (again.revision, again.item_id, again.conflict.group) == (None, winner.id, parked.conflict.group)


def test_a_carried_step_is_parked_with_the_rest():
    held, loser, winner = stepped()
    taken, parked = together(held, step(loser, base=FIRST), change("create", fields=house(lon=119.5, unit_no="2")))
    assert [one.outcome for one in (taken, parked)] == ["parked", "parked"]
    assert (taken.move, taken.item_id, taken.conflict.group) == (None, winner.id, parked.conflict.group)
    assert taken.conflict.linked_from == loser.id


def test_what_refers_to_a_loser_is_parked_naming_the_winner():
    held, loser, winner = linked(house())
    held = msgspec.structs.replace(held, references={loser.id: reference_of(loser), winner.id: reference_of(winner)})
    living, parked = together(held, create(resident(loser.id)), change("create", fields=house(lon=119.5, unit_no="2")))
    assert [one.outcome for one in (living, parked)] == ["parked", "parked"]
    assert living.revision.after.fields["dwelling"] == str(winner.id)
    assert living.revision.after.grid_id is None


def test_loser_and_winner_in_one_set_are_one_item():
    held, loser, winner = linked(house(use="vacant"))
    first, second = together(
        held,
        change("update", winner.id, {"rooms_let": 2}, base=base_of(winner)),
        change("update", loser.id, {"use": "rented", "rooms_let": 5}, base=SECOND),
    )
    assert [one.outcome for one in (first, second)] == ["applied", "merged"]
    assert second.revision.after.version == 6
    assert (second.revision.after.fields["use"], second.revision.after.fields["rooms_let"]) == ("rented", 5)


def reference_of(state):
    return Reference(state.type, state.grid_id, state.deleted)


def test_another_phones_edit_of_the_winner_is_no_edit_of_ones_own():
    held, loser, winner = linked(house(use="shared"))
    past = {**held.past, winner.id: [*held.past[winner.id], Past(5, 5, PHONE, {"use": "shared"})]}
    (own,) = decide(
        msgspec.structs.replace(held, past=past), change("update", loser.id, {"use": "rented"}, base=SECOND)
    )
    assert own.outcome == "merged"
    past[winner.id][-1] = Past(5, 5, OTHER_PHONE, {"use": "shared"})
    (other,) = decide(
        msgspec.structs.replace(held, past=past), change("update", loser.id, {"use": "rented"}, base=SECOND)
    )
    assert other.outcome == "parked"
