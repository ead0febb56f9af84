"""Who goes on where when grids end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sync.lineage import Step
from sync.registry_changes.handover import Post, hand_over

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LONG_AGO, LATER, SOON = NOW - timedelta(days=900), NOW + timedelta(days=90), NOW + timedelta(days=9)
A, B, C, D = (UUID(int=number) for number in range(1, 5))
ONE, OTHER = UUID(int=101), UUID(int=102)
SPLIT = Step(2, "split", (A,), (C, D))
MERGE = Step(2, "merge", (A, B), (C,))


def post(user: UUID, grid: UUID, until: datetime | None = None, since: datetime = LONG_AGO) -> Post:
    return Post(user, "grid_worker", grid, since, until)


def test_everybody_goes_on_in_every_successor_from_now_on() -> None:
    begun = hand_over([SPLIT], [post(ONE, A), post(OTHER, B)], {}, NOW)
    assert begun == [post(ONE, C, since=NOW), post(ONE, D, since=NOW)]


def test_a_post_lasts_as_long_as_before_and_begins_no_earlier_than_it_would_have() -> None:
    begun = hand_over([SPLIT], [post(ONE, A, until=LATER), post(OTHER, A, since=SOON)], {}, NOW)
    assert begun == [
        *(post(ONE, grid, until=LATER, since=NOW) for grid in (C,)),
        post(OTHER, C, since=SOON),
        post(ONE, D, until=LATER, since=NOW),
        post(OTHER, D, since=SOON),
    ]


def test_who_worked_in_both_of_what_is_merged_has_one_post_of_the_longer_time() -> None:
    assert hand_over([MERGE], [post(ONE, A, until=SOON), post(ONE, B, until=LATER)], {}, NOW) == [
        post(ONE, C, until=LATER, since=NOW)
    ]
    assert hand_over([MERGE], [post(ONE, A), post(ONE, B, until=LATER)], {}, NOW) == [post(ONE, C, since=NOW)]


def test_a_named_team_takes_the_place_of_the_former_one_in_that_grid_alone() -> None:
    begun = hand_over([SPLIT], [post(ONE, A)], {C: [(OTHER, "grid_chief")]}, NOW)
    assert begun == [Post(OTHER, "grid_chief", C, NOW, None), post(ONE, D, since=NOW)]
    assert hand_over([SPLIT], [post(ONE, A)], {C: [], D: []}, NOW) == []


def test_nobody_goes_on_where_nothing_begins() -> None:
    retired, renumbered = Step(2, "retire", (A,), ()), Step(2, "renumber", (B,), (B,))
    assert hand_over([retired, renumbered], [post(ONE, A), post(ONE, B)], {}, NOW) == []


def test_a_new_grid_has_whom_the_plan_names() -> None:
    assert hand_over([Step(2, "new", (), (C,))], [], {C: [(ONE, "grid_worker")]}, NOW) == [post(ONE, C, since=NOW)]
