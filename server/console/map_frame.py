"""A flat frame for outlines in degrees (equirectangular about the middle, north up), and the bar of its scale."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians
from typing import NamedTuple

from sync.coordinates import EARTH_RADIUS_M

METRES_PER_DEGREE = radians(1.0) * EARTH_RADIUS_M

_BARS_M = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


class Bounds(NamedTuple):
    """A box in degrees."""

    west: float
    south: float
    east: float
    north: float


class Bar(NamedTuple):
    """A scale bar: its length in the drawing and in metres."""

    length: float
    metres: int


class Frame(NamedTuple):
    """Places on a drawing: `lon` and `lat` lie at `x` and `y`; `scale` units to a metre, `east` metres to a degree."""

    lon: float
    lat: float
    x: float
    y: float
    scale: float
    east: float

    def place(self, lon: float, lat: float) -> tuple[float, float]:
        """Where a point lies, to a tenth of a unit."""
        x = self.x + (lon - self.lon) * self.east * self.scale
        y = self.y - (lat - self.lat) * METRES_PER_DEGREE * self.scale
        return round(x, 1), round(y, 1)

    def bar(self, longest: float) -> Bar:
        """The longest bar of a round number of metres that is no longer than so many units."""
        fitting = [metres for metres in _BARS_M if metres * self.scale <= longest]
        metres = fitting[-1] if fitting else _BARS_M[0]
        return Bar(round(metres * self.scale, 1), metres)


def bounds_of(points: Sequence[tuple[float, float]]) -> Bounds:
    """The smallest box that holds some points."""
    lons, lats = [lon for lon, _ in points], [lat for _, lat in points]
    return Bounds(min(lons), min(lats), max(lons), max(lats))


def size_of(bounds: Bounds) -> tuple[float, float]:
    """How many metres wide and high a box is; at least one each."""
    east = METRES_PER_DEGREE * cos(radians((bounds.south + bounds.north) / 2))
    wide, high = (bounds.east - bounds.west) * east, (bounds.north - bounds.south) * METRES_PER_DEGREE
    return max(wide, 1.0), max(high, 1.0)


def fit(bounds: Bounds, box: tuple[float, float, float, float]) -> Frame:
    """The frame in which a box in degrees fills a box of a drawing (left, top, right, bottom) as far as it can."""
    left, top, right, bottom = box
    wide, high = size_of(bounds)
    lon, lat = (bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2
    scale = min((right - left) / wide, (bottom - top) / high)
    return Frame(lon, lat, (left + right) / 2, (top + bottom) / 2, scale, METRES_PER_DEGREE * cos(radians(lat)))
