"""The ledger counts what was written, and which changes met without knowing of each other."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from server.simulate.ledger import Ledger, Written

ONE, OTHER = UUID(int=1), UUID(int=2)


def written(device: UUID, no: int, item: UUID, op: Any = "update", knew: int = 0, **fields: Any) -> Written:
    return Written(device, no, 0, item, "0101", op, fields, 1, knew)


def ledger_of(*changes: Written, sent: dict[UUID, int] | None = None) -> Ledger:
    ledger = Ledger()
    for change in changes:
        ledger.write(change)
    for device, day in (sent or {}).items():
        ledger.note_sent(device, day)
    return ledger


def test_it_counts_sets_changes_and_types() -> None:
    item = uuid4()
    ledger = ledger_of(written(ONE, 1, item, "create"), written(ONE, 2, item), written(OTHER, 1, item))
    assert ledger.sets == 3
    assert ledger.by_type() == {"0101": 3}
    assert [change.no for change in ledger.by_item[item]] == [1, 2, 1]
    assert ledger.by_key[OTHER, 1, 0] is ledger.changes[2]


@pytest.mark.parametrize(
    ("one", "other", "met"),
    [
        ({"remark": "a"}, {"remark": "b"}, 1),
        ({"remark": "a"}, {"remark": "a"}, 0),
        ({"remark": "a"}, {"phone": "b"}, 0),
        ({"remark": "a", "phone": "x"}, {"remark": "b", "phone": "y"}, 1),
    ],
)
def test_two_edits_meet_in_a_field_that_both_set_differently(
    one: dict[str, str], other: dict[str, str], met: int
) -> None:
    item = uuid4()
    ledger = ledger_of(written(ONE, 1, item, **one), written(OTHER, 1, item, **other), sent={ONE: 1, OTHER: 1})
    assert ledger.overlaps() == met


def test_a_deletion_meets_an_edit_but_no_other_deletion() -> None:
    item, second = uuid4(), uuid4()
    ledger = ledger_of(
        written(ONE, 1, item, "delete"),
        written(OTHER, 1, item, remark="a"),
        written(ONE, 2, second, "delete"),
        written(OTHER, 2, second, "delete"),
    )
    assert ledger.overlaps() == 1


def test_who_had_pulled_the_other_change_does_not_meet_it() -> None:
    item = uuid4()
    first, later = written(ONE, 1, item, knew=0, remark="a"), written(OTHER, 1, item, knew=1, remark="b")
    ledger = ledger_of(first, sent={ONE: 1})
    ledger.write(later)
    assert ledger.overlaps() == 0


def test_a_change_that_was_still_on_the_phone_could_not_be_known() -> None:
    item = uuid4()
    ledger = Ledger()
    ledger.write(written(ONE, 1, item, knew=0, remark="a"))
    ledger.note_sent(ONE, 3)
    ledger.write(written(OTHER, 1, item, knew=2, remark="b"))
    assert ledger.overlaps() == 1


def test_one_phone_never_meets_itself() -> None:
    item = uuid4()
    assert ledger_of(written(ONE, 1, item, remark="a"), written(ONE, 2, item, remark="b")).overlaps() == 0
