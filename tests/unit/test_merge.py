"""Three-way merge: disjoint, equal and overlapping edits under every policy."""

from __future__ import annotations

from uuid import UUID

import pytest

from sync.items import Past
from sync.merge import Overlap, base_is_known, changed_by_others, fields_at, merge_fields

MINE, THEIRS = UUID(int=1), UUID(int=2)


def merge(incoming, server, base, changed, policy="manual", longest=None):
    return merge_fields(
        incoming,
        server=server,
        base=base,
        changed=set(changed),
        policy_of=lambda _: policy,
        longest=lambda _: longest,
    )


def test_disjoint_fields_merge():
    merged = merge({"a": 2}, {"a": 1, "b": 9}, {"a": 1, "b": 1}, {"b"})
    assert merged.applied == {"a": 2}
    assert merged.overlaps == {}


def test_equal_values_are_no_conflict():
    merged = merge({"a": 2}, {"a": 2}, {"a": 1}, {"a"})
    assert (merged.applied, merged.overlaps) == ({}, {})


def test_manual_overlap_waits_for_a_person_and_keeps_all_three_values():
    merged = merge({"a": 2}, {"a": 3}, {"a": 1}, {"a"})
    assert merged.applied == {}
    assert merged.overlaps == {"a": Overlap(base=1, server=3, incoming=2)}


@pytest.mark.parametrize(
    ("policy", "base", "server", "incoming", "settled"),
    [
        ("lww", "x", "y", "z", "z"),
        ("lww", "x", "y", None, None),
        ("union", ["a"], ["a", "b"], ["a", "c"], ["a", "b", "c"]),
        ("union", ["a"], ["b"], None, ["b"]),
        ("union", ["a"], None, ["c"], ["c"]),
        ("max", "2026-01-01", "2026-03-01", "2026-02-01", "2026-03-01"),
        ("max", "2026-01-01", "2026-02-01", "2026-03-01", "2026-03-01"),
        ("append", "一", "一二", "一三", "一二\n三"),
        ("append", None, "二", "三", "二\n三"),
        ("append", "一", "一二", "一", "一二"),
        ("append", "一", "一二", "二", "一二"),
        # The second of two unsent edits of one text, with somebody else's line before, after or between.
        ("append", "一", "一\n他\n甲", "一\n甲\n乙", "一\n他\n甲\n乙"),
        ("append", "一", "一\n甲\n他", "一\n甲\n乙", "一\n甲\n他\n乙"),
        ("append", "一", "一\n甲\n他\n乙", "一\n甲\n乙\n丙", "一\n甲\n他\n乙\n丙"),
        ("append", None, "他\n甲", "甲\n乙", "他\n甲\n乙"),
    ],
)
def test_policies_settle_overlaps(policy, base, server, incoming, settled):
    merged = merge({"f": incoming}, {"f": server}, {"f": base}, {"f"}, policy)
    assert merged.overlaps == {}
    assert merged.applied == {"f": settled}


def test_an_append_that_would_not_fit_is_left_to_a_person():
    merged = merge({"f": "三四"}, {"f": "一二"}, {}, {"f"}, "append", longest=4)
    assert merged.overlaps == {"f": Overlap(None, "一二", "三四")}


def past(*entries):
    return [Past(version, version * 10, device, fields) for version, device, fields in entries]


def test_a_devices_own_earlier_sets_are_no_changes_of_others():
    history = past((1, MINE, {"a": 1}), (2, MINE, {"a": 2}), (3, THEIRS, {"b": 3}), (4, None, {"c": 4}))
    assert changed_by_others(history, 1, MINE) == {"b", "c"}
    assert changed_by_others(history, 3, THEIRS) == {"c"}


def test_a_base_of_the_same_number_and_another_rev_is_not_known():
    history = past((1, MINE, {}), (2, THEIRS, {}))
    assert base_is_known(history, 2, 20)
    assert not base_is_known(history, 2, 21)


def test_fields_are_told_as_they_stood_at_a_version():
    history = past((2, THEIRS, {"a": 2}), (1, MINE, {"a": 1, "b": 1}), (3, MINE, {"b": None}))
    assert fields_at(history, 1) == {"a": 1, "b": 1}
    assert fields_at(history, 2) == {"a": 2, "b": 1}
    assert fields_at(history, 3) == {"a": 2, "b": None}
