"""A plan's file: what it may say, and every fault of its form with its place and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.registry_change import Redraw, Renumber, Split
from server.usecases.registry_change_file import PlanFile, read_outlines, read_plan

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def told(plan: PlanFile) -> list[tuple[int | None, str, str]]:
    return [(one.row, one.fault, one.field) for one in plan.faults]


def test_the_example_of_the_documentation_is_a_plan() -> None:
    plan = read_plan(EXAMPLES.joinpath("registry-plan.yaml").read_bytes())
    assert plan.faults == []
    assert (plan.registry, plan.outlines, plan.crs) == (1, "registry-plan.geojson", "wgs84")
    split, renumber = plan.operations
    assert isinstance(split, Split)
    assert isinstance(renumber, Renumber)
    assert split.into[0].compounds == ("东苑", "西苑")
    assert [one.role for one in split.into[0].team or ()] == ["grid_worker", "grid_chief"]
    assert plan.lines.of("operations[0].into[1].code") == 33
    read = read_outlines(EXAMPLES.joinpath("registry-plan.geojson").read_bytes(), plan.crs)
    assert read.faults == []
    assert read.outlines.keys() == {one.code for one in split.into}


def test_a_code_without_quotes_stays_its_digits() -> None:
    plan = read_plan(b"registry: 4\noperations:\n- renumber: 341182001001001\n  to: 341182001001002\n- redraw: '3'\n")
    assert plan.operations == (
        Renumber(renumber="341182001001001", to="341182001001002"),
        Redraw(redraw=("3",)),
    )


def test_every_fault_of_form_is_told_with_its_line() -> None:
    plan = read_plan(
        b"registry: four\ncrs: mars\nwhat: ever\noperations:\n- split: '1'\n  into: nothing\n- retire: '1'\n"
        b"  renumber: '2'\n- nothing\n- new:\n    code: '1'\n    nam: x\n- retire: '5'\n  retire: '6'\n- retire:\n"
    )
    assert told(plan) == [
        (1, "plan_form", "registry"),
        (2, "plan_form", "crs"),
        (3, "plan_form", "what"),
        (6, "plan_form", "operations[0].into"),
        (7, "plan_verb", "operations[1]"),
        (9, "plan_verb", "operations[2]"),
        (11, "plan_form", "operations[3].new"),
        (14, "plan_form", "operations[4].retire"),
        (15, "plan_verb", "operations[5]"),
    ]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"registry: 1\n  operations: [", 2),
        (b"a: &x [1]\nb: *x\n", 2),
        (b"\xff\xfe", 1),
        (b"[" * 100_000, 1),
        (b"? [a]\n: 1\n", 1),
        (b"a: b\n---\nc: d\n", 2),
    ],
    ids=["syntax", "anchors", "encoding", "nesting", "key", "two documents"],
)
def test_what_is_no_plan_at_all_is_told_once(raw: bytes, line: int) -> None:
    assert told(read_plan(raw)) == [(line, "plan_form", "plan")]


def test_a_plan_that_is_empty_says_what_it_lacks() -> None:
    assert [one[1] for one in told(read_plan(b""))] == ["plan_form", "plan_empty", "plan_form"]
    assert told(read_plan(b"registry: 2\noperations: []\n")) == [(2, "plan_empty", "operations")]


def test_outlines_are_judged_one_by_one() -> None:
    ring = "[[117.9,32.7],[117.91,32.7],[117.91,32.71],[117.9,32.7]]"
    far = "[[1,2],[3,4],[5,7],[1,2]]"
    features = [
        f'{{"type":"Feature","properties":{{"code":"{code}"}},"geometry":{{"type":"Polygon","coordinates":[{shape}]}}}}'
        for code, shape in (("1", ring), ("2", far), ("3", ring), ("3", ring))
    ]
    raw = f'{{"type":"FeatureCollection","features":[{",".join(features)}]}}'.encode()
    read = read_outlines(raw, "gcj02")
    assert [(one.fault, one.code) for one in read.faults] == [("ring_bounds", "2"), ("outline_duplicate", "3")]
    assert read.outlines.keys() == {"1"}
    assert read.given["1"]["crs"] == "gcj02"
    assert read_outlines(None, None).outlines == {}
