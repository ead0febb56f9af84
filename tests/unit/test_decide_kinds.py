"""The further kinds of conflict: references, unknown bases, steps of a case, sets of all or nothing, held items."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from schemas.wire import Base, Transition
from sync.access import Organisation
from sync.case_photos import CasePhotos
from sync.case_state import CaseState
from sync.decide import decide_set
from sync.decisions import CaseFacts, HeldPlace, OpenConflict, Reference, Waiting
from sync.feed import to_hex
from sync.items import Past, revision_rev, stream_keys
from tests.unit.test_decide import (
    CAPTURED,
    CODES,
    GRID,
    NOW,
    OTHER_GRID,
    OTHER_PHONE,
    PHONE,
    SECRET,
    WORKER,
    base_of,
    change,
    context,
    decide,
    house,
    item,
    point,
    stale,
)

DWELLING = uuid4()
HAZARD = {"hazards": ["ebike"], "description": "楼道堆放电动车", "fixed_on_site": False, "location": point(118.005)}
SEEN, DONE = ({"sha256": byte * 32, "size": 1, "role": role} for byte, role in (("ab", "report"), ("cd", "close")))
BOTH = frozenset({("ab" * 32, 1), ("cd" * 32, 1)})
SHOWN = CasePhotos(BOTH, frozenset({("cd" * 32, 1)}), frozenset({("cd" * 32, 1)}))
"""A report with its photo, and one from after the work that is tied to it."""
FIRE = Organisation(uuid4(), "xiaofang", "341182000000")


def resident(dwelling=DWELLING, **fields):
    return {
        "name": "张三", "id_type": "none", "residence_type": "floating", "dwelling": str(dwelling), "relation": "head",
        "living_here": True,
    } | fields  # fmt: skip


def create(fields, item_id=None, type_code="0101", **more):
    return change("create", item_id, fields, type_code=type_code, **more)


def together(context, *changes):
    return decide_set([(one, CAPTURED) for one in changes], context, atomic=True)


# References ------------------------------------------------------------------------------------------------


def test_a_deletion_waits_while_live_items_refer_to_it():
    state = item(house())
    held = msgspec.structs.replace(context(state), referrers={state.id: frozenset({uuid4()})})
    (decision,) = decide(held, change("delete", state.id, base=base_of(state)))
    assert (decision.outcome, decision.conflict.kind, decision.conflict.op) == ("parked", "referenced", "delete")
    assert (decision.revision, decision.conflict.overlaps) == (None, {})


def test_a_set_that_deletes_the_referrer_too_deletes_both():
    state, living = item(house()), item(resident(), type_code="0101")
    living = msgspec.structs.replace(living, fields=resident(state.id))
    living = msgspec.structs.replace(living, rev=revision_rev(SECRET, living))
    held = msgspec.structs.replace(context(state, living), referrers={state.id: frozenset({living.id})})
    gone = change("delete", living.id, base=base_of(living), type_code="0101")
    first, second = decide(held, gone, change("delete", state.id, base=base_of(state)))
    assert [first.outcome, second.outcome] == ["applied", "applied"]


def test_a_set_that_only_just_made_a_referrer_does_not_delete_what_it_refers_to():
    state = item(house())
    known = context(state, references={state.id: Reference("0102", GRID)})
    held = msgspec.structs.replace(known, referrers={state.id: frozenset()})
    made, gone = decide(held, create(resident(state.id)), change("delete", state.id, base=base_of(state)))
    assert (made.outcome, gone.outcome, gone.conflict.kind) == ("applied", "parked", "referenced")


def test_what_names_a_deleted_item_is_taken_in_and_held():
    dead = context(references={DWELLING: Reference("0102", GRID, deleted=True)})
    (decision,) = decide(dead, create(resident()))
    after, conflict = decision.revision.after, decision.conflict
    assert (decision.outcome, conflict.kind, conflict.op) == ("parked", "referenced", "create")
    assert conflict.overlaps["dwelling"].incoming == str(DWELLING)
    assert (conflict.claim.grid, conflict.claim.candidates) == (GRID, (GRID,))
    assert stream_keys(after) == {f"own/{WORKER}"}


def test_an_edit_that_names_a_deleted_item_parks_that_field_alone():
    old = uuid4()
    living = item(resident(old), type_code="0101")
    known = {old: Reference("0102", GRID), DWELLING: Reference("0102", GRID, deleted=True)}
    edit = change(
        "update", living.id, {"dwelling": str(DWELLING), "phone": "13900001111"}, base_of(living), type_code="0101"
    )
    (decision,) = decide(context(living, references=known), edit)
    assert (decision.outcome, decision.conflict.kind) == ("parked", "referenced")
    overlap = decision.conflict.overlaps["dwelling"]
    assert (overlap.base, overlap.server, overlap.incoming) == (str(old), str(old), str(DWELLING))
    assert decision.revision.fields == {"phone": "13900001111"}


def test_a_reference_that_already_stood_there_is_no_new_one():
    living = item(resident(), type_code="0101")
    known = {DWELLING: Reference("0102", GRID, deleted=True)}
    edit = change("update", living.id, {"dwelling": str(DWELLING)}, base_of(living), type_code="0101")
    (decision,) = decide(context(living, references=known), edit)
    assert decision.outcome == "applied"


def test_an_item_whose_reference_is_corrected_by_its_author_finds_its_grid():
    item_id, other = uuid4(), uuid4()
    known = {DWELLING: Reference("0102", GRID, deleted=True), other: Reference("0102", GRID)}
    held, noted, corrected = decide(
        context(references=known),
        create(resident(), item_id),
        change("update", item_id, {"phone": "13900001111"}, type_code="0101"),
        change("update", item_id, {"dwelling": str(other)}, type_code="0101"),
    )
    assert [one.outcome for one in (held, noted, corrected)] == ["parked", "applied", "applied"]
    assert (noted.revision.after.grid_id, noted.placed) == (None, None)
    assert (corrected.revision.after.grid_id, corrected.placed) == (GRID, held.conflict.id)


# Held items ------------------------------------------------------------------------------------------------


def test_what_refers_to_a_held_item_waits_with_it():
    house_id = uuid4()
    parent, child = decide(
        context(),
        create(house(lon=119.5), house_id, "0102", grid="341182001001777"),
        create(resident(house_id), grid=CODES[GRID]),
    )
    assert (parent.conflict.kind, child.outcome, child.conflict.kind) == ("code", "parked", "referenced")
    assert child.conflict.group == parent.conflict.id
    assert stream_keys(child.revision.after) == {f"own/{WORKER}"}


def test_it_does_so_in_a_later_set_too_and_whoever_settles_one_settles_both():
    group = uuid4()
    place = HeldPlace(candidates=(GRID,), counties=("341182",))
    waiting = context(references={DWELLING: Reference("0102", None, waiting=Waiting(group, place))})
    (child,) = decide(waiting, create(resident(), grid=CODES[GRID]))
    assert (child.conflict.group, child.conflict.claim) == (group, place)


def test_an_item_with_a_point_of_its_own_does_not_wait_for_what_it_names():
    waiting = context(references={DWELLING: Reference("0102", None, waiting=Waiting(uuid4(), HeldPlace()))})
    (report,) = decide(waiting, create(HAZARD | {"place": str(DWELLING)}, type_code="0401"))
    assert (report.outcome, report.revision.after.grid_id) == ("applied", GRID)


def test_deleting_ones_own_held_item_ends_its_conflict():
    item_id = uuid4()
    held, gone = decide(
        context(), create(house(lon=119.5), item_id, "0102", grid="341182001001777"), change("delete", item_id)
    )
    assert (gone.outcome, gone.withdrawn) == ("applied", held.conflict.id)
    assert gone.revision.after.deleted


# Unknown bases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["rev", "version", "none"])
def test_of_an_edit_on_an_unknown_base_all_that_differs_is_to_be_settled(wrong):
    state = item(house(rooms_let=3), version=3)
    base = {"rev": Base(3, "0" * 16), "version": Base(9, to_hex(state.rev)), "none": None}[wrong]
    edit = {"rooms_let": 1, "use": "owner", "gas_cylinder": True}
    (decision,) = decide(context(state), change("update", state.id, edit, base))
    conflict = decision.conflict
    assert (decision.outcome, decision.revision, conflict.kind) == ("parked", None, "update_update")
    assert (conflict.base_unknown, conflict.base_version) == (True, None)
    told = {key: (one.base, one.server, one.incoming) for key, one in conflict.overlaps.items()}
    assert told == {"rooms_let": (None, 3, 1), "gas_cylinder": (None, None, True)}


def test_no_policy_settles_an_edit_on_an_unknown_base():
    state = item(house(rooms_let=3), version=3)
    form = context().catalogue.types["0102"]
    assert form.merge_policy("rooms_let") != "manual", "it would settle an overlap by itself"
    (decision,) = decide(context(state), change("update", state.id, {"rooms_let": 7}, Base(2, "0" * 16)))
    assert decision.conflict.overlaps.keys() == {"rooms_let"}


def test_equal_values_on_an_unknown_base_are_no_conflict():
    state = item(house(rooms_let=3), version=3)
    (decision,) = decide(context(state), change("update", state.id, {"rooms_let": 3}, Base(9, "0" * 16)))
    assert (decision.outcome, decision.revision, decision.conflict) == ("applied", None, None)


def test_a_deletion_on_an_unknown_base_is_parked():
    state = item(house(), version=3)
    (decision,) = decide(context(state), change("delete", state.id, base=Base(3, "0" * 16)))
    assert (decision.conflict.kind, decision.conflict.base_unknown) == ("delete_update", True)
    assert decision.conflict.overlaps.keys() == house().keys()


# The lease -------------------------------------------------------------------------------------------------


def test_what_is_older_than_phones_may_stay_offline_is_kept_for_a_person():
    held = context().assignments[0]
    long_held = msgspec.structs.replace(held, valid_from=NOW - timedelta(days=99))
    since = msgspec.structs.replace(context(), assignments=[long_held])
    at = NOW - timedelta(days=30)
    (in_time,) = decide_set([(create(house(), type_code="0102"), at)], since)
    (late,) = decide_set([(create(house(), type_code="0102"), at - timedelta(seconds=1))], since)
    assert in_time.outcome == "applied"
    assert (late.outcome, late.code) == ("quarantined", "lease_exceeded")


# Steps of a case -------------------------------------------------------------------------------------------


def report(state="handled", **facts):
    event = item(HAZARD | {"photos": [SEEN]}, type_code="0401")
    case = CaseState(state=state, urgency="normal", department="xiaofang", opened_at=NOW, organisation=FIRE)
    given = {"review_approved": True, "photos": SHOWN} | facts
    return event, CaseFacts(case, **given)


def step(event, action="verify", leaves="handled", note=None, **more):
    return change("transition", event.id, type_code="0401", transition=Transition(action, leaves, note), **more)


def stepping(event, facts, **more):
    return msgspec.structs.replace(context(event, **more), cases={event.id: facts})


def test_a_step_from_the_state_it_names_is_taken_whatever_the_base():
    event, facts = report()
    (decision,) = decide(stepping(event, facts), step(event, base=Base(7, "0" * 16)))
    assert (decision.outcome, decision.revision) == ("applied", None)
    assert (decision.move.before.state, decision.move.after.state) == ("handled", "verified")


def test_a_step_that_comes_too_late_waits_for_a_person():
    event, facts = report("closed")
    (decision,) = decide(stepping(event, facts), step(event, "redo", note="还有电线"))
    conflict = decision.conflict
    assert (decision.outcome, conflict.kind, conflict.op) == ("parked", "late_transition", "transition")
    assert (conflict.step.action, conflict.step.leaves, conflict.step.found) == ("redo", "handled", "closed")
    assert (conflict.step.code, conflict.step.note) == ("late_transition", "还有电线")


def test_where_the_case_already_is_nothing_is_left_to_do():
    event, facts = report("verified")
    (decision,) = decide(stepping(event, facts), step(event))
    assert (decision.outcome, decision.move, decision.conflict) == ("applied", None, None)


@pytest.mark.parametrize(
    "photos",
    [
        CasePhotos(),
        CasePhotos(frozenset({("ab" * 32, 1)})),
        CasePhotos(BOTH, SHOWN.tied),
        msgspec.structs.replace(SHOWN, verified=frozenset()),
    ],
    ids=["none", "of the report alone", "of an earlier round", "of the work alone"],
)
def test_a_step_waits_for_its_photos(photos):
    event, facts = report(photos=photos)
    (decision,) = decide(stepping(event, facts), step(event))
    assert (decision.outcome, decision.conflict.step.code) == ("parked", "evidence_not_verified")


def brought(event, *photos, **more):
    return step(event, fields={"photos": list(photos)}, base=base_of(event), **more)


def test_photos_that_a_step_brings_count_where_they_are_verified():
    event, facts = report(photos=CasePhotos(BOTH))
    (decision,) = decide(stepping(event, facts), brought(event, SEEN, DONE))
    assert (decision.outcome, decision.conflict, decision.move.after.state) == ("applied", None, "verified")
    assert decision.revision.fields == {"photos": [SEEN, DONE]}


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        ([SEEN, DONE], CasePhotos(frozenset({("ab" * 32, 1)}))),
        ([SEEN, DONE], CasePhotos(BOTH, SHOWN.tied)),
        ([SEEN, DONE | {"role": "report"}], CasePhotos(BOTH)),
        ([SEEN, DONE | {"size": 2}], CasePhotos(BOTH)),
        ([DONE], CasePhotos(BOTH)),
    ],
    ids=["not verified", "tied in an earlier round", "another role", "another size", "the report's taken away"],
)
def test_others_do_not(listed, known):
    event, facts = report(photos=known)
    (decision,) = decide(stepping(event, facts), brought(event, *listed))
    assert (decision.outcome, decision.conflict.step.code) == ("parked", "evidence_not_verified")
    assert decision.revision is not None


def test_an_earlier_change_of_the_set_may_bring_them():
    event, facts = report(photos=CasePhotos(BOTH))
    edit = change("update", event.id, {"photos": [SEEN, DONE]}, base_of(event), type_code="0401")
    assert [one.outcome for one in decide(stepping(event, facts), edit, step(event))] == ["applied", "applied"]


def chief_stepping(event, facts):
    return stepping(event, facts, role="grid_chief")


def test_what_a_set_writes_is_not_approved_yet_where_the_set_closes_the_case():
    event, facts = report()
    edit = step(event, "close", "verified", fields={"description": "已清理"}, base=base_of(event))
    first, closing = decide(chief_stepping(event, facts), step(event), edit)
    assert (first.outcome, closing.outcome, closing.conflict.step.code) == ("applied", "parked", "review_pending")
    assert closing.revision.fields == {"description": "已清理"}


def test_so_it_is_where_an_earlier_change_wrote_it():
    event, facts = report(photos=CasePhotos(BOTH))
    first, closing = decide(chief_stepping(event, facts), brought(event, SEEN, DONE), step(event, "close", "verified"))
    assert (first.outcome, closing.outcome, closing.conflict.step.code) == ("applied", "parked", "review_pending")


@pytest.mark.parametrize(("verified", "ends_in"), [(BOTH, "closed"), (SHOWN.tied, None)])
def test_a_type_that_asks_nobody_is_approved_with_its_photos(verified, ends_in):
    """A stall on the pavement; without its first photo it may neither be approved nor closed."""
    fields = {"problem": "stall", "persuaded": False, "blocking": True, "found_at": "2026-05-06T08:00:00+08:00"}
    stall = item(fields | {"location": point(118.005), "photos": [SEEN]}, type_code="0602")
    _, facts = report("verified", photos=CasePhotos(verified, SHOWN.tied, SHOWN.present))
    edit = change("transition", stall.id, {"photos": [SEEN, DONE]}, base_of(stall), type_code="0602",
                  transition=Transition("close", "verified"))  # fmt: skip
    (decision,) = decide(chief_stepping(stall, facts), edit)
    assert (decision.move.after.state if decision.move else None) == ends_in


def test_what_nobody_wrote_stays_approved():
    event, facts = report()
    decisions = decide(chief_stepping(event, facts), step(event), step(event, "close", "verified"))
    assert [one.move.after.state for one in decisions] == ["verified", "closed"]


@pytest.mark.parametrize(("action", "leaves"), [("close", "verified"), ("accept", "reported")])
def test_a_step_of_another_role_is_kept_for_a_person(action, leaves):
    event, facts = report("closed")
    (decision,) = decide(stepping(event, facts), step(event, action, leaves))
    assert (decision.outcome, decision.code) == ("quarantined", "forbidden")


def test_what_is_no_step_at_all_is_rejected():
    event, facts = report()
    (unknown,) = decide(stepping(event, facts), step(event, "dance"))
    (nothing,) = decide(stepping(event, facts), change("transition", event.id, type_code="0401"))
    assert [(one.outcome, one.code) for one in (unknown, nothing)] == [
        ("rejected", "parameter_invalid"),
        ("rejected", "change_malformed"),
    ]


def test_a_needed_note_is_asked_for_and_nothing_is_lost():
    event, facts = report()
    (decision,) = decide(stepping(event, facts), step(event, "redo"))
    assert (decision.outcome, decision.code) == ("quarantined", "note_needed")


def test_the_fields_of_a_step_are_merged_first():
    event, facts = report()
    (decision,) = decide(stepping(event, facts), step(event, fields={"description": "已清理"}, base=base_of(event)))
    assert decision.revision.fields == {"description": "已清理"}
    assert decision.move.after.state == "verified"


def test_a_late_step_keeps_its_own_fields_in_dispute_with_it():
    event, facts = report("closed")
    edit = step(event, "redo", note="不对", fields={"description": "已清理"}, base=Base(9, "0" * 16))
    (decision,) = decide(stepping(event, facts), edit)
    assert (decision.conflict.kind, decision.conflict.overlaps.keys()) == ("late_transition", {"description"})
    assert decision.conflict.base_unknown


def test_two_steps_of_one_set_follow_each_other():
    event, facts = report()
    first, second = decide(stepping(event, facts), step(event), step(event, "redo", "verified", "又堆上了"))
    assert [first.move.after.state, second.move.after.state] == ["verified", "signed"]


# All or nothing --------------------------------------------------------------------------------------------


def test_a_set_of_which_all_stands_is_applied_as_ever():
    state = item(house())
    decisions = together(
        context(state), create(house(), type_code="0102"), change("update", state.id, {"rooms_let": 2}, base_of(state))
    )
    assert [one.outcome for one in decisions] == ["applied", "applied"]


@pytest.mark.parametrize(
    ("bad", "outcome", "code"),
    [
        ({"use": "castle"}, "rejected", "field_option"),
        ({"location": point(118.015)}, "quarantined", "out_of_scope"),
    ],
)
def test_one_refused_change_refuses_them_all(bad, outcome, code):
    good = create(house(), type_code="0102")
    decisions = together(context(), good, create(house(**bad), type_code="0102"), good)
    assert [one.outcome for one in decisions] == [outcome] * 3
    assert [one.code for one in decisions] == ["set_all_or_nothing", code, "set_all_or_nothing"]
    assert all(one.held and one.revision is None for one in decisions)


def test_one_parked_change_parks_them_all():
    first, second, past = stale({"address": "明珠路 2 号"})
    other, new = item(house()), uuid4()
    past[other.id] = [Past(1, other.rev, None, other.fields)]
    decisions = together(
        context(second, other, past=past),
        change("update", first.id, {"address": "明珠路 3 号", "rooms_let": 1}, base_of(first)),
        change("update", other.id, {"rooms_let": 2}, base_of(other)),
        change("delete", other.id, base=base_of(other)),
        create(house(), new, "0102"),
        change("update", new, {"rooms_let": 4}),
    )
    assert [one.outcome for one in decisions] == ["parked"] * 5
    assert [one.conflict.kind for one in decisions[:4]] == ["update_update", "group", "group", "group"]
    assert len({one.conflict.group for one in decisions[:4]}) == 1
    assert decisions[0].conflict.overlaps.keys() == {"address", "rooms_let"}, "nothing of it is applied"
    assert [one.revision for one in decisions[:3]] == [None] * 3
    assert stream_keys(decisions[3].revision.after) == {f"own/{WORKER}"}
    assert decisions[3].conflict.claim.grid == GRID
    assert (decisions[4].within, decisions[4].revision.after.fields["rooms_let"]) == (decisions[3].conflict.id, 4)


def test_what_a_set_holds_is_not_released_by_an_edit():
    state = item(house(), grid=None)
    conflict = OpenConflict(uuid4(), "group", PHONE, frozenset(), "create", atomic=True)
    edit = change("update", state.id, {"location": point(118.005)}, base_of(state))
    (decision,) = decide(context(state, open_conflicts={state.id: [conflict]}), edit)
    assert (decision.outcome, decision.revision.after.grid_id, decision.placed) == ("applied", None, None)


def test_a_step_in_a_parked_set_is_not_taken():
    first, second, past = stale({"address": "明珠路 2 号"})
    event, facts = report()
    past[event.id] = [Past(1, event.rev, None, event.fields)]
    known = msgspec.structs.replace(context(second, event, past=past), cases={event.id: facts})
    overlapping = change("update", first.id, {"address": "明珠路 3 号"}, base_of(first))
    _, decision = together(known, overlapping, step(event))
    assert (decision.outcome, decision.move, decision.conflict.kind) == ("parked", None, "group")
    assert decision.conflict.step.action == "verify"


def test_a_second_edit_in_a_parked_set_joins_the_first():
    first, second, past = stale({"address": "明珠路 2 号"})
    decisions = together(
        context(second, past=past),
        change("update", first.id, {"address": "明珠路 3 号"}, base_of(first)),
        change("update", first.id, {"address": "明珠路 4 号"}, base_of(first)),
    )
    assert (decisions[1].joined, decisions[1].conflict) == (decisions[0].conflict.id, None)


def test_the_kinds_leave_a_device_in_peace_with_itself():
    """What this phone changed since the base is no overlap, whichever kind of change comes next."""
    first, second, past = stale({"rooms_let": 2})
    past[first.id][1] = msgspec.structs.replace(past[first.id][1], device_id=PHONE)
    for one in (change("delete", first.id, base=base_of(first)), change("update", first.id, {"rooms_let": 9})):
        known = change(one.op, one.item, one.fields, base_of(first))
        assert decide(context(second, past=past), known)[0].outcome == "applied"
    past[first.id][1] = msgspec.structs.replace(past[first.id][1], device_id=OTHER_PHONE)
    assert decide(context(second, past=past), change("delete", first.id, base=base_of(first)))[0].outcome == "parked"


def test_a_grid_that_its_author_does_not_write_in_is_refused_before_anything_is_held():
    dead = context(references={DWELLING: Reference("0102", OTHER_GRID, deleted=True)})
    (decision,) = decide(dead, create(resident()))
    assert (decision.outcome, decision.code) == ("quarantined", "out_of_scope")
