"""What a rehearsal takes for good, and what it foretells of two edits that meet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from server.rehearse.applying import p999_ms
from server.rehearse.forecast import Forecast, foretell
from server.rehearse.report import Figures, is_near
from server.simulate.ledger import Written
from sync.registry import Registry

GOOD = Figures(
    devices=2, changes=10, applied=5, merged=1, rebased=2, parked=2, quarantined=0, rejected=0, lost=0,
    moves_predicted=8, moves_actual=8, unsent_moves_predicted=100, unsent_moves_actual=104, conflicts_predicted=2,
    conflicts_actual=2, push_lock_p999_ms=3.0, seconds=1.0, seed=1,
)  # fmt: skip
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def test_a_rehearsal_in_which_all_arrives_as_foretold_is_good() -> None:
    assert GOOD.good


@pytest.mark.parametrize(
    "wrong",
    [
        {"lost": 1},
        {"quarantined": 1},
        {"rejected": 1},
        {"moves_actual": 9},
        {"unsent_moves_actual": 106},
        {"conflicts_actual": 3},
    ],
)
def test_nothing_else_is_good(wrong: dict[str, Any]) -> None:
    assert not replace(GOOD, **wrong).good


def test_a_prediction_holds_within_five_percent_of_what_came() -> None:
    assert is_near(95, 100)
    assert is_near(105, 100)
    assert not is_near(94, 100)
    assert is_near(0, 0)
    assert not is_near(1, 0)


def test_pushes_that_waited_for_nothing_count_in_the_percentile() -> None:
    waits = {(1, NOON): 0.2}
    assert p999_ms(waits, 100) == 200.0
    assert p999_ms(waits, 5_000) == 0.0
    assert p999_ms({}, 0) == 0.0


def test_edits_of_one_field_by_two_phones_are_a_conflict_unless_both_say_the_same() -> None:
    assert foretold({"use": "let"}, {"use": "shop"}) == 1
    assert foretold({"use": "let"}, {"use": "let"}) == 0
    assert foretold({"use": "let"}, {"floors": 3}) == 0


def foretold(one: dict[str, Any], other: dict[str, Any]) -> int:
    made = written(1, "create", {"use": "own", "floors": 2})
    changes = [made, written(1, "update", one), written(2, "update", other)]
    forecast = foretell([], changes, Registry(2, []), set(), 1)
    assert forecast == Forecast(0, forecast.conflicts)
    return forecast.conflicts


def written(device: int, op: Any, fields: dict[str, Any]) -> Written:
    return Written(UUID(int=device), 1, 0, UUID(int=9), "0102", op, fields, 1, 0)
