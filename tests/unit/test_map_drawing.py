"""Maps from outlines: distances and directions hold, everything lies on the paper, names lie on nothing else."""

from __future__ import annotations

import re
from math import cos, hypot, pi, radians, sin
from uuid import UUID

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from server.console.map_drawing import MOST_CORNERS, Area, Drawing, Paper, draw_map
from server.console.map_frame import Bounds, bounds_of, fit, size_of
from server.console.map_labels import Box, Wish, place_labels, width_of
from server.console.work_scale import STEPS, step_of, steps_of
from sync.coordinates import distance_m
from sync.grid_index import GridIndex

PAPER = Paper(width=1000, lowest=420, highest=640, inset=18)
WEST, SOUTH = 118.0, 32.5
Ring = list[tuple[float, float]]


def square(x: float, y: float, side: float = 0.01) -> Ring:
    """A square with its south-west corner so many degrees from the middle of the city."""
    west, south = WEST + x, SOUTH + y
    return [(west, south), (west + side, south), (west + side, south + side), (west, south + side), (west, south)]


def jagged(corners: int, phase: float = 0.0) -> Ring:
    """A star with so many corners."""
    turns = [2 * pi * corner / corners for corner in range(corners)]
    reach = [0.05 * (1.0 + 0.3 * (corner % 2)) for corner in range(corners)]
    ring = [
        (WEST + far * cos(turn + phase), SOUTH + far * sin(turn + phase))
        for turn, far in zip(turns, reach, strict=True)
    ]
    return [*ring, ring[0]]


def rings_of(path: str) -> list[Ring]:
    """The corners that a path goes to, as a browser reads it: M to a place, l in steps, z back."""
    rings: list[Ring] = []
    for start, steps in re.findall(r"M([^l]+)l([^z]+)z", path):
        x, y = map(float, re.findall(r"-?[0-9.]+", start))
        ring = [(x, y)]
        numbers = list(map(float, re.findall(r"-?[0-9.]+", steps)))
        for right, down in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + right, y + down
            ring.append((x, y))
        rings.append(ring)
    assert len("".join(path.split("M")[1:])) == len(path) - len(rings)
    return rings


def drawn(*areas: Area, paper: Paper = PAPER) -> Drawing:
    drawing = draw_map(areas, paper)
    assert drawing is not None
    return drawing


# The frame -------------------------------------------------------------------------------------------------


