"""Divides a territory into parts as a town grows: bent cuts across, shared vertex by vertex by both sides.

All is in a flat frame in metres. A vertex is made once and named by its number in every part that touches it,
so rounding moves it for all of them and no gap, overlap or sliver can arise.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import atan2, cos, dist, pi, radians, sin
from random import Random
from typing import Final, TypeVar

import shapely
from msgspec import Struct

Point = tuple[float, float]
_T = TypeVar("_T")

_ATTEMPTS: Final = 24
_NEAR_CORNER_M: Final = 45.0
_BEND_EVERY_M: Final = 140.0
_LARGEST_BEND_M: Final = 22.0
_COMPACT_ENOUGH: Final = 0.62
# To a five-hundredth of the depth: shares are uneven by more than that on purpose.
_BISECTIONS: Final = 9
_UNEVENNESS: Final = 0.06
_SMALLEST_SHARE: Final = 0.06


class _Crossing(Struct, frozen=True):
    """Where a cut leaves the part: a corner already there, or a new point on the edge between two corners."""

    corner: int | None
    edge: tuple[int, int]
    point: Point


class _Cut(Struct, frozen=True):
    """A cut from `start` to `end` over `bends`; the first part has the outline from start on to end."""

    start: _Crossing
    end: _Crossing
    bends: tuple[Point, ...]


class Patchwork:
    """A territory in parts; each cut adds one. A part is an open anticlockwise ring of vertex numbers."""

    def __init__(self, outline: Iterable[Point], rng: Random) -> None:
        """Begin with one part, number 0."""
        self._points = list(outline)
        self._parts = [list(range(len(self._points)))]
        self._rng = rng

    def outline(self, parts: Sequence[int]) -> list[Point]:
        """The open ring around parts that lie together without a hole, in metres."""
        edges = {edge for part in parts for edge in _edges(self._parts[part])}
        ahead = dict(edge for edge in edges if edge[::-1] not in edges)
        vertex = start = min(ahead)
        ring: list[Point] = []
        while not ring or vertex != start:
            ring.append(self._points[vertex])
            vertex = ahead[vertex]
        return ring

    def divide(self, part: int, weights: Sequence[float]) -> list[int]:
        """Divide a part into one for each weight, areas roughly in proportion; gives their numbers."""
        if len(weights) == 1:
            return [part]
        middle = _most_even(weights)
        share = sum(weights[:middle]) / sum(weights) * self._rng.gauss(1.0, _UNEVENNESS)
        other = self._apply(part, self._best_cut(part, min(1.0 - _SMALLEST_SHARE, max(_SMALLEST_SHARE, share))))
        return [*self.divide(part, weights[:middle]), *self.divide(other, weights[middle:])]

    def _ring(self, part: int) -> list[Point]:
        return [self._points[vertex] for vertex in self._parts[part]]

    def _best_cut(self, part: int, share: float) -> _Cut:
        """The first cut that leaves two compact parts, else the best of all tried."""
        ring, across = self._ring(part), _longer_side(self._ring(part))
        tried: list[tuple[float, _Cut]] = []
        for attempt in range(_ATTEMPTS):
            tilt = self._rng.gauss(0.0, radians(5.0 + 1.5 * attempt))
            cut = self._straight_cut(part, ring, across + tilt, share)
            if cut is None:
                continue
            tried.append((min(map(_compactness, self._halves(part, ring, cut))), cut))
            if tried[-1][0] > _COMPACT_ENOUGH:
                break
        return max(tried, key=lambda scored: scored[0])[1]

    def _straight_cut(self, part: int, ring: Sequence[Point], heading: float, share: float) -> _Cut | None:
        """A cut at right angles to `heading`, or None where the line would cross the outline more than twice."""
        depths = [x * cos(heading) + y * sin(heading) for x, y in ring]
        level = _level(ring, depths, share)
        sinking = [at for at, depth in enumerate(depths) if depths[at - 1] > level >= depth]
        rising = [at for at, depth in enumerate(depths) if depth > level >= depths[at - 1]]
        if len(sinking) != 1 or len(rising) != 1:
            return None
        start, end = (self._crossing(part, at, depths, level) for at in (sinking[0], rising[0]))
        return _Cut(start, end, self._bends(start.point, end.point))

    def _crossing(self, part: int, at: int, depths: Sequence[float], level: float) -> _Crossing:
        """On the edge that ends at place `at`; near a corner it goes through it and leaves no tiny edge."""
        edge = self._parts[part][at - 1], self._parts[part][at]
        along = (level - depths[at - 1]) / (depths[at] - depths[at - 1])
        a, b = (self._points[vertex] for vertex in edge)
        reach = min(_NEAR_CORNER_M / dist(a, b), 0.5)
        if along <= reach or along >= 1.0 - reach:
            corner = edge[0] if along < 0.5 else edge[1]
            return _Crossing(corner, edge, self._points[corner])
        return _Crossing(None, edge, (a[0] + (b[0] - a[0]) * along, a[1] + (b[1] - a[1]) * along))

    def _bends(self, start: Point, end: Point) -> tuple[Point, ...]:
        length = dist(start, end)
        count = int(length / _BEND_EVERY_M)
        heading = atan2(end[1] - start[1], end[0] - start[0])
        bends: list[Point] = []
        for number in range(1, count + 1):
            along = length * (number + self._rng.uniform(-0.2, 0.2)) / (count + 1)
            aside = max(-_LARGEST_BEND_M, min(_LARGEST_BEND_M, self._rng.gauss(0.0, 0.03 * length)))
            x = start[0] + along * cos(heading) - aside * sin(heading)
            bends.append((x, start[1] + along * sin(heading) + aside * cos(heading)))
        return tuple(bends)

    def _halves(self, part: int, ring: Sequence[Point], cut: _Cut) -> tuple[list[Point], list[Point]]:
        """Both rings that a cut would make, without making it."""
        numbers = self._parts[part]
        start, end = cut.start, cut.end
        ahead = _arc(ring, _after(numbers, start), _before(numbers, end))
        behind = _arc(ring, _after(numbers, end), _before(numbers, start))
        return (
            [start.point, *ahead, end.point, *reversed(cut.bends)],
            [end.point, *behind, start.point, *cut.bends],
        )

    def _apply(self, part: int, cut: _Cut) -> int:
        """Make the cut: `part` becomes its first half; gives the number of the second."""
        start, end = self._vertex(cut.start), self._vertex(cut.end)
        bends = [self._add(point) for point in cut.bends]
        ring = self._parts[part]
        at, to = ring.index(start), ring.index(end)
        self._parts[part] = [start, *_arc(ring, (at + 1) % len(ring), to), end, *reversed(bends)]
        self._parts.append([end, *_arc(ring, (to + 1) % len(ring), at), start, *bends])
        return len(self._parts) - 1

    def _vertex(self, crossing: _Crossing) -> int:
        """The vertex of a crossing; a new one is put into the ring of each part that has the edge."""
        if crossing.corner is not None:
            return crossing.corner
        vertex = self._add(crossing.point)
        for ring in self._parts:
            for a, b in (crossing.edge, crossing.edge[::-1]):
                if a in ring and ring[(ring.index(a) + 1) % len(ring)] == b:
                    ring.insert(ring.index(a) + 1, vertex)
        return vertex

    def _add(self, point: Point) -> int:
        self._points.append(point)
        return len(self._points) - 1


def _edges(ring: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(ring, [*ring[1:], ring[0]], strict=True)


def _most_even(weights: Sequence[float]) -> int:
    """Where to split a list so that both sides weigh about the same; equal weights are split in the middle."""
    sums = list(accumulate(weights))
    return min(range(1, len(weights)), key=lambda at: abs(sums[at - 1] - sums[-1] / 2.0))


def area(ring: Sequence[Point]) -> float:
    """Signed area of a ring by the shoelace formula, positive if anticlockwise."""
    return sum(x * ring[at - 1][1] - ring[at - 1][0] * y for at, (x, y) in enumerate(ring)) / -2.0


def _compactness(ring: Sequence[Point]) -> float:
    """Polsby-Popper: 1 for a disc, 0.79 for a square; -1 for a ring that crosses itself."""
    polygon = shapely.Polygon(ring)
    return 4.0 * pi * polygon.area / polygon.length**2 if polygon.is_valid else -1.0


def _longer_side(ring: Sequence[Point]) -> float:
    """Heading in radians of the longer side of the smallest rectangle around a ring."""
    corners = shapely.get_coordinates(shapely.oriented_envelope(shapely.Polygon(ring))).tolist()
    sides = [(dist(a, b), a, b) for a, b in pairwise(corners[:3])]
    _, a, b = max(sides)
    return atan2(b[1] - a[1], b[0] - a[0])


def _level(ring: Sequence[Point], depths: Sequence[float], share: float) -> float:
    """The depth below which about `share` of the ring's area lies, by bisection."""
    low, high = min(depths), max(depths)
    wanted = area(ring) * share
    for _ in range(_BISECTIONS):
        level = (low + high) / 2.0
        if area(_below(ring, depths, level)) < wanted:
            low = level
        else:
            high = level
    return (low + high) / 2.0


