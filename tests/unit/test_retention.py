"""From when on something is due: calendar months, in the city's time."""

from __future__ import annotations

from datetime import datetime

import pytest

from schemas.catalogue import item_types, load
from sync.retention import limits_at, months_before


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("moment", "months", "before"),
    [
        ("2026-11-25T12:00:00+08:00", 24, "2024-11-25T12:00:00+08:00"),
        ("2026-11-25T12:00:00+08:00", 0, "2026-11-25T12:00:00+08:00"),
        ("2026-03-31T12:00:00+08:00", 1, "2026-02-28T12:00:00+08:00"),
        ("2024-02-29T12:00:00+08:00", 12, "2023-02-28T12:00:00+08:00"),
        ("2026-01-15T12:00:00+08:00", 1, "2025-12-15T12:00:00+08:00"),
        ("2026-12-15T12:00:00+08:00", 60, "2021-12-15T12:00:00+08:00"),
        # The first of the month has begun in the city, not yet in Greenwich.
        ("2026-02-28T18:00:00+00:00", 12, "2025-03-01T02:00:00+08:00"),
    ],
)
def test_months_are_those_of_the_calendar(moment: str, months: int, before: str) -> None:
    assert months_before(at(moment), months) == at(before)


def test_every_type_has_a_limit_by_its_own_rule() -> None:
    now = at("2026-11-25T12:00:00+08:00")
    types = item_types(load())
    limits = {one.type: one for one in limits_at(types.values(), now)}
    assert limits.keys() == types.keys()
    for code, one in types.items():
        assert limits[code].event is (one.kind == "event")
        assert limits[code].event is (one.retention.after == "closed")
        assert limits[code].ended_by == months_before(now, one.retention.months)
