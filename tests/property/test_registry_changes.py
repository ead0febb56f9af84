"""Whatever grids become: ground is conserved, codes and ids are used once, and every item follows its own point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import cos, radians
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid5

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.registry_change import (
    Merge,
    Move,
    New,
    NewGridLabel,
    Operation,
    Redraw,
    Renumber,
    Retire,
    Split,
)
from server.demo.subdivision import Patchwork
from sync.grid_index import GridIndex
from sync.registry import GridLabel
from sync.registry_changes.changes import Changed, Standing, apply_changes, resolve, successors_of
from sync.registry_changes.checks import Checked, PlanLines, check_plan
from sync.registry_changes.succession import Clues, Ground, Succession
from sync.registry_checks import Place
from sync.registry_geometry import polygons
from sync.registry_outlines import Outline, normal_form
from sync.territory import Fix

ONE, TWO = "341182001001", "341182001002"
NAMES = UUID("7f8f8f4e-7a52-4a6f-9f0e-0d8f6d3a1b11")
NORTH_M = 111_195.0
EAST_M = NORTH_M * cos(radians(32.78))
Point = tuple[float, float]


class Town(NamedTuple):
    """Twelve grids of two communities side by side, each in two halves that it may be split into."""

    standing: Standing
    halves: dict[str, tuple[Outline, Outline]]
    rng: Random


def build(seed: int) -> Town:
    """Grids are two patches each: the whole is drawn around both, so a split along the patches is exact."""
    rng = Random(seed)
    side = 900.0
    whole = [(-side, -side), (side, -side), (side, side), (-side, side)]
    town = Patchwork(whole, rng)
    parts = [part for half in town.divide(0, [12, 12]) for part in town.divide(half, [2] * 6)]
    grids: dict[str, GridLabel] = {}
    halves: dict[str, tuple[Outline, Outline]] = {}
    pieces = [town.divide(part, [1, 1]) for part in parts]
    for at, (left, right) in enumerate(pieces):
        code = f"{ONE if at < 6 else TWO}{at % 6 + 1:03}"
        label = GridLabel(uuid5(NAMES, code), code, code[:12], "general", code, degrees(town.outline([left, right])))
        grids[code] = label
        halves[code] = (degrees(town.outline([left])), degrees(town.outline([right])))
    return Town(Standing(1, grids, {}, {ONE: Place("一"), TWO: Place("二")}), halves, rng)


def degrees(ring: Iterable[Point]) -> Outline:
    return normal_form([[(round(117.99 + x / EAST_M, 7), round(32.78 + y / NORTH_M, 7)) for x, y in ring]])


def label(code: str) -> NewGridLabel:
    return NewGridLabel(code=code, name=f"网格{code[-3:]}")


def fresh(code: str, number: int) -> str:
    return f"{code[:12]}{100 + number:03}"


class Plan(NamedTuple):
    operations: list[Operation]
    outlines: dict[str, Outline]


def some_plan(town: Town) -> Plan:
    """A sound plan: every grid is left alone, split, renumbered, moved, redrawn into itself or merged with another."""
    plan = Plan([], {})
    codes = list(town.standing.grids)
    town.rng.shuffle(codes)
    for number, code in enumerate(codes):
        match town.rng.choice(["stay", "split", "renumber", "move", "redraw"]):
            case "split":
                new = [fresh(code, 10 * number + half) for half in (1, 2)]
                plan.operations.append(Split(split=code, into=tuple(map(label, new))))
                plan.outlines.update(zip(new, town.halves[code], strict=True))
            case "renumber":
                plan.operations.append(Renumber(renumber=code, to=fresh(code, 10 * number)))
            case "move":
                other = TWO if code[:12] == ONE else ONE
                plan.operations.append(Move(move=code, to=fresh(other, 10 * number + 5)))
            case "redraw":
                plan.operations.append(Redraw(redraw=(code,)))
                plan.outlines[code] = town.standing.grids[code].outline  # type: ignore[assignment]
            case _:
                pass
    return plan


def check(town: Town, plan: Plan, prefixes: tuple[str, ...] = ("3411",)) -> Checked:
    lines = {f"operations[{at}]": 10 + at for at in range(len(plan.operations))}
    return check_plan(plan.operations, plan.outlines, town.standing, prefixes, PlanLines(lines))


def changed_by(town: Town, plan: Plan) -> Changed:
    changes = [resolve(one, f"operations[{at}]", town.standing.grids) for at, one in enumerate(plan.operations)]
    return apply_changes(changes, plan.outlines, 2, lambda code: uuid5(NAMES, f"new {code}"))


def after(town: Town, changed: Changed) -> dict[UUID, GridLabel]:
    gone = {one.id for one in (*changed.ended, *changed.relabelled)}
    stay = {one.id: one for one in town.standing.grids.values() if one.id not in gone}
    return stay | {one.id: one for one in changed.labels}


def area(labels: Iterable[GridLabel]) -> float:
    return float(shapely.area(polygons([one.outline for one in labels])).sum())


def names(checked: Checked) -> list[str]:
    return [one.fault for one in checked.faults]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_a_sound_plan_conserves_ground_and_uses_ids_and_codes_once(seed: int) -> None:
    town = build(seed)
    plan = some_plan(town)
    checked = check(town, plan)
    assert names(checked) in ([], ["plan_empty"])
    changed = changed_by(town, plan)
    then = after(town, changed)
    assert area(then.values()) == pytest.approx(area(town.standing.grids.values()), abs=2.0)
    assert {one.id for one in changed.begun}.isdisjoint(one.id for one in town.standing.grids.values())
    assert len({one.code for one in then.values()}) == len(then)
    kept = {one.id for one in changed.relabelled}
    given = [one.code for one in changed.labels if one.id not in kept or one.code not in town.standing.grids]
    assert not set(given) & town.standing.grids.keys()
    for step in changed.steps:
        before = [one for one in town.standing.grids.values() if one.id in step.predecessors]
        now = [then[one] for one in step.successors]
        assert area(before) == pytest.approx(area(now), abs=2.0)
        assert step.ends == all(one.id not in then for one in before)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_every_point_that_had_one_grid_has_exactly_one_or_lies_in_what_is_told(seed: int) -> None:
    """Retired ground is told as uncovered; all the rest has a grid."""
    town = build(seed)
    plan = some_plan(town)
    touched = {code for one in plan.operations for code in _about(one)}
    alone = [code for code in town.standing.grids if code not in touched]
    plan.operations.extend(Retire(retire=code) for code in alone[:2])
    checked = check(town, plan)
    assert names(checked) in ([], ["plan_empty"])
    assert {one.code for one in checked.uncovered} == set(alone[:2])
    changed = changed_by(town, plan)
    then = list(after(town, changed).values())
    now = polygons([one.outline for one in then])
    for one in town.standing.grids.values():
        for spot in _spots(one.outline, town.rng):
            holders = int(shapely.contains_properly(now, spot).sum())
            if one.code in alone[:2]:
                assert holders == 0
            elif holders != 1:
                assert float(shapely.distance(shapely.boundary(now), spot).min()) < 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_items_follow_their_point_into_the_successor_that_holds_it(seed: int) -> None:
    town = build(seed)
    plan = some_plan(town)
    changed = changed_by(town, plan)
    then = after(town, changed)
    touched = {one.id for one in (*changed.ended, *changed.relabelled)}
    former = [one for one in town.standing.grids.values() if one.id in touched]
    succession = Succession(successors_of(changed.steps), _index(then.values()), _index(former))
    for one in former:
        fixes = [Fix(*_lonlat(spot), "wgs84", 20.0) for spot in _spots(one.outline, town.rng)]
        for fix, ground in zip(fixes, succession.ground(fixes), strict=True):
            if ground.before != one.id or ground.now is None:
                continue
            verdict = succession.follow(Clues(grid_id=one.id, sources=("point", "capture"), point=ground))
            assert (verdict.grid_id, verdict.source) == (ground.now, "point")
            assert shapely.Polygon(then[ground.now].outline[0]).contains(shapely.Point(fix.lon, fix.lat))
    for one in changed.ended:
        blind = succession.follow(Clues(grid_id=one.id, sources=("point", "claimed")))
        assert (blind.grid_id, blind.source) == (None, "none")
        # A point from outside the grid tells nothing: it was put there by something else.
        strange = Ground(None, next(iter(then)))
        assert succession.follow(Clues(grid_id=one.id, sources=("point",), point=strange)).grid_id is None


def merged_pair(town: Town) -> tuple[str, str]:
    """Two neighbours of one community."""
    shapes = {code: shapely.Polygon(one.outline[0]) for code, one in town.standing.grids.items()}
    return next(
        (one, other)
        for one in shapes
        for other in shapes
        if one < other and one[:12] == other[:12] and shapes[one].intersection(shapes[other]).length > 1e-5
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_a_merge_has_the_ground_of_all_and_everything_in_it(seed: int) -> None:
    town = build(seed)
    pair = merged_pair(town)
    plan = Plan([Merge(merge=pair, into=label(f"{pair[0][:12]}700"))], {})
    assert names(check(town, plan)) == []
    changed = changed_by(town, plan)
    (merged,) = changed.begun
    assert area([merged]) == pytest.approx(area(town.standing.grids[code] for code in pair), abs=1.0)
    succession = Succession(successors_of(changed.steps), _index(after(town, changed).values()), _index(changed.ended))
    for ended in changed.ended:
        assert succession.follow(Clues(grid_id=ended.id, sources=())).grid_id == merged.id


TOWN = build(7)
A, B, C = (f"{ONE}00{n}" for n in (1, 2, 3))
FAULTY: list[tuple[str, Sequence[Operation], Sequence[str]]] = [
    ("unknown", [Retire(retire=f"{ONE}077")], ["grid_unknown"]),
    ("no_code", [Retire(retire="3411x")], ["code_form"]),
    ("wrong_check_digit", [Retire(retire=f"{A}0")], ["code_check_digit"]),
    ("named_twice", [Retire(retire=A), Renumber(renumber=A, to=f"{ONE}090")], ["grid_twice"]),
    ("one_twice", [Merge(merge=(A, A), into=label(f"{ONE}090"))], ["grid_twice"]),
    ("in_use", [Renumber(renumber=A, to=B)], ["code_in_use"]),
    ("given_twice", [Renumber(renumber=A, to=f"{ONE}090"), Renumber(renumber=B, to=f"{ONE}090")], ["code_twice"]),
    ("empty_split", [Split(split=A, into=())], ["split_too_few"]),
    ("no_outline", [Redraw(redraw=(A,))], ["outline_missing"]),
    ("one_merged", [Merge(merge=(A,), into=label(f"{ONE}090"))], ["merge_too_few"]),
    ("county", [Merge(merge=(A, B), into=label("341103001001090"))], ["merge_counties"]),
    ("leaves", [Renumber(renumber=A, to=f"{TWO}090")], ["renumber_moves"]),
    ("stays", [Move(move=A, to=f"{ONE}090")], ["move_stays"]),
    ("nameless", [New(new=NewGridLabel(code=f"{ONE}090", name=" "))], ["text_invalid"]),
    ("community", [Move(move=A, to="341182001009001")], ["community_unknown"]),
    ("nothing", [Redraw(redraw=())], ["redraw_empty"]),
]


@pytest.mark.parametrize(("operations", "expected"), [one[1:] for one in FAULTY], ids=[one[0] for one in FAULTY])
def test_each_slip_is_told_with_its_place(operations: Sequence[Operation], expected: Sequence[str]) -> None:
    checked = check(TOWN, Plan(list(operations), {}))
    assert names(checked) == expected
    assert all(one.row is not None and one.row >= 10 and one.field.startswith("operations[") for one in checked.faults)
    assert all(one.zh and one.en for one in checked.faults)


def test_every_fault_is_told_at_once() -> None:
    plan = Plan([Retire(retire=f"{ONE}077"), Split(split=A, into=()), Renumber(renumber=B, to=C)], {B: _square()})
    assert names(check(TOWN, plan)) == ["grid_unknown", "split_too_few", "code_in_use", "outline_unused"]


def test_ground_that_would_be_lost_is_a_fault_at_its_grid() -> None:
    town = build(3)
    half, _ = town.halves[A]
    checked = check(town, Plan([Redraw(redraw=(A,))], {A: half}))
    assert names(checked) == ["ground_lost"]
    assert (checked.faults[0].code, checked.faults[0].field) == (A, "operations[0].redraw[0]")


def test_an_overlap_with_a_neighbour_is_a_fault() -> None:
    town = build(3)
    grown = normal_form([list(shapely.Polygon(town.standing.grids[A].outline[0]).buffer(0.0002).exterior.coords)])
    assert set(names(check(town, Plan([Redraw(redraw=(A,))], {A: grown})))) == {"overlap"}


def test_codes_that_were_given_up_say_where_they_went() -> None:
    given_up = {f"{ONE}050": A, f"{ONE}051": None}
    town = TOWN._replace(standing=TOWN.standing._replace(given_up=given_up))
    plan = Plan(
        [Retire(retire=f"{ONE}050"), Retire(retire=f"{ONE}051"), Renumber(renumber=A, to=f"{ONE}051")],
        {},
    )
    checked = check(town, plan)
    assert names(checked) == ["grid_renumbered", "grid_ended", "code_used"]
    assert A in checked.faults[0].en


def test_nobody_changes_grids_outside_his_area() -> None:
    checked = check(TOWN, Plan([Retire(retire=A), Renumber(renumber=B, to=f"{ONE}090")], {}), ("341103",))
    assert set(names(checked)) == {"out_of_area"}
    assert {one.field for one in checked.faults} >= {"operations[0].retire", "operations[1].to"}


def _about(operation: Operation) -> tuple[str, ...]:
    match operation:
        case Split(split=code) | Renumber(renumber=code) | Move(move=code) | Retire(retire=code):
            return (code,)
        case Merge(merge=codes) | Redraw(redraw=codes):
            return codes
        case _:
            return ()


def _index(labels: Iterable[GridLabel]) -> GridIndex:
    return GridIndex([(one.id, one.code, one.outline) for one in labels])


def _spots(outline: Sequence[Sequence[Point]], rng: Random) -> list[shapely.Point]:
    """Points inside, in metres."""
    shape = polygons([outline])[0]
    west, south, east, north = shape.bounds
    drawn = [shapely.Point(rng.uniform(west, east), rng.uniform(south, north)) for _ in range(8)]
    return [spot for spot in drawn if shape.contains(spot)]


def _lonlat(spot: shapely.Point) -> Point:
    middle, north = (118.3, 32.5), radians(1.0) * 6_371_008.8
    return middle[0] + spot.x / (north * cos(radians(32.5))), middle[1] + spot.y / north


def _square() -> Outline:
    return degrees([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)])
