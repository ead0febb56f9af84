"""What a phone loses, sends unreadable, or writes as a copy: in the ledger, in the checks, and in the plan."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from server.simulate.check import duplicated, lost
from server.simulate.faults import ENOUGH, FAULTS, USUAL, Luck, chosen, spared
from server.simulate.ledger import Ledger, Written
from server.simulate.ordeals import Fortune, at_desks, plan_ordeals
from server.simulate.plan import DAYS
from server.simulate.truth import Head, Held, Revision, Truth

ONE, COPY, NEW = UUID(int=1), UUID(int=2), UUID(int=3)
ITEM = uuid4()


def written(device: UUID, no: int, index: int = 0, op: Any = "create", item: UUID = ITEM, **fields: Any) -> Written:
    return Written(device, no, index, item, "0802", op, fields, 0, 0)


def ledger_of(*changes: Written) -> Ledger:
    ledger = Ledger()
    for change in changes:
        ledger.write(change)
    return ledger


# What is lost, and what is not ---------------------------------------------------------------------------------------


def test_what_the_phone_lost_is_no_loss_but_has_to_be_on_record_as_void() -> None:
    ledger, truth = ledger_of(written(ONE, 1, result="a")), Truth()
    assert [one.why for one in lost(ledger, truth)] == ["the item was not made"]
    ledger.void.add((ONE, 1))
    assert [one.why for one in lost(ledger, truth)] == ["it is not on record as void"]
    truth.void.add((ONE, 1))
    assert lost(ledger, truth) == duplicated(ledger, truth) == []


def test_a_void_set_that_was_written_or_has_an_effect_is_double() -> None:
    ledger, truth = ledger_of(written(ONE, 1)), Truth(void={(ONE, 1)})
    truth.revisions[ITEM] = [Revision(1, "create", {}, ONE, 1, 0)]
    truth.heads[ITEM] = Head(1, False, {})
    assert [one.about for one in duplicated(ledger, truth)] == [f"set {ONE}/1"]
    ledger.void.add((ONE, 1))
    assert [one.about for one in duplicated(ledger, truth)] == [f"set {ONE}/1"]


@pytest.mark.parametrize(("kept", "losses"), [({}, 1), ({(ONE, 1): "ab"}, 1), ({(ONE, 1): "aa"}, 0)])
def test_of_a_set_that_nobody_can_read_the_very_bytes_are_kept(kept: dict[Any, str], losses: int) -> None:
    ledger = Ledger()
    ledger.write_unreadable(ONE, 1, "aa")
    assert ledger.sets == 1
    assert len(lost(ledger, Truth(unreadable=kept))) == losses


def test_the_refused_set_of_a_copy_is_kept_where_that_can_be_seen() -> None:
    ledger = Ledger()
    ledger.refused.add((ONE, 4, "aa"))
    assert len(lost(ledger, Truth())) == len(lost(ledger, Truth(refused={(ONE, 4, "ab")}))) == 1
    assert lost(ledger, Truth(refused={(ONE, 4, "aa")})) == lost(ledger, Truth(as_written=True)) == []


def test_a_step_is_taken_parked_or_held_or_it_is_lost() -> None:
    ledger = ledger_of(written(ONE, 1, op="transition"))
    taken, parked, held = Truth(), Truth(), Truth()
    taken.revisions[ITEM] = [Revision(2, "transition", {}, ONE, 1, 0)]
    parked.conflicts[ITEM] = [Held(ONE, 1, 0, {})]
    held.quarantine[ONE, 1, 0] = 1
    assert [len(lost(ledger, truth)) for truth in (Truth(), taken, parked, held)] == [1, 0, 0, 0]


def test_a_duplicate_of_nothing_is_a_loss() -> None:
    assert [one.about for one in lost(Ledger(), Truth(alone=[ITEM]))] == [f"item {ITEM}"]


def test_what_a_copy_wrote_is_the_first_set_of_the_device_that_it_became() -> None:
    other = uuid4()
    ledger = ledger_of(written(ONE, 1), written(COPY, 2, 0, "update"), written(COPY, 3, 0, item=other), written(ONE, 2))
    ledger.renumber(COPY, NEW)
    assert [change.key for change in ledger.changes] == [(ONE, 1, 0), (NEW, 1, 0), (NEW, 1, 1), (ONE, 2, 0)]
    assert ledger.by_key[NEW, 1, 1].item == other
    assert [change.key for change in ledger.by_item[ITEM]] == [(ONE, 1, 0), (NEW, 1, 0), (ONE, 2, 0)]
    assert dict(ledger.last_no) == {ONE: 2, NEW: 1}


# The plan ------------------------------------------------------------------------------------------------------------


def test_faults_are_chosen_by_name_and_a_usual_day_has_its_own() -> None:
    assert chosen(None) == USUAL
    assert chosen("none") == {}
    assert set(chosen("all")) == set(FAULTS)
    assert set(chosen("answer_lost, poisoned")) == {"answer_lost", "poisoned"}
    with pytest.raises(KeyError, match="earthquake"):
        chosen("answer_lost,earthquake")


def test_each_fault_has_odds_or_befalls_somebody_and_says_what_it_is_in_both_languages() -> None:
    for name, fault in FAULTS.items():
        assert fault.befalls == (fault.all == 0), name
        assert fault.zh
        assert fault.en.isascii()


def test_whatever_befalls_a_phone_has_a_moment() -> None:
    for name in (name for name, fault in FAULTS.items() if fault.befalls):
        assert any(hasattr(Fortune, f"_{name}_{moment}") for moment in ("morning", "afternoon", "evening")), name


def test_the_same_seed_has_the_same_luck_and_one_kind_never_shifts_another() -> None:
    def drawn(odds: dict[str, float]) -> list[object]:
        luck = Luck("1/0", odds, Counter())
        return [(luck.fate(), luck.strikes("clock_wrong"), luck.strikes("app_killed")) for _ in range(200)]

    odds = chosen("all")
    assert drawn(odds) == drawn(dict(odds))
    without = drawn(odds | {"app_killed": 0.0})
    assert [one[:2] for one in without] == [one[:2] for one in drawn(odds)]  # type: ignore[index]


def test_nothing_stays_unheard_for_more_than_six_tries() -> None:
    luck = Luck("1/0", {"answer_lost": 1.0}, Counter())
    assert [luck.fate() for _ in range(14)].count("fine") == 2


def test_from_enough_phones_on_each_fault_befalls_one_of_them_and_none_gets_two() -> None:
    names = list(chosen("all"))
    guests = range(ENOUGH - len(at_desks(names)), ENOUGH)
    # One of the first phones may be a part-time worker's.
    planned = plan_ordeals("7", names, range(1, guests.start), guests)
    befalls = {name for name, fault in FAULTS.items() if fault.befalls}
    assert {one.fault for one in planned.values()} == befalls - {"grid_lost"}
    assert max(max(one.days) for one in planned.values()) < DAYS
    assert planned == plan_ordeals("7", names, range(1, guests.start), guests)
    assert planned != plan_ordeals("8", names, range(1, guests.start), guests)


def test_a_fault_that_never_happened_is_told_where_there_were_phones_enough() -> None:
    odds = chosen("answer_lost,poisoned")
    assert spared(odds, {"answer_lost": 3}, ENOUGH) == ["poisoned"]
    assert spared(odds, {"answer_lost": 3}, ENOUGH - 1) == []
