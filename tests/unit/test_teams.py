"""The people of a grid: who leads, who works, who only advises, and who reports in passing."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from schemas.catalogue import item_types, load
from sync.access import Assignment, ItemFacts, device_streams, may_read, reading_grants, write_refusal
from sync.disputes import settling_grants
from sync.duties import case_actor, first_to_correct, may_review
from sync.review import Decision, Reviewer, ReviewState, decide

SOURCE = load()
TYPES = item_types(SOURCE)
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
ME, OTHER = UUID(int=1), UUID(int=2)
HERE, NEXT_DOOR, FAR = UUID(int=10), UUID(int=11), UUID(int=12)
CODES = {HERE: "341102001002001", NEXT_DOOR: "341102001002002", FAR: "341103001001001"}
COUNTY, COMMUNITY = "341102000000", "341102001002"


def in_grid(role: str, grid: UUID = HERE) -> Assignment:
    return Assignment(role=role, grid_id=grid, division=CODES[grid][:12], valid_from=BEGAN)


ADVISERS = [in_grid("grid_adviser"), Assignment(role="grid_adviser", division=COMMUNITY, valid_from=BEGAN)]
COURIER = Assignment(role="part_time_worker", division=COUNTY, valid_from=BEGAN)
OPEN_TO_COURIERS = {code for code, one in TYPES.items() if one.kind == "event" and one.part_time == "report_only"}
EVERY_TYPE = pytest.mark.parametrize("item_type", TYPES.values(), ids=TYPES.keys())


def facts(code: str, author: UUID = OTHER, grid: UUID = HERE) -> ItemFacts:
    return ItemFacts(type=code, grid_id=grid, grid_code=CODES[grid], author_id=author)


@EVERY_TYPE
@pytest.mark.parametrize("held", [*ADVISERS, COURIER], ids=["adviser", "community adviser", "courier"])
def test_who_advises_or_reports_in_passing_decides_nothing(item_type, held) -> None:
    item = facts(item_type.code)
    assert not any(may_review([held], item, item_type, step) for step in item_type.review_by)
    assert case_actor(ME, [held], item, item_type).roles == frozenset()
    assert case_actor(ME, [held], item, item_type).organisation_ids == frozenset()


@pytest.mark.parametrize("held", [*ADVISERS, COURIER])
def test_who_advises_or_reports_in_passing_settles_no_conflict(held) -> None:
    assert settling_grants([held], TYPES.values()) == ()


def test_an_adviser_who_decides_all_the_same_is_refused() -> None:
    item_type = TYPES["0401"]
    submission = ReviewState(
        state="pending", version=1, rev=1, level=1, steps=tuple(item_type.review_by), authors=(OTHER,)
    )
    for action in ("approve", "return"):
        decision = Decision(action=action, revision=(1, 1), reason="other", note="x")  # type: ignore[arg-type]
        outcome = decide(
            submission, decision, Reviewer(ME, (ADVISERS[0],)), facts("0401"), item_type, SOURCE.return_reasons
        )
        assert getattr(outcome, "code", None) == "forbidden"


@EVERY_TYPE
def test_an_adviser_writes_nothing_from_a_phone(item_type) -> None:
    for held in ADVISERS:
        for operation in ("create", "update"):
            assert write_refusal(ME, [held], facts(item_type.code, ME), item_type, operation) == "role_may_not_write"


def test_an_advisers_phone_carries_his_own_stream_alone() -> None:
    """The grid's stream also holds types that only its team may read; an adviser reads the others at a desk."""
    team_only = {
        code
        for code, one in TYPES.items()
        if one.stream == "grid" and not may_read(ME, (ADVISERS[0],), facts(code), one)
    }
    assert team_only
    for held in ADVISERS:
        assert device_streams(ME, [held]) == [f"own/{ME}"]


@EVERY_TYPE
def test_a_courier_reports_what_is_open_to_him_anywhere_in_his_county(item_type) -> None:
    code = item_type.code
    open_to_him = code in OPEN_TO_COURIERS
    for grid in (HERE, NEXT_DOOR):
        refusal = write_refusal(ME, [COURIER], facts(code, ME, grid), item_type, "create")
        assert refusal == (None if open_to_him else "role_may_not_write")
    assert write_refusal(ME, [COURIER], facts(code, ME, FAR), item_type, "create") in (
        "out_of_scope",
        "role_may_not_write",
    )


@EVERY_TYPE
def test_a_courier_sees_and_corrects_his_own_reports_only(item_type) -> None:
    code = item_type.code
    assert may_read(ME, (COURIER,), facts(code, ME), item_type) == (code in OPEN_TO_COURIERS)
    assert not may_read(ME, (COURIER,), facts(code), item_type)
    assert write_refusal(ME, [COURIER], facts(code), item_type, "update") is not None
    grants = reading_grants(ME, (COURIER,), [item_type])
    assert {grant.reach.author_id for grant in grants} <= {ME}


def test_who_is_to_correct_is_the_first_who_may() -> None:
    item, item_type = facts("0401"), TYPES["0401"]
    chief, worker, far = in_grid("grid_chief"), in_grid("grid_worker"), in_grid("grid_worker", FAR)
    people = [(UUID(int=5), ()), (UUID(int=6), (far,)), (UUID(int=7), (chief,)), (UUID(int=8), (worker,))]
    assert first_to_correct(people, item, item_type) == UUID(int=7)
    assert first_to_correct([(OTHER, (far,)), *people], item, item_type) == OTHER
    assert first_to_correct(people[:2], item, item_type) is None
    assert first_to_correct([(UUID(int=8), (worker,))], facts("0501"), TYPES["0501"]) is None
