"""The checks find what was lost, what happened twice and where phones differ, each once."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from server.simulate.check import diverged, duplicated, lost
from server.simulate.ledger import Ledger, Written
from server.simulate.truth import Head, Held, Holding, Revision, Truth

ONE, OTHER = UUID(int=1), UUID(int=2)
ITEM = uuid4()
HOME = {"name": "李兰", "remark": "白天不在家。", "living_here": True}


def scene() -> tuple[Ledger, Truth]:
    """A resident made by one phone, edited by another, deleted by nobody; all of it in force."""
    ledger, truth = Ledger(), Truth()
    ledger.write(Written(ONE, 1, 0, ITEM, "0101", "create", HOME, 0, -1))
    ledger.write(Written(OTHER, 1, 0, ITEM, "0101", "update", {"remark": "晚上在家。"}, 1, 0))
    truth.revisions[ITEM] = [
        Revision(1, "create", dict(HOME), ONE, 1, 0),
        Revision(2, "update", {"remark": "晚上在家。"}, OTHER, 1, 0),
    ]
    truth.heads[ITEM] = Head(2, False, HOME | {"remark": "晚上在家。"})
    return ledger, truth


def stale_edit(ledger: Ledger, **fields: Any) -> Written:
    """A further edit by the first phone, which did not know of the other's."""
    change = Written(ONE, 2, 0, ITEM, "0101", "update", fields, 1, 0)
    ledger.write(change)
    return change


def counts(ledger: Ledger, truth: Truth) -> tuple[int, int]:
    return len(lost(ledger, truth)), len(duplicated(ledger, truth))


def test_what_is_in_force_or_superseded_by_name_is_neither_lost_nor_double() -> None:
    assert counts(*scene()) == (0, 0)


# Lost ----------------------------------------------------------------------------------------------------------------


def test_an_item_that_was_not_made_is_lost_with_all_that_hangs_on_it() -> None:
    ledger, truth = scene()
    del truth.heads[ITEM], truth.revisions[ITEM]
    assert [one.why for one in lost(ledger, truth)] == ["the item was not made", "no trace of remark"]


def test_an_edit_without_its_revision_is_lost() -> None:
    ledger, truth = scene()
    del truth.revisions[ITEM][1]
    truth.heads[ITEM] = Head(1, False, HOME)
    assert [one.about for one in lost(ledger, truth)] == [f"{OTHER}/1/0 item {ITEM}"]


def test_a_value_that_was_changed_behind_the_history_is_lost() -> None:
    ledger, truth = scene()
    truth.heads[ITEM] = Head(2, False, HOME | {"remark": "晚上在家。", "name": "李蓝"})
    found = lost(ledger, truth)
    assert [one.why for one in found] == ["no trace of name"]
    assert "李" not in str(found)


def test_a_revision_that_holds_another_value_than_was_written_is_a_loss() -> None:
    ledger, truth = scene()
    truth.revisions[ITEM][1] = Revision(2, "update", {"remark": "不在家。"}, OTHER, 1, 0)
    truth.heads[ITEM] = Head(2, False, HOME | {"remark": "不在家。"})
    assert len(lost(ledger, truth)) == 1


@pytest.mark.parametrize(("device", "kept"), [(ONE, True), (OTHER, False)])
def test_a_parked_value_counts_in_the_conflict_of_its_own_phone_only(device: UUID, kept: bool) -> None:
    ledger, truth = scene()
    stale_edit(ledger, name="李岚")
    truth.conflicts[ITEM] = [Held(device, 2, 0, {"name": "李岚"})]
    assert (lost(ledger, truth) == []) is kept


def test_a_parked_value_may_be_replaced_only_by_the_same_phone() -> None:
    ledger, truth = scene()
    stale_edit(ledger, name="李岚")
    truth.conflicts[ITEM] = [Held(ONE, 2, 0, {"name": "李澜"})]
    assert len(lost(ledger, truth)) == 1
    ledger.write(Written(ONE, 3, 0, ITEM, "0101", "update", {"name": "李澜"}, 2, 1))
    assert lost(ledger, truth) == []


@pytest.mark.parametrize("key", [(ONE, 2, 0), (ONE, 2, -1)])
def test_what_is_held_in_quarantine_is_not_lost(key: tuple[UUID, int, int]) -> None:
    ledger, truth = scene()
    stale_edit(ledger, name="李岚")
    assert len(lost(ledger, truth)) == 1
    truth.quarantine[key] = 1
    assert counts(ledger, truth) == (0, 0)


def test_what_somebody_else_had_set_alike_needs_no_revision_of_its_own() -> None:
    ledger, truth = scene()
    stale_edit(ledger, remark="晚上在家。")
    assert lost(ledger, truth) == []


@pytest.mark.parametrize(
    ("item_type", "key", "value", "stored", "kept"),
    [
        ("0104", "care_types", ["left_child"], ["alone_old", "left_child"], True),
        ("0104", "care_types", ["left_child"], ["alone_old"], False),
        ("0104", "next_visit", "2026-03-01", "2026-03-09", True),
        ("0104", "next_visit", "2026-03-01", "2026-02-09", False),
        ("0104", "needs", "需要轮椅。要买药。", "需要轮椅。\n已送餐。\n要买药。", True),
        ("0104", "needs", "需要轮椅。要买药。", "需要轮椅。\n已送餐。", False),
        ("0104", "guardian_phone", "13900000001", "13900000002", False),
    ],
)
def test_a_merged_value_must_hold_what_was_written(
    item_type: str, key: str, value: Any, stored: Any, kept: bool
) -> None:
    ledger, truth = Ledger(), Truth()
    ledger.write(Written(ONE, 1, 0, ITEM, item_type, "update", {key: value}, 1, 0))
    truth.revisions[ITEM] = [Revision(2, "update", {key: stored}, ONE, 1, 0)]
    truth.heads[ITEM] = Head(2, False, {key: stored})
    assert (lost(ledger, truth) == []) is kept


