"""Rules of the packaged catalogue, one test per kind of decision; expectations are read off the catalogue's text."""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.catalogue import Condition, Effect, ItemType, Rule, item_types, load
from sync.rules import Ruling, apply_rules, holds, photos_needed

TYPES = item_types(load())


def ruling(code: str, fields: dict[str, Any], claimed: str | None = None) -> Ruling:
    return apply_rules(TYPES[code], fields, claimed)


@pytest.mark.parametrize(
    ("code", "claimed", "urgency"),
    [
        ("0201", None, "urgent"),
        ("0201", "normal", "normal"),
        ("0201", "critical", "critical"),
        ("0202", "critical", "normal"),
        ("0101", "urgent", "normal"),
        ("0801", "normal", "critical"),
        ("0801", "urgent", "urgent"),
        ("0201", "whenever", "urgent"),
    ],
)
def test_a_claimed_urgency_counts_only_where_it_is_allowed(code: str, claimed: str | None, urgency: str) -> None:
    assert ruling(code, {}, claimed).urgency == urgency


@pytest.mark.parametrize(
    ("code", "fields", "claimed", "urgency", "department"),
    [
        ("0402", {"hazards": ["leak"]}, "normal", "critical", None),
        ("0402", {"hazards": ["hose", "leak"]}, "normal", "critical", None),
        ("0402", {"hazards": ["hose"]}, "normal", "normal", None),
        ("0402", {"hazards": []}, "urgent", "urgent", None),
        ("0404", {"hazards": ["wild_swim"], "minors": True}, "normal", "critical", "yingji"),
        ("0404", {"hazards": ["wild_swim"], "minors": False}, "normal", "normal", "yingji"),
        ("0404", {"hazards": ["wild_swim"]}, "normal", "normal", "yingji"),
        ("0404", {"hazards": ["dike"]}, "normal", "critical", "shuili"),
        ("0404", {"hazards": ["dike", "ponding"]}, "normal", "critical", "chengguan"),
        ("0404", {"hazards": ["drain"]}, "urgent", "urgent", "chengguan"),
        ("0405", {"hazards": ["lift"]}, None, None, "shijian"),
        ("0405", {"hazards": ["lift", "site"]}, None, None, "zhujian"),
        ("0501", {"violence": True}, "normal", "critical", "gongan"),
        ("0501", {"violence": False}, "normal", "normal", "sifa"),
        ("0503", {"dispute_type": "quality"}, None, None, "shijian"),
        ("0503", {"dispute_type": "rent"}, None, None, "sifa"),
        ("0503", {"dispute_type": "wages"}, None, None, "renshe"),
        ("0602", {"problem": "car"}, None, None, "jiaojing"),
        ("0603", {"stage": "building"}, "normal", "urgent", None),
        ("0603", {"stage": "done"}, "urgent", "normal", None),
        ("0604", {"facility": "manhole", "damage": "loose"}, "normal", "critical", None),
        ("0604", {"facility": "manhole", "damage": "fallen"}, "normal", "normal", None),
        ("0604", {"facility": "cable", "damage": "fallen"}, "normal", "critical", None),
        ("0703", {"danger_now": True, "issue": "harm"}, "normal", "critical", "gongan"),
        ("0703", {"danger_now": True, "issue": "bullying"}, "normal", "critical", "jiaoyu"),
        ("0703", {"danger_now": False, "issue": "dropout"}, "normal", "normal", "jiaoyu"),
    ],
)
def test_values_decide_urgency_and_department(
    code: str, fields: dict[str, Any], claimed: str | None, urgency: str | None, department: str | None
) -> None:
    ruled = ruling(code, fields, claimed)
    assert ruled.urgency == (urgency or TYPES[code].urgency.default)
    assert ruled.department == (department or TYPES[code].lead_department)


@pytest.mark.parametrize(
    ("code", "fields", "dispatch"),
    [
        ("0101", {}, False),
        ("0201", {}, True),
        ("0203", {"state": "steady", "needs_follow_up": False}, False),
        ("0203", {"state": "abnormal", "needs_follow_up": False}, True),
        ("0203", {"state": "steady", "needs_follow_up": True}, True),
        ("0301", {}, False),
        ("0401", {"fixed_on_site": False}, True),
        ("0401", {"fixed_on_site": True}, False),
        ("0601", {"cleared_on_site": True}, False),
        ("0702", {"no_answer": False, "needs": ["none"]}, False),
        ("0702", {"no_answer": False, "needs": ["meal"]}, True),
        ("0702", {"no_answer": True}, True),
    ],
)
def test_who_gets_a_case(code: str, fields: dict[str, Any], dispatch: bool) -> None:
    ruled = ruling(code, fields)
    assert ruled.dispatch == dispatch
    assert ruled.fixed_on_site == bool(fields.get("fixed_on_site") or fields.get("cleared_on_site"))