@given(st.floats(117.2, 119.2), st.floats(31.8, 33.2), st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_distances_on_the_drawing_are_those_on_the_ground(lon: float, lat: float, east: float, north: float) -> None:
    bounds = Bounds(lon - 0.5, lat - 0.5, lon + 0.5, lat + 0.5)
    frame = fit(bounds, (0, 0, 10_000, 10_000))
    (ax, ay), (bx, by) = frame.place(lon, lat), frame.place(lon + east, lat + north)
    assert hypot(bx - ax, by - ay) / frame.scale == pytest.approx(
        distance_m(lon, lat, lon + east, lat + north), rel=0.006, abs=0.3 / frame.scale
    )
    assert (bx - ax) * east >= 0
    assert (by - ay) * north <= 0


def test_a_box_fills_the_paper_in_one_direction_and_stands_in_the_middle_of_the_other() -> None:
    bounds = bounds_of([(118.0, 32.0), (118.5, 32.1)])
    frame = fit(bounds, (10, 10, 990, 590))
    assert frame.place(118.0, 32.05)[0] == 10
    assert frame.place(118.5, 32.05)[0] == 990
    (top, bottom) = frame.place(118.0, 32.1)[1], frame.place(118.0, 32.0)[1]
    assert top - 10 == pytest.approx(590 - bottom, abs=0.2)
    wide, high = size_of(bounds)
    assert wide / high == pytest.approx(5 * cos(radians(32.05)))


@pytest.mark.parametrize(("metres", "expected"), [(900.0, 200), (40_000.0, 10_000), (70.0, 20), (160_000.0, 20_000)])
def test_the_bar_is_round_and_as_long_as_it_says(metres: float, expected: int) -> None:
    high = metres / 111_195
    frame = fit(Bounds(118.0, 32.0, 118.0 + high / 0.848, 32.0 + high), (0, 0, 1000, 1000))
    bar = frame.bar(250)
    assert bar.metres == expected
    assert bar.length == pytest.approx(expected * frame.scale, abs=0.05)
    assert bar.length <= 290


# Paths -----------------------------------------------------------------------------------------------------


def test_an_outline_is_drawn_as_it_is_with_its_hole() -> None:
    hole = square(0.003, 0.003, 0.002)
    (outer, inner) = rings_of(drawn(Area("a", [[square(0, 0), hole]])).paths["a"])
    shape = shapely.Polygon(outer, [inner])
    assert shape.is_valid
    left, top, right, bottom = shape.bounds
    assert (right - left) / (bottom - top) == pytest.approx(cos(radians(SOUTH + 0.005)), abs=0.001)
    assert shapely.Polygon(inner).area / shapely.Polygon(outer).area == pytest.approx(0.04, abs=0.001)


def test_parts_without_a_gap_are_one_shape() -> None:
    path = drawn(Area("a", [[square(0, 0)], [square(0.01, 0)]])).paths["a"]
    assert len(rings_of(path)) == 1
    apart = drawn(Area("a", [[square(0, 0)], [square(0.02, 0)]])).paths["a"]
    assert len(rings_of(apart)) == 2


def test_what_reaches_out_of_the_picture_is_cut_at_its_edge() -> None:
    own = Area("own", [[square(0, 0)]])
    around = Area("around", [[square(0.01, -0.05, 0.1)]], framed=False)
    away = Area("away", [[square(0.5, 0.5)]], framed=False)
    drawing = drawn(around, own, away)
    assert drawing.paths.keys() == {"own", "around"}
    for path in drawing.paths.values():
        for ring in rings_of(path):
            assert all(-0.05 <= x <= drawing.width + 0.05 and -0.05 <= y <= drawing.height + 0.05 for x, y in ring)
    (ring,) = rings_of(drawing.paths["own"])
    assert min(y for _, y in ring) == pytest.approx(PAPER.inset, abs=0.1)


def test_simplified_outlines_stay_within_a_pixel() -> None:
    corners = jagged(2000)
    drawing = drawn(Area("a", [[corners]]))
    (ring,) = rings_of(drawing.paths["a"])
    assert len(ring) <= 2000
    frame = fit(bounds_of(corners), (18, 18, 982, drawing.height - 34))
    line = shapely.LinearRing(ring)
    assert all(line.distance(shapely.Point(frame.place(*corner))) < 1.0 for corner in corners)


def test_however_many_corners_there_are_the_paths_stay_short() -> None:
    drawing = drawn(*(Area(str(one), [[jagged(2400, one / 10)]]) for one in range(10)))
    assert len(drawing.paths) == 10
    assert sum(map(len, drawing.paths.values())) <= 10 * MOST_CORNERS
    assert all(len(rings_of(path)[0]) >= 3 for path in drawing.paths.values())


def test_an_outline_that_crosses_itself_is_drawn_all_the_same() -> None:
    bow = [(WEST, SOUTH), (WEST + 0.01, SOUTH + 0.01), (WEST + 0.01, SOUTH), (WEST, SOUTH + 0.01), (WEST, SOUTH)]
    drawing = drawn(Area("bow", [[bow]], [("x",)]), Area("own", [[square(0.01, 0)]]))
    assert len(rings_of(drawing.paths["bow"])) == 2
    assert [label.key for label in drawing.labels] == ["bow"]


def test_without_anything_to_frame_there_is_no_drawing() -> None:
    assert draw_map([], PAPER) is None
    assert draw_map([Area("a", []), Area("b", [[square(0, 0)]], framed=False)], PAPER) is None


@pytest.mark.parametrize(("side", "expected"), [((0.05, 0.001), 420), ((0.01, 0.05), 640)])
def test_the_height_of_the_paper_has_its_limits(side: tuple[float, float], expected: int) -> None:
    wide, high = side
    ring = [(WEST, SOUTH), (WEST + wide, SOUTH), (WEST + wide, SOUTH + high), (WEST, SOUTH + high), (WEST, SOUTH)]
    assert drawn(Area("a", [[ring]])).height == expected


# Names -----------------------------------------------------------------------------------------------------


def test_no_name_lies_over_another_or_over_the_edge() -> None:
    areas = [
        Area(f"{x} {y}", [[square(x / 100, y / 100)]], [("001", "花园街社区第1网格"), ("001",)], rank=2)
        for x in range(12)
        for y in range(8)
    ]
    whole = [(WEST, SOUTH), (WEST + 0.12, SOUTH), (WEST + 0.12, SOUTH + 0.08), (WEST, SOUTH + 0.08), (WEST, SOUTH)]
    drawing = drawn(*areas, Area("all", [[whole]], [("花园街道",)], size=15))
    assert drawing.labels[0].key == "all"
    assert len(drawing.labels) > 80
    boxes = [label.box for label in drawing.labels]
    for place, box in enumerate(boxes):
        assert box.left >= 0 <= box.top
        assert box.right <= drawing.width
        assert box.bottom <= drawing.height
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert not box.overlaps(Box(0, drawing.height - 10, drawing.bar.length, drawing.height))
    for label in drawing.labels:
        for line in label.lines:
            assert width_of(line.text, label.size) <= label.box.right - label.box.left
            assert label.box.top < line.y < label.box.bottom


def test_a_name_takes_the_alternative_that_fits_into_its_shape() -> None:
    wide = Area("wide", [[square(0, 0)]], [("001", "第1网格"), ("001",)])
    drawing = drawn(wide)
    assert [line.text for line in drawing.labels[0].lines] == ["001", "第1网格"]
    thin = Area("thin", [[square(0.012, 0.004, 0.0005)]], [("001", "第1网格"), ("001",)])
    labels = {label.key: label for label in drawn(wide, thin).labels}
    assert [line.text for line in labels["thin"].lines] == ["001"]


def test_no_name_stands_on_a_neighbour() -> None:
    """A narrow strip between two wide areas inside a county: there is no place for its name but on one of them."""
    county = shapely.box(0, 0, 600, 300)
    left, strip, right = shapely.box(0, 0, 290, 300), shapely.box(290, 0, 310, 300), shapely.box(310, 0, 600, 300)
    shapes = {"county": county, "left": left, "strip": strip, "right": right}
    middles = {"county": (300, 20), "left": (145, 150), "strip": (300, 150), "right": (455, 150)}
    names = {"county": "County", "left": "Left Street", "strip": "Strip Street", "right": "Right Street"}
    wishes = [Wish(key, *middles[key], 12, [(names[key],)], shape) for key, shape in shapes.items()]
    labels = {label.key: label for label in place_labels(wishes, [], 600, 300)}
    assert labels.keys() == {"county", "left", "right"}
    assert left.contains(shapely.box(*labels["left"].box))
    # Where a side of it is nobody's, the name stands there.
    open_wishes = [wish for wish in wishes if wish.key != "right"]
    labels = {label.key: label for label in place_labels(open_wishes, [], 600, 300)}
    assert shapely.box(*labels["strip"].box).intersection(left).area <= 4


def test_the_name_of_what_is_too_small_stands_beside_it_in_smaller_letters() -> None:
    dot = shapely.box(500, 300, 506, 306)
    (label,) = place_labels([Wish("dot", 503, 303, 12, [("大王街道",)], dot)], [], 1000, 640)
    assert label.size < 12
    assert not shapely.box(*label.box).intersects(shapely.box(501, 301, 505, 305))
    assert shapely.box(*label.box).distance(dot) <= 1


def test_a_long_name_does_not_lie_across_what_it_does_not_name() -> None:
    dot = shapely.box(500, 300, 506, 306)
    assert place_labels([Wish("dot", 503, 303, 12, [("经济技术开发区" * 4,)], dot)], [], 1000, 640) == []


def test_what_finds_no_room_is_left_out() -> None:
    shape = shapely.box(0, 0, 40, 20)
    wishes = [Wish(str(one), 20, 10, 12, [("名称",)], shape) for one in range(9)]
    labels = place_labels(wishes, [], 40, 20)
    assert [label.key for label in labels] == ["0"]
    assert place_labels(wishes[:1], [Box(0, 0, 40, 20)], 40, 20) == []


# Numbers ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5000), max_size=30))
def test_every_number_has_its_step(numbers: list[int]) -> None:
    steps = steps_of(numbers)
    assert len(steps) <= STEPS
    assert all(low <= high for low, high in steps)
    assert all(steps[at].high + 1 == steps[at + 1].low for at in range(len(steps) - 1))
    for number in numbers:
        place = step_of(steps, number)
        assert (place == 0) == (number == 0)
        assert place == 0 or steps[place - 1].low <= number <= steps[place - 1].high


def test_small_numbers_have_steps_of_one() -> None:
    assert steps_of([0, 0]) == []
    assert steps_of([1, 0]) == [(1, 1)]
    assert steps_of([3, 1]) == [(1, 1), (2, 2), (3, 3)]
    assert steps_of([10]) == [(1, 3), (4, 5), (6, 8), (9, 10)]


# Which grids are near --------------------------------------------------------------------------------------


def test_a_box_finds_the_grids_that_touch_it() -> None:
    cells = [(UUID(int=10 * x + y), f"{x}{y}", [square(x / 100, y / 100)]) for x in range(5) for y in range(5)]
    index = GridIndex(cells)
    found = index.in_box(WEST + 0.012, SOUTH + 0.012, WEST + 0.025, SOUTH + 0.018)
    assert found == [UUID(int=11), UUID(int=21)]
    assert index.in_box(WEST - 1, SOUTH - 1, WEST - 0.9, SOUTH - 0.9) == []
    assert len(index.in_box(WEST - 1, SOUTH - 1, WEST + 1, SOUTH + 1)) == 25
