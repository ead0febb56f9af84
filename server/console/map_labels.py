"""Where names stand on a map: none over another, none over the edge, none on an area that bears another name.

What finds no room is left out: it stands in the list under the map, and a wrong name would be worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import shapely

_LINE = 1.25
"""Height of a line, in sizes of its letters."""

_ASCENT = 0.9
_WIDE, _NARROW = 1.0, 0.58
_FIRST_WIDE = 0x2E80
_MARGIN = 2.0
_STEPS = ((0.0, 0.0), (0.0, -0.7), (0.0, 0.7), (-0.5, 0.0), (0.5, 0.0), (0.0, -1.4), (0.0, 1.4))
"""Where else a label is tried inside its shape: in its own widths and heights from the middle."""

_SIDES = ((0, -1), (0, 1), (1, 0), (-1, 0))
"""Where a label stands that is larger than its shape: above, below, right, left of it."""

_BESIDE = 0.8
"""How much smaller the letters of a label are that finds no room inside its shape."""

_SLIVER = 4.0
"""So much of another area (square units) a label may touch: the thickness of a border."""

_LONGEST_BESIDE = 200.0
"""A longer one would cover what has nothing to do with it."""


class Box(NamedTuple):
    """A box in units of the drawing."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether they share more than an edge."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class Wish(NamedTuple):
    """A label wanted at a place: alternatives of lines, the best first; all but the last must fit into the shape."""

    key: str
    x: float
    y: float
    size: float
    alternatives: Sequence[Sequence[str]]
    shape: Any


class Line(NamedTuple):
    """A line of a label; (x, y): the middle of its foot."""

    text: str
    x: float
    y: float


class Label(NamedTuple):
    """A label that found room."""

    key: str
    size: float
    lines: list[Line]
    box: Box


def width_of(text: str, size: float) -> float:
    """About how wide a line is: Chinese characters are squares, letters and digits a little over half as wide."""
    return size * sum(_WIDE if ord(sign) >= _FIRST_WIDE else _NARROW for sign in text)


def place_labels(wishes: Sequence[Wish], taken: Sequence[Box], width: float, height: float) -> list[Label]:
    """The labels that find room on a drawing, the first wishes before the others; `taken` is kept free."""
    boxes, placed = list(taken), list[Label]()
    areas = shapely.STRtree([wish.shape for wish in wishes])
    for wish in wishes:
        free = (one for one in _tries(wish, width, height) if not any(map(one.box.overlaps, boxes)))
        label = next((one for one in free if not _misleads(wish, one.box, areas)), None)
        if label is not None:
            boxes.append(label.box)
            placed.append(label)
    return placed


def _misleads(wish: Wish, box: Box, areas: Any) -> bool:
    """Whether it would stand on an area that it is not the name of, and that does not hold its own area either."""
    covered = shapely.box(*box)
    if wish.shape.contains(covered):
        return False
    others = areas.geometries.take(areas.query(covered, predicate="intersects"))
    others = others[~shapely.contains_xy(others, wish.x, wish.y)]
    return bool((shapely.area(shapely.intersection(others, covered)) > _SLIVER).any())


def _tries(wish: Wish, width: float, height: float) -> Iterator[Label]:
    """Where the label could stand inside the drawing, the best first."""
    for size, lines, box in _boxes(wish):
        if min(box) >= 0 and box.right <= width and box.bottom <= height:
            yield Label(wish.key, size, _lines(lines, box, size), box)


def _boxes(wish: Wish) -> Iterator[tuple[float, Sequence[str], Box]]:
    """Inside the shape, alternative after alternative; then the last one beside the shape or across its border."""
    for lines in wish.alternatives:
        for right, below in _STEPS:
            box = _box(wish, wish.size, lines, right, below)
            if wish.shape.contains(shapely.box(*box)):
                yield wish.size, lines, box
    lines, size = wish.alternatives[-1], wish.size * _BESIDE
    if max(width_of(line, size) for line in lines) > _LONGEST_BESIDE:
        return
    for right, below in (*_beside(wish, _box(wish, size, lines, 0, 0)), *_STEPS):
        yield size, lines, _box(wish, size, lines, right, below)


def _beside(wish: Wish, box: Box) -> list[tuple[float, float]]:
    """Beside a shape that is too small for a box, in widths and heights of the box."""
    left, top, right, bottom = wish.shape.bounds
    wide, high = (right - left) / (box.right - box.left), (bottom - top) / (box.bottom - box.top)
    return [(x * (1 + wide) / 2, y * (1 + high) / 2) for x, y in _SIDES] if min(wide, high) < 1 else []


def _box(wish: Wish, size: float, lines: Sequence[str], right: float, below: float) -> Box:
    """The box of a label so many of its own widths and heights away from the middle of the shape."""
    across = max(width_of(line, size) for line in lines) + 2 * _MARGIN
    down = _LINE * size * len(lines)
    x, y = wish.x + right * across, wish.y + below * down
    return Box(x - across / 2, y - down / 2, x + across / 2, y + down / 2)


def _lines(lines: Sequence[str], box: Box, size: float) -> list[Line]:
    x = round((box.left + box.right) / 2, 1)
    return [Line(text, x, round(box.top + (number * _LINE + _ASCENT) * size, 1)) for number, text in enumerate(lines)]