def test_a_deletion_is_lost_unless_the_item_is_gone_or_the_deletion_parked() -> None:
    ledger, truth = scene()
    ledger.write(Written(ONE, 2, 0, ITEM, "0101", "delete", {}, 2, 1))
    assert len(lost(ledger, truth)) == 1
    truth.conflicts[ITEM] = [Held(ONE, 2, 0, {})]
    assert lost(ledger, truth) == []
    truth.conflicts[ITEM] = []
    truth.revisions[ITEM].append(Revision(3, "delete", {}, ONE, 2, 0))
    truth.heads[ITEM] = Head(3, True, truth.heads[ITEM].fields)
    assert counts(ledger, truth) == (0, 0)


def test_an_item_that_vanished_without_a_deletion_is_lost() -> None:
    ledger, truth = scene()
    truth.heads[ITEM] = Head(2, True, {})
    assert len(lost(ledger, truth)) == 2


# Duplicated ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        Revision(3, "update", {"remark": "晚上在家。"}, OTHER, 1, 0),
        Revision(3, "update", {"remark": "晚上在家。"}, OTHER, 2, 0),
        Revision(3, "update", {"remark": "晚上在家。"}, None, None, None),
        Revision(3, "unknown", {}),
    ],
)
def test_a_revision_that_no_change_explains_is_double(extra: Revision) -> None:
    ledger, truth = scene()
    truth.revisions[ITEM].append(extra)
    truth.heads[ITEM] = Head(3, False, truth.heads[ITEM].fields)
    assert counts(ledger, truth) == (0, 1)


def test_persons_at_desks_and_phones_outside_the_run_may_revise() -> None:
    ledger, truth = scene()
    truth.revisions[ITEM] += [
        Revision(3, "resolve", {"name": "李蓝"}),
        Revision(4, "update", {"phone": None}, UUID(int=9), 1, 0),
    ]
    truth.heads[ITEM] = Head(4, False, truth.heads[ITEM].fields | {"name": "李蓝"})
    assert counts(ledger, truth) == (0, 0)


def test_an_item_that_was_there_before_was_made_by_no_phone() -> None:
    ledger, truth, older = *scene(), uuid4()
    ledger.write(Written(ONE, 2, 0, older, "0401", "transition", {}, 1, 0))
    truth.heads[older], truth.revisions[older] = Head(1, False, {}), [Revision(1, "create", {}, None, None, None)]
    assert duplicated(ledger, truth) == []
    truth.revisions[ITEM].append(Revision(3, "create", {}, None, None, None))
    truth.heads[ITEM] = Head(3, False, truth.heads[ITEM].fields)
    assert len(duplicated(ledger, truth)) == 1


def test_an_item_made_twice_is_one_duplicate() -> None:
    ledger, truth = scene()
    twin = uuid4()
    truth.heads[twin] = Head(1, False, dict(HOME))
    truth.strangers = [twin]
    assert counts(ledger, truth) == (0, 1)
    truth.revisions[twin] = [Revision(1, "create", dict(HOME), ONE, 2, 0)]
    truth.extra_sets = [(ONE, 2)]
    assert counts(ledger, truth) == (0, 1)


def test_a_version_beyond_the_history_a_second_conflict_and_an_unknown_set_are_double() -> None:
    ledger, truth = scene()
    truth.heads[ITEM] = Head(3, False, truth.heads[ITEM].fields)
    truth.conflicts[ITEM] = [Held(OTHER, 1, 0, {"remark": "a"}), Held(OTHER, 1, 0, {"remark": "a"})]
    truth.quarantine[ONE, 1, 0] = 2
    truth.extra_sets = [(ONE, 2)]
    assert len(duplicated(ledger, truth)) == 4


# Diverged ------------------------------------------------------------------------------------------------------------


def holding(**entries: tuple[int, int, int]) -> Holding:
    return Holding({"grid/a": {UUID(key[1:] * 32): entry for key, entry in entries.items()}}, {}, {"grid/a": "00"})


def test_each_object_that_differs_counts_once_however_it_differs() -> None:
    wanted = holding(a1=(1, 5, 0), a2=(1, 6, 0), a3=(2, 7, 1))
    assert diverged(ONE, wanted, wanted) == []
    assert len(diverged(ONE, holding(a1=(1, 5, 0), a2=(1, 9, 0)), wanted)) == 2


def test_a_missing_stream_a_wrong_digest_and_a_wrong_body_count() -> None:
    wanted = holding(a1=(1, 5, 0))
    other_digest = Holding(wanted.streams, {}, {"grid/a": "01"})
    other_body = Holding(wanted.streams, {ITEM: {"name": "b"}}, wanted.digests)
    for found in (Holding({}, {}, {}), other_digest, other_body):
        assert len(diverged(ONE, found, wanted)) == 1
