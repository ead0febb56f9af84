"""Steps that waited for photos or the review: taken once these are there, and what else becomes of them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from schemas.catalogue import item_types, load
from sync.awaited import Parked, in_turn
from sync.case_state import CaseState, Circumstances
from sync.decisions import Move, Step

CATALOGUE = load()
HAZARD = item_types(CATALOGUE)["0401"]
OPENED, HANDLED, NOW = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3))
WORKER, CHIEF = UUID(int=1), UUID(int=2)
CASE = CaseState(state="handled", urgency="urgent", department="xiaofang", opened_at=OPENED, handled_at=HANDLED)
THERE = Circumstances(
    item_type=HAZARD, catalogue=CATALOGUE, now=NOW, review_approved=True, report_verified=1, close_verified=1
)
PHOTOS, REVIEW, LATE = "evidence_not_verified", "review_pending", "late_transition"


def waiting(action="verify", leaves="handled", code=PHOTOS, *, found="handled", by=WORKER, role="grid_worker", **more):
    step = Step(action, leaves, found, code, more.pop("note", None), (role,), HANDLED)
    return Parked(uuid4(), by, step, **more)


def became(parked, case=CASE, circumstances=THERE):
    """What became of each of them: the state that it was taken to, why it waits now, or the word."""
    told = {Move: lambda one: one.after.state, Step: lambda one: one.code}
    return [told.get(type(one), str)(one) for _, one in in_turn(parked, case, circumstances)]


def test_what_waited_for_its_photos_is_taken_with_its_note():
    parked = waiting(note="已清理", carried=True)
    ((one, move),) = in_turn([parked], CASE, THERE)
    assert one is parked
    assert (move.action, move.before, move.note, move.carried) == ("verify", CASE, "已清理", True)
    assert move.after == replace(CASE, state="verified")


def test_what_waited_for_the_review_is_taken():
    parked = waiting("close", "verified", REVIEW, found="verified", by=CHIEF, role="grid_chief")
    assert became([parked], replace(CASE, state="verified")) == ["closed"]


@pytest.mark.parametrize("lacking", [{"close_verified": 0}, {"report_verified": 0}])
def test_what_is_lacking_still_is_waited_for(lacking):
    assert became([waiting()], circumstances=replace(THERE, **lacking)) == ["stays"]


def test_where_the_case_already_is_nothing_is_left_to_do():
    assert became([waiting()], replace(CASE, state="verified")) == ["reached"]


@pytest.mark.parametrize("state", ["signed", "closed", "reopened", "void"])
def test_a_case_that_went_another_way_is_for_a_person(state):
    assert became([waiting()], replace(CASE, state=state)) == ["stays"]


def test_so_is_one_that_came_back_to_the_state_after_other_work():
    again = replace(CASE, handled_at=HANDLED + timedelta(hours=1))
    assert became([waiting()], again) == ["stays"]


@pytest.mark.parametrize("code", [LATE, ""])
def test_what_came_too_late_or_with_a_group_waits_for_a_person_for_good(code):
    assert became([waiting(code=code)]) == ["stays"]
    assert became([waiting(code=code)], replace(CASE, state="verified")) == ["stays"]


def test_it_is_taken_in_the_roles_in_which_it_was_judged_at_first():
    assert became([waiting(role="dispatcher")]) == ["stays"]
    assert became([waiting(role="grid_chief")]) == ["verified"]


def test_what_was_parked_before_roles_and_times_were_kept_is_for_a_person():
    assert became([Parked(uuid4(), WORKER, Step("verify", "handled", "handled", PHOTOS))]) == ["stays"]


def test_of_two_that_wait_alike_the_first_is_taken():
    assert became([waiting(), waiting(by=CHIEF)]) == ["verified", "reached"]
    assert became([waiting(), waiting()]) == ["verified", "reached"]


def closing(**more):
    """What a chief did after he had verified, the case still standing where his first step found it."""
    return waiting(*("close", "verified", LATE), **{"by": CHIEF, "role": "grid_chief"} | more)


def test_what_its_author_built_on_it_goes_on_from_there():
    first = waiting(by=CHIEF, role="grid_chief")
    assert became([first, closing()]) == ["verified", "closed"]


def test_or_waits_for_what_it_lacks_itself():
    first, second = waiting(by=CHIEF, role="grid_chief"), closing()
    unapproved = replace(THERE, review_approved=False)
    assert became([first, second], circumstances=unapproved) == ["verified", REVIEW]
    (_, (_, anew)) = in_turn([first, second], CASE, unapproved)
    assert became([replace(second, step=anew)], replace(CASE, state="verified")) == ["closed"]


@pytest.mark.parametrize(
    "second",
    [
        closing(by=WORKER),
        closing(found="signed"),
        replace(closing(), step=replace(closing().step, since=OPENED)),
        replace(closing(), step=replace(closing().step, leaves="signed")),
    ],
    ids=["another author", "another state", "other work", "a state that it did not come to"],
)
def test_what_was_not_built_on_it_is_for_a_person(second):
    assert became([waiting(by=CHIEF, role="grid_chief"), second]) == ["verified", "stays"]


def test_nothing_is_built_on_what_was_not_taken():
    unverified = replace(THERE, close_verified=0)
    assert became([waiting(by=CHIEF, role="grid_chief"), closing()], circumstances=unverified) == ["stays", "stays"]
    elsewhere = replace(CASE, state="verified")
    assert became([waiting(by=CHIEF, role="grid_chief"), closing()], elsewhere) == ["reached", "stays"]