def test_a_rule_cannot_give_a_case_to_a_type_that_has_none() -> None:
    told = replace(TYPES["0203"], dispatch_by="none")
    assert not apply_rules(told, {"needs_follow_up": True}, None).dispatch


def test_a_quiet_visit_is_sampled_and_a_troubled_one_is_reviewed_twice() -> None:
    quiet = ruling("0702", {"no_answer": False, "needs": ["none"]})
    assert (quiet.review, [step.by for step in quiet.review_by]) == ("sample", ["grid_chief"])
    for fields in ({"no_answer": True}, {"no_answer": False, "needs": ["none", "talk"]}):
        troubled = ruling("0702", fields)
        assert (troubled.review, [(s.level, s.by) for s in troubled.review_by]) == (
            "two",
            [(1, "grid_chief"), (2, "community")],
        )


@pytest.mark.parametrize("code", TYPES)
def test_an_empty_form_is_ruled_by_the_type_alone(code: str) -> None:
    item: ItemType = TYPES[code]
    ruled = ruling(code, {})
    assert ruled == Ruling(
        item.urgency.default, item.lead_department, item.flow == "dispatch", item.review, item.review_by, False
    )


def test_a_later_match_overrides_an_earlier_one_key_by_key() -> None:
    first, second = TYPES["0404"].rules[1], TYPES["0404"].rules[2]
    turned = replace(TYPES["0404"], rules=(second, first))
    fields = {"hazards": ["dike", "ponding"]}
    assert apply_rules(turned, fields, "normal").department == "shuili"
    assert ruling("0404", fields, "normal").department == "chengguan"


def test_a_later_urgency_and_a_later_dispatch_override_earlier_ones() -> None:
    always = Condition(field="t", op="eq", value=True)
    effects = [Effect(urgency="critical", dispatch=True), Effect(dispatch=False), Effect(urgency="normal")]
    told = replace(TYPES["0702"], rules=tuple(Rule(when=always, then=effect) for effect in effects))
    ruled = apply_rules(told, {"t": True}, "urgent")
    assert (ruled.urgency, ruled.dispatch) == ("normal", False)


@pytest.mark.parametrize(
    ("condition", "fields", "true"),
    [
        (Condition(field="a", op="eq", value=True), {"a": 1}, False),
        (Condition(field="a", op="eq", value=True), {"a": True}, True),
        (Condition(field="a", op="eq", value="x"), {"a": "x"}, True),
        (Condition(field="a", op="eq", value="x"), {"a": None}, False),
        (Condition(field="a", op="in", value=("x", "y")), {"a": "y"}, True),
        (Condition(field="a", op="in", value=("x", "y")), {}, False),
        (Condition(field="a", op="has_any", value=("x", "y")), {"a": ["z", "y"]}, True),
        (Condition(field="a", op="has_any", value=("x", "y")), {"a": []}, False),
        (Condition(field="a", op="has_any", value=("x", "y")), {"a": "x"}, False),
    ],
)
def test_conditions(condition: Condition, fields: dict[str, Any], true: bool) -> None:
    assert holds(condition, fields) == true
    assert holds(Condition(all=(condition, condition)), fields) == true
    always = Condition(field="t", op="eq", value=True)
    assert holds(Condition(all=(always, condition)), {**fields, "t": True}) == true


@pytest.mark.parametrize(
    ("code", "urgency", "fixed", "report", "close"),
    [
        ("0401", "critical", False, 0, 1),
        ("0401", "normal", True, 1, 1),
        ("0601", "normal", False, 1, 1),
        ("0603", "normal", False, 2, 1),
        ("0603", "urgent", False, 1, 1),
        ("0101", "normal", True, 0, 0),
        ("0801", "critical", False, 0, 0),
        ("0201", "normal", False, 0, 0),
    ],
)
def test_how_many_photos_are_needed(code: str, urgency: str, fixed: bool, report: int, close: int) -> None:
    assert photos_needed(TYPES[code], urgency, fixed, "report") == report
    assert photos_needed(TYPES[code], urgency, fixed, "close") == close


@pytest.mark.parametrize("code", TYPES)
def test_a_critical_report_never_waits_for_a_photo(code: str) -> None:
    assert photos_needed(TYPES[code], "critical", False, "report") == 0 or (
        "critical" not in TYPES[code].urgency.allowed
    )
