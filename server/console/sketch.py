"""The place of an item in its grid, drawn: outline, point, a scale and north. Pure geometry; the template draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import cos, radians
from typing import Any, NamedTuple

from sync.coordinates import EARTH_RADIUS_M, LonLat, to_wgs84

WIDTH, HEIGHT, MARGIN = 360.0, 270.0, 26.0
"""The drawing's size and the room around the outline, in its own units."""

_METRES_PER_DEGREE = radians(1.0) * EARTH_RADIUS_M
_BARS_M = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
_LONGEST_BAR = WIDTH / 3


class Bar(NamedTuple):
    """A scale bar: its length in the drawing and in metres."""

    length: float
    metres: int


class Sketch(NamedTuple):
    """A drawing: `outline` and `neighbours` are path data, `point` is (x, y) if it lies on the drawing."""

    outline: str
    neighbours: list[str]
    point: tuple[float, float] | None
    bar: Bar
    width: float = WIDTH
    height: float = HEIGHT


class _Frame:
    """A flat frame around an outline (equirectangular about its middle), north up, fitted into the drawing."""

    def __init__(self, ring: Sequence[LonLat]) -> None:
        lons, lats = [lon for lon, _ in ring], [lat for _, lat in ring]
        self._lon, self._lat = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
        self._east = _METRES_PER_DEGREE * cos(radians(self._lat))
        wide, high = (max(lons) - min(lons)) * self._east, (max(lats) - min(lats)) * _METRES_PER_DEGREE
        self.scale = min((WIDTH - 2 * MARGIN) / max(wide, 1.0), (HEIGHT - 2 * MARGIN) / max(high, 1.0))

    def place(self, lon: float, lat: float) -> tuple[float, float]:
        """Where a point lies on the drawing."""
        x = WIDTH / 2 + (lon - self._lon) * self._east * self.scale
        y = HEIGHT / 2 - (lat - self._lat) * _METRES_PER_DEGREE * self.scale
        return round(x, 1), round(y, 1)

    def path(self, rings: Iterable[Sequence[LonLat]]) -> str:
        """Rings as path data."""
        return " ".join(
            "M" + " L".join(f"{x:g},{y:g}" for x, y in (self.place(*corner) for corner in ring)) + " Z"
            for ring in rings
        )


def draw(
    outline: Sequence[Sequence[LonLat]], neighbours: Iterable[Sequence[Sequence[LonLat]]], point: LonLat | None
) -> Sketch:
    """Draw a grid (rings in WGS-84 degrees), the outlines around it, and a point."""
    frame = _Frame(outline[0])
    placed = frame.place(*point) if point else None
    return Sketch(
        outline=frame.path(outline),
        neighbours=[frame.path(rings) for rings in neighbours],
        point=placed if placed and 0 <= placed[0] <= WIDTH and 0 <= placed[1] <= HEIGHT else None,
        bar=_bar(frame.scale),
    )


def point_of(fields: Mapping[str, Any], geo_fields: Iterable[str]) -> LonLat | None:
    """The first point of a form that is filled in, in WGS-84 degrees."""
    for key in geo_fields:
        value = fields.get(key)
        if isinstance(value, dict):
            return to_wgs84(value["lon"], value["lat"], value["crs"])
    return None


def _bar(scale: float) -> Bar:
    fitting = [metres for metres in _BARS_M if metres * scale <= _LONGEST_BAR]
    metres = fitting[-1] if fitting else _BARS_M[0]
    return Bar(round(metres * scale, 1), metres)
