"""By which registry version the ground of a change is judged: every small case of publishing, capture and lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, product

import pytest

from sync.registry import Registry

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = range(5)


def on(day: int) -> datetime:
    return BEGAN + timedelta(days=day)


def published(days: tuple[int, ...]) -> Registry:
    return Registry(len(days), [], published=[(number, on(day)) for number, day in enumerate(days, 1)])


CASES = [days for number in (1, 2, 3) for days in combinations_with_replacement(DAYS, number)]


@pytest.mark.parametrize("days", CASES, ids=str)
def test_where_only_one_version_was_in_force_within_the_lease_it_is_the_answer_to_everything(
    days: tuple[int, ...],
) -> None:
    registry = published(days)
    for oldest in map(on, range(-1, 6)):
        answers = {
            registry.known(written, captured_at, oldest)
            for written, captured_at in product(range(len(days) + 2), map(on, range(-1, 7)))
        }
        only = registry.only_since(oldest)
        assert only is None or answers == {only}


def test_it_is_told_whether_another_version_was_in_force_since() -> None:
    registry = published((1, 3))
    assert [registry.only_since(on(day)) for day in (0, 1, 2, 3, 4)] == [None, None, None, 2, 2]
    assert published((1,)).only_since(on(0)) == 1


def test_without_any_times_nothing_is_told() -> None:
    assert Registry(4, []).only_since(BEGAN) is None
    assert Registry(4, []).known(3, BEGAN, BEGAN) == 3
