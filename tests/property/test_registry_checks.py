"""A patchwork as a town grows has no fault; each kind of damage to one of its grids gives that fault and no other."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, hypot, pi, radians, sin
from random import Random
from typing import NamedTuple

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from server.demo.subdivision import Patchwork
from sync.coordinates import distance_m, wgs84_to_gcj02
from sync.registry_checks import Candidate, Place, Registered, check_grids
from sync.registry_faults import Fault
from sync.registry_outlines import converter, to_outline

ONE, TWO = "341182001001", "341182001002"
Point = tuple[float, float]
NORTH_M = 111_195.0
EAST_M = NORTH_M * cos(radians(32.78))
RADIUS_M = 900.0


class Town(NamedTuple):
    """Open rings in metres, by code, and those of the whole town."""

    rings: dict[str, list[Point]]
    whole: list[Point]
    rng: Random


def build(seed: int) -> Town:
    rng = Random(seed)
    corners = [2 * pi * at / 20 for at in range(20)]
    whole = [(RADIUS_M * cos(at) * rng.uniform(0.95, 1.05), RADIUS_M * sin(at)) for at in corners]
    town = Patchwork(whole, rng)
    halves = town.divide(0, [6, 6])
    parts = {community: town.divide(half, [1] * 6) for community, half in zip((ONE, TWO), halves, strict=True)}
    rings = {
        f"{community}{serial:03}": town.outline([part])
        for community, of_it in parts.items()
        for serial, part in enumerate(of_it, 1)
    }
    return Town(rings, town.outline([part for of_it in parts.values() for part in of_it]), rng)


def degrees(ring: list[Point]) -> list[Point]:
    closed = [*ring, ring[0]]
    return [(round(117.99 + x / EAST_M, 6), round(32.78 + y / NORTH_M, 6)) for x, y in closed]


def check(rings: dict[str, list[Point]], *, whole: list[Point] | None = None) -> list[Fault]:
    """The communities have no outlines, or one for both, which leaves holes to be found between grids only."""
    places = {ONE: Place("一"), TWO: Place("二")}
    if whole:
        places["341182001000"] = Place("街道", [degrees(whole)])
    rows = [Candidate(row=row, code=code, outline=[degrees(ring)]) for row, (code, ring) in enumerate(rings.items(), 2)]
    return check_grids(rows, places, Registered({}, {}), ("3411",))


def outer_corner(town: Town) -> tuple[str, int]:
    """A grid with a corner that belongs to it alone."""
    owners: dict[Point, list[tuple[str, int]]] = {}
    for code, ring in town.rings.items():
        for at, point in enumerate(ring):
            owners.setdefault(point, []).append((code, at))
    return town.rng.choice([held[0] for held in owners.values() if len(held) == 1])


def inner_grid(town: Town) -> str:
    """A grid around which only its own community lies, if there is one; else any with the most neighbours of it."""
    return max(town.rings, key=lambda code: enclosure(town, code))


def enclosure(town: Town, code: str) -> float:
    own = [shapely.Polygon(ring) for other, ring in town.rings.items() if other[:12] == code[:12] and other != code]
    return shapely.Polygon(town.rings[code]).boundary.intersection(shapely.union_all(own)).length


def grow(ring: list[Point], by_m: float) -> list[Point]:
    grown = shapely.Polygon(ring).buffer(by_m, join_style="mitre")
    return [(x, y) for x, y in grown.exterior.coords[:-1]]


def crossed(town: Town) -> tuple[str, dict[str, list[Point]]]:
    code = town.rng.choice(list(town.rings))
    ring = list(town.rings[code])
    ring[0], ring[len(ring) // 2] = ring[len(ring) // 2], ring[0]
    return code, {code: ring}


def overlapping(town: Town) -> tuple[str, dict[str, list[Point]]]:
    """It is pushed over the border of all its neighbours."""
    code = town.rng.choice(list(town.rings))
    return code, {code: grow(town.rings[code], 3.0)}


def holed(town: Town) -> tuple[str, dict[str, list[Point]]]:
    """Two grids draw back from the middle of the edge between them."""
    code = inner_grid(town)
    shape = shapely.Polygon(town.rings[code])
    longest = max(
        (
            shape.boundary.intersection(shapely.Polygon(ring).boundary)
            for other, ring in town.rings.items()
            if other[:12] == code[:12] and other != code
        ),
        key=lambda border: border.length,
    )
    middle = shapely.line_merge(longest).interpolate(0.5, normalized=True)
    bite = middle.buffer(min(25.0, longest.length / 4))
    changed: dict[str, list[Point]] = {}
    for other, ring in town.rings.items():
        left = shapely.Polygon(ring).difference(bite)
        if left.area < shapely.Polygon(ring).area - 1:
            changed[other] = [(x, y) for x, y in left.exterior.coords[:-1]]
    return code, changed


def spiked(town: Town) -> tuple[str, dict[str, list[Point]]]:
    """A thread hangs out of the town from a corner of one grid."""
    code, at = outer_corner(town)
    ring = list(town.rings[code])
    x, y = ring[at]
    away = hypot(x, y)
    east, north = x / away, y / away
    tip = [(x + 60 * east, y + 60 * north), (x + 60 * east - 0.8 * north, y + 60 * north + 0.8 * east)]
    return code, {code: [*ring[: at + 1], *tip, (x - 0.8 * north, y + 0.8 * east), *ring[at + 1 :]]}


def escaped(town: Town) -> tuple[str, dict[str, list[Point]]]:
    """A corner of the rim is drawn outside of the street."""
    code, at = outer_corner(town)
    ring = list(town.rings[code])
    x, y = ring[at]
    ring[at] = (x * (1 + 40 / hypot(x, y)), y * (1 + 40 / hypot(x, y)))
    return code, {code: ring}


DAMAGES: list[tuple[str, Callable[[Town], tuple[str, dict[str, list[Point]]]], bool]] = [
    ("ring_crosses", crossed, False),
    ("overlap", overlapping, False),
    ("hole", holed, False),
    ("sliver", spiked, False),
    ("outside_community", escaped, True),
]


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_a_town_has_no_fault(seed: int) -> None:
    town = build(seed)
    assert check(town.rings) == []
    assert check(town.rings, whole=town.whole) == []


@pytest.mark.parametrize(("fault", "damage", "bounded"), DAMAGES, ids=[name for name, _, _ in DAMAGES])
@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_each_damage_is_told_as_what_it_is(
    seed: int, fault: str, damage: Callable[[Town], tuple[str, dict[str, list[Point]]]], bounded: bool
) -> None:
    town = build(seed)
    code, changed = damage(town)
    faults = check(town.rings | changed, whole=town.whole if bounded else None)
    assert {one.fault for one in faults} == {fault}, [one.en for one in faults]
    rows = {code: row for row, code in enumerate(town.rings, 2)}
    if fault == "overlap":
        assert all(one.row == rows[code] or code in one.en for one in faults)
    elif fault != "hole":
        assert [one.row for one in faults] == [rows[code]]


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_converting_moves_no_shared_border(seed: int) -> None:
    town = build(seed)
    true = {code: degrees(ring) for code, ring in town.rings.items()}
    convert = converter("gcj02")
    back = {code: to_outline([[wgs84_to_gcj02(*at) for at in ring]], convert) for code, ring in true.items()}
    for code, outline in back.items():
        assert all(min(distance_m(*at, *vertex) for vertex in true[code]) < 0.05 for at in outline[0])
    rows = [Candidate(row=row, code=code, outline=outline) for row, (code, outline) in enumerate(back.items(), 2)]
    assert check_grids(rows, {ONE: Place("一"), TWO: Place("二")}, Registered({}, {}), ("3411",)) == []
    vertices = [vertex for ring in true.values() for vertex in ring[1:]]
    moved = [vertex for outline in back.values() for vertex in outline[0][1:]]
    assert len(set(moved)) == len(set(vertices))