def _below(ring: Sequence[Point], depths: Sequence[float], level: float) -> list[Point]:
    """The ring clipped to depths up to `level` (Sutherland-Hodgman, one half-plane)."""
    clipped: list[Point] = []
    for at, (x, y) in enumerate(ring):
        (px, py), before, here = ring[at - 1], depths[at - 1], depths[at]
        if (before > level) != (here > level):
            along = (level - before) / (here - before)
            clipped.append((px + (x - px) * along, py + (y - py) * along))
        if here <= level:
            clipped.append((x, y))
    return clipped or [(0.0, 0.0)]


def _after(numbers: list[int], crossing: _Crossing) -> int:
    """Place of the first corner of the ring after a crossing."""
    if crossing.corner is None:
        return numbers.index(crossing.edge[1])
    return (numbers.index(crossing.corner) + 1) % len(numbers)


def _before(numbers: list[int], crossing: _Crossing) -> int:
    """Place just after the last corner of the ring before a crossing."""
    return numbers.index(crossing.edge[1] if crossing.corner is None else crossing.corner)


def _arc(ring: Sequence[_T], start: int, end: int) -> list[_T]:
    """The ring from place `start` up to, without, place `end`, going round."""
    return list(ring[start:end]) if start <= end else [*ring[start:], *ring[:end]]
