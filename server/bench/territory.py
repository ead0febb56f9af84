"""What it costs to tell the grid of a point, on made-up grids: a bent patchwork of shared borders, no real town.

Only the time of this process's own computing counts. Each round asks for the same points, in the order of no place;
the median of the rounds is told. A first round, in which the index makes ready what it makes at first use, is not
counted.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import ceil
from random import Random
from statistics import median
from time import process_time_ns
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from server.bench.figures import Figure, Figures
from sync.grid_index import GridIndex

_WEST, _SOUTH = 117.5, 32.0
_SPACING = 0.004
"""Degrees between the corners of grids: about 400 m."""
_SMALLEST_SIDES = 4


class Load(Struct, frozen=True):
    """How much is measured. `corners`: of each grid, at least 4; `accuracy_m`: of each point, up to so many metres."""

    grids: int = 2088
    corners: int = 20
    points: int = 20_000
    accuracy_m: float = 15.0
    rounds: int = 7


class _Points(NamedTuple):
    lons: list[float]
    lats: list[float]
    accuracies_m: list[float]


def measure(load: Load) -> Figures:
    """Seconds to build the index; microseconds of computing a point: singly, in batches of 1,000, and all at once."""
    grids, began = Lattice(load, Random(1)).grids(), process_time_ns()
    index = GridIndex(grids)
    built = (process_time_ns() - began) / 1e9
    points = _points(load, Random(2))
    decided = sum(one.grid_id is not None for one in index.locate_many(*points)) / load.points
    return Figures(
        [
            Figure("territory.grids", load.grids, "grids"),
            Figure("territory.build", round(built, 2), "s"),
            Figure("territory.single", _cost(load, lambda: _singly(index, points)), "us/point"),
            Figure("territory.batch_1000", _cost(load, lambda: _in_batches(index, points, 1000)), "us/point"),
            Figure("territory.batch_all", _cost(load, lambda: index.locate_many(*points)), "us/point"),
            Figure("territory.decided", round(decided, 3), "of all points"),
        ]
    )


def _cost(load: Load, ask: Callable[[], object]) -> float:
    ask()
    rounds: list[int] = []
    for _ in range(load.rounds):
        began = process_time_ns()
        ask()
        rounds.append(process_time_ns() - began)
    return round(median(rounds) / 1000 / load.points, 2)


def _singly(index: GridIndex, points: _Points) -> None:
    for lon, lat, accuracy_m in zip(*points, strict=True):
        index.locate(lon, lat, accuracy_m)


def _in_batches(index: GridIndex, points: _Points, size: int) -> None:
    for at in range(0, len(points.lons), size):
        index.locate_many(*(column[at : at + size] for column in points))


def _points(load: Load, rng: Random) -> _Points:
    """Points all over the lattice."""
    side = _side(load) * _SPACING
    draws = [(rng.random(), rng.random(), rng.random()) for _ in range(load.points)]
    return _Points(
        [_WEST + x * side for x, _, _ in draws],
        [_SOUTH + y * side for _, y, _ in draws],
        [z * load.accuracy_m for _, _, z in draws],
    )


def _side(load: Load) -> int:
    return ceil(load.grids**0.5)


class Lattice:
    """Quadrangles whose corners are shaken and whose sides are bent, each side the same for both its grids."""

    def __init__(self, load: Load, rng: Random) -> None:
        self._load, self._rng = load, rng
        self._corners: dict[tuple[int, int], tuple[float, float]] = {}
        self._sides: dict[tuple[tuple[int, int], tuple[int, int]], list[tuple[float, float]]] = {}

    def grids(self) -> list[tuple[UUID, str, list[list[tuple[float, float]]]]]:
        """As many as were asked for, row by row."""
        side = _side(self._load)
        places = [(at % side, at // side) for at in range(self._load.grids)]
        return [(UUID(int=at), f"{at:015}", [self._ring(x, y)]) for at, (x, y) in enumerate(places)]

    def _ring(self, x: int, y: int) -> list[tuple[float, float]]:
        around = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)]
        return [point for a, b in pairwise(around) for point in self._side(a, b)]

    def _side(self, a: tuple[int, int], b: tuple[int, int]) -> list[tuple[float, float]]:
        """The bent line from one corner up to, without, the next."""
        if a > b:
            back = self._side(b, a)
            return [self._corner(*a), *reversed(back[1:])]
        if (a, b) not in self._sides:
            pieces = max(1, self._load.corners // _SMALLEST_SIDES)
            self._sides[a, b] = [self._bend(a, b, piece / pieces) for piece in range(pieces)]
        return self._sides[a, b]

    def _bend(self, a: tuple[int, int], b: tuple[int, int], along: float) -> tuple[float, float]:
        (ax, ay), (bx, by) = self._corner(*a), self._corner(*b)
        aside = self._rng.uniform(-0.02, 0.02) * _SPACING if along else 0.0
        return ax + (bx - ax) * along + aside, ay + (by - ay) * along + aside

    def _corner(self, x: int, y: int) -> tuple[float, float]:
        if (x, y) not in self._corners:
            shaken = (x + self._rng.uniform(-0.25, 0.25), y + self._rng.uniform(-0.25, 0.25))
            self._corners[x, y] = (_WEST + shaken[0] * _SPACING, _SOUTH + shaken[1] * _SPACING)
        return self._corners[x, y]
