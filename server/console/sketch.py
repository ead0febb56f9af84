"""The place of an item in its grid, drawn: outline, point, a scale and north. Pure geometry; the template draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from server.console.map_frame import Bar, Frame, bounds_of, fit
from sync.coordinates import LonLat, to_wgs84

WIDTH, HEIGHT, MARGIN = 360.0, 270.0, 26.0
"""The drawing's size and the room around the outline, in its own units."""

_LONGEST_BAR = WIDTH / 3


class Sketch(NamedTuple):
    """A drawing: `outline` and `neighbours` are path data, `point` is (x, y) if it lies on the drawing."""

    outline: str
    neighbours: list[str]
    point: tuple[float, float] | None
    bar: Bar
    width: float = WIDTH
    height: float = HEIGHT


def draw(
    outline: Sequence[Sequence[LonLat]], neighbours: Iterable[Sequence[Sequence[LonLat]]], point: LonLat | None
) -> Sketch:
    """Draw a grid (rings in WGS-84 degrees), the outlines around it, and a point."""
    frame = fit(bounds_of(outline[0]), (MARGIN, MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN))
    placed = frame.place(*point) if point else None
    return Sketch(
        outline=_path(frame, outline),
        neighbours=[_path(frame, rings) for rings in neighbours],
        point=placed if placed and 0 <= placed[0] <= WIDTH and 0 <= placed[1] <= HEIGHT else None,
        bar=frame.bar(_LONGEST_BAR),
    )


def point_of(fields: Mapping[str, Any], geo_fields: Iterable[str]) -> LonLat | None:
    """The first point of a form that is filled in, in WGS-84 degrees."""
    for key in geo_fields:
        value = fields.get(key)
        if isinstance(value, dict):
            return to_wgs84(value["lon"], value["lat"], value["crs"])
    return None


def _path(frame: Frame, rings: Iterable[Sequence[LonLat]]) -> str:
    """Rings as path data."""
    return " ".join(
        "M" + " L".join(f"{x:g},{y:g}" for x, y in (frame.place(*corner) for corner in ring)) + " Z" for ring in rings
    )
