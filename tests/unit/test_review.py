"""Submissions from report to approval, return and undo."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from schemas.catalogue import item_types, load
from schemas.item_type import ReviewStep
from sync.access import Assignment, ItemFacts
from sync.duties import may_review, review_steps
from sync.refusal import Refusal
from sync.review import (
    Decision,
    Reviewer,
    ReviewState,
    Submission,
    decide,
    evidence_changed,
    is_sampled,
    submit,
    undo,
)
from sync.rules import Ruling, apply_rules

CATALOGUE = load()
TYPES = item_types(CATALOGUE)
DEPARTMENTS = {one.code: one for one in CATALOGUE.departments}
START = datetime(2025, 1, 1, tzinfo=UTC)
GRID, CODE = UUID(int=10), "341102001002001"
COMMUNITY, STREET, COUNTY = "341102001002", "341102001000", "341102000000"
WORKER, OTHER_WORKER, CHIEF_ID, OFFICE_ID, STREET_ID = (UUID(int=n) for n in range(1, 6))


def person(user: UUID, role: str, division: str = COMMUNITY, department: str | None = None) -> Reviewer:
    grid = GRID if role in ("grid_worker", "grid_chief") else None
    held = Assignment(role=role, grid_id=grid, division=division, department=department, valid_from=START)
    return Reviewer(user, (held,))


CHIEF = person(CHIEF_ID, "grid_chief")
OFFICE = person(OFFICE_ID, "community")


def ruling(code: str, **fields: object) -> Ruling:
    return apply_rules(TYPES[code], fields, None)


def submitted(
    code: str,
    author: UUID = WORKER,
    verified: bool = True,
    sampled: bool = False,
    previous: ReviewState | None = None,
    version: int = 1,
) -> ReviewState:
    submission = Submission(
        version=version, rev=version * 7, author=author, evidence_verified=verified, sampled=sampled
    )
    one = ruling(code)
    return submit(one, submission, one.review_by, previous)


def judge(code: str, review: ReviewState, who: Reviewer, decision: Decision | None = None) -> ReviewState | Refusal:
    facts = ItemFacts(type=code, grid_id=GRID, grid_code=CODE, author_id=review.authors[0])
    decision = decision or Decision(action="approve", revision=review.revision)
    return decide(review, decision, who, facts, TYPES[code], CATALOGUE.return_reasons)


def approved(code: str, review: ReviewState, who: Reviewer) -> ReviewState:
    result = judge(code, review, who)
    assert isinstance(result, ReviewState), result
    return result


def code_of(result: ReviewState | Refusal) -> str:
    assert isinstance(result, Refusal)
    assert result.zh
    assert result.en
    return result.code


def returning(review: ReviewState, **given: object) -> Decision:
    return Decision(action="return", revision=review.revision, **given)  # type: ignore[arg-type]


def test_what_needs_no_approval_waits_for_its_photos_alone() -> None:
    assert submitted("0105").state == "approved"
    waiting = submitted("0105", verified=False)
    assert (waiting.state, waiting.level, waiting.waits_for_evidence) == ("pending", 0, True)
    assert evidence_changed(waiting, False) == waiting
    done = evidence_changed(waiting, True)
    assert (done.state, done.approved) == ("approved", (1, 7))


def test_one_level() -> None:
    review = submitted("0401")
    assert (review.state, review.level, review.approved) == ("pending", 1, None)
    assert code_of(judge("0401", review, OFFICE)) == "forbidden"
    done = approved("0401", review, CHIEF)
    assert (done.state, done.approved) == ("approved", (1, 7))
    assert code_of(judge("0401", done, CHIEF)) == "late_transition"


def test_two_levels_by_two_people() -> None:
    first = approved("0501", submitted("0501"), CHIEF)
    assert (first.state, first.level) == ("pending", 2)
    assert code_of(judge("0501", first, CHIEF)) == "forbidden"
    both = Reviewer(CHIEF_ID, CHIEF.assignments + OFFICE.assignments)
    assert code_of(judge("0501", first, both)) == "same_reviewer"
    assert approved("0501", first, OFFICE).state == "approved"


def test_nobody_reviews_what_they_wrote() -> None:
    assert code_of(judge("0401", submitted("0401", author=CHIEF_ID), CHIEF)) == "own_work"
    earlier = submitted("0401")
    edited_by_chief = submitted("0401", author=CHIEF_ID, previous=earlier, version=2)
    corrected = submitted("0401", previous=edited_by_chief, version=3)
    assert corrected.authors == (WORKER, CHIEF_ID)
    assert code_of(judge("0401", corrected, CHIEF)) == "own_work"


def test_an_approved_revision_clears_the_list_of_authors() -> None:
    done = approved("0401", submitted("0401"), CHIEF)
    again = submitted("0401", author=OTHER_WORKER, previous=done, version=2)
    assert again.authors == (OTHER_WORKER,)
    assert (again.state, again.level, again.approved) == ("pending", 1, (1, 7))


@pytest.mark.parametrize("role", ["grid_worker", "grid_adviser", "dispatcher", "administrator", "auditor"])
def test_who_never_approves(role: str) -> None:
    assert code_of(judge("0401", submitted("0401"), person(UUID(int=9), role))) == "forbidden"


def test_departments_review_at_their_tier() -> None:
    tip = submitted("0204")
    police_station = person(UUID(int=20), "department_handler", STREET, "gongan")
    county_police = person(UUID(int=21), "department_handler", COUNTY, "gongan")
    committee = person(UUID(int=22), "department_handler", COUNTY, "zhengfawei")
    elsewhere = person(UUID(int=23), "department_handler", "341102002000", "gongan")
    for nobody in (county_police, committee, elsewhere, CHIEF):
        assert code_of(judge("0204", tip, nobody)) == "forbidden"
    first = approved("0204", tip, police_station)
    assert approved("0204", first, committee).state == "approved"


def test_a_decision_names_the_revision_it_saw() -> None:
    old = submitted("0401")
    new = submitted("0401", previous=old, version=2)
    assert code_of(judge("0401", new, CHIEF, Decision(action="approve", revision=old.revision))) == "late_transition"
    same_version_other_bits = Decision(action="approve", revision=(2, 15))
    assert code_of(judge("0401", new, CHIEF, same_version_other_bits)) == "late_transition"


def test_approval_waits_for_needed_photos_and_returning_does_not() -> None:
    review = submitted("0604", verified=False)
    assert code_of(judge("0604", review, CHIEF)) == "evidence_not_verified"
    returned = judge("0604", review, CHIEF, returning(review, reason="photo_missing"))
    assert isinstance(returned, ReviewState)
    assert returned.state == "returned"
    assert approved("0604", evidence_changed(review, True), CHIEF).state == "approved"


def test_a_return_says_why() -> None:
    review = submitted("0401")
    assert code_of(judge("0401", review, CHIEF, returning(review))) == "reason_needed"
    assert code_of(judge("0401", review, CHIEF, returning(review, reason="bored"))) == "reason_unknown"
    assert code_of(judge("0401", review, CHIEF, returning(review, reason="identity_mismatch"))) == "reason_unknown"
    assert code_of(judge("0401", review, CHIEF, returning(review, reason="other", note=" "))) == "note_needed"
    stray = returning(review, reason="incomplete", notes={"shoe_size": "?"})
    assert code_of(judge("0401", review, CHIEF, stray)) == "parameter_invalid"


def test_a_returned_report_carries_the_notes_and_begins_again_when_corrected() -> None:
    review = submitted("0401")
    notes = {TYPES["0401"].fields[0].key: "请补充"}
    returned = judge("0401", review, CHIEF, returning(review, reason="incomplete", notes=notes))
    assert isinstance(returned, ReviewState)
    assert (returned.state, returned.reason, returned.notes) == ("returned", "incomplete", notes)
    assert code_of(judge("0401", returned, CHIEF)) == "late_transition"
    again = submitted("0401", previous=returned, version=2)
    assert (again.state, again.level, again.reason, again.notes) == ("pending", 1, None, {})


def test_an_edit_between_two_levels_begins_at_level_one_again() -> None:
    first = approved("0501", submitted("0501"), CHIEF)
    again = submitted("0501", previous=first, version=2)
    assert (again.level, again.approvals) == (1, ())


def test_sampled_work_is_approved_and_checked_afterwards() -> None:
    review = submitted("0601", sampled=True)
    assert (review.state, review.approved) == ("approved", (1, 7))
    assert review.step is not None
    checked = approved("0601", review, CHIEF)
    assert (checked.state, checked.step) == ("approved", None)
    returned = judge("0601", review, CHIEF, returning(review, reason="not_on_site"))
    assert isinstance(returned, ReviewState)
    assert returned.state == "returned"
    assert submitted("0601").step is None
    assert not submitted("0401", sampled=True).sampled


def test_undo_takes_back_ones_own_last_approval_while_nothing_stands_on_it() -> None:
    before = submitted("0501", previous=replace(submitted("0501"), approved=(0, 3)), version=2)
    first = approved("0501", before, CHIEF)
    done = approved("0501", first, OFFICE)
    assert code_of(undo(done, CHIEF_ID, done.revision, False)) == "forbidden"
    assert code_of(undo(done, OFFICE_ID, done.revision, True)) == "undo_too_late"
    assert code_of(undo(done, OFFICE_ID, (1, 7), False)) == "late_transition"
    assert undo(done, OFFICE_ID, done.revision, False) == first
    assert undo(first, CHIEF_ID, first.revision, False) == before
    assert code_of(undo(before, CHIEF_ID, before.revision, False)) == "late_transition"


def test_undo_of_a_check_makes_it_due_again() -> None:
    review = submitted("0601", sampled=True)
    assert undo(approved("0601", review, CHIEF), CHIEF_ID, review.revision, False) == review


def test_the_draw_is_the_same_everywhere_and_fits_its_rate() -> None:
    ids = [UUID(int=n) for n in range(20_000)]
    drawn = [is_sampled(one, 1, 0.1) for one in ids]
    assert drawn == [is_sampled(one, 1, 0.1) for one in ids]
    assert 0.09 < sum(drawn) / len(drawn) < 0.11
    assert drawn != [is_sampled(one, 2, 0.1) for one in ids]
    assert all(is_sampled(one, 1, 1.0) for one in ids[:100])
    assert not any(is_sampled(one, 1, 0.0) for one in ids[:100])


# Own work goes up the tiers ---------------------------------------------------------------------------------


def raised(code: str, *authors: Reviewer) -> list[tuple[int, str, str]]:
    facts = ItemFacts(type=code, grid_id=GRID, grid_code=CODE, author_id=WORKER)
    held = [author.assignments for author in authors]
    steps = review_steps(ruling(code).review_by, held, facts, TYPES[code], DEPARTMENTS)
    return [(step.level, step.by, step.tier) for step in steps]


def test_a_chiefs_own_report_goes_to_the_next_tier_that_may_read_it() -> None:
    assert raised("0401", person(WORKER, "grid_worker")) == [(1, "grid_chief", "grid")]
    assert raised("0401", CHIEF) == [(1, "community", "community")]
    assert raised("0401", CHIEF, OFFICE) == [(1, "street", "street")]
    assert raised("0501", CHIEF) == [(1, "community", "community"), (2, "community", "community")]


def test_where_no_higher_tier_may_read_it_another_person_of_the_office_reviews() -> None:
    assert raised("0501", OFFICE) == [(1, "grid_chief", "grid"), (2, "community", "community")]


def test_a_departments_own_work_goes_to_its_higher_tier() -> None:
    station = person(UUID(int=20), "department_handler", STREET, "gongan")
    assert raised("0204", station) == [
        (1, "lead_department", "county"),
        (2, "department:zhengfawei", "county"),
    ]


def test_a_chief_of_another_grid_is_no_reviewer() -> None:
    facts = ItemFacts(type="0401", grid_id=UUID(int=11), grid_code="341102001002002", author_id=WORKER)
    step = ReviewStep(level=1, by="grid_chief", tier="grid")
    assert not may_review(CHIEF.assignments, facts, TYPES["0401"], step)
    assert not may_review(CHIEF.assignments, replace(facts, grid_id=None), TYPES["0401"], step)
