"""A map from outlines alone: paths small enough for a page, names that find room, a scale. The template draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely

from server.console.map_frame import METRES_PER_DEGREE, Bar, Bounds, Frame, bounds_of, fit, size_of
from server.console.map_labels import Box, Label, Wish, place_labels
from sync.grid_index import Rings

MOST_CORNERS = 10_000
"""Of all paths of a drawing together, of about nine characters each: outlines are simplified until they keep to it."""

_LEAST_DETAIL = 0.4
"""How far a simplified outline may lie from the true one, in units of the drawing, which are about pixels."""

_MOST_DETAIL = 100.0
_FOOT = 34.0
_ARROW = 46.0


class Area(NamedTuple):
    """Something to draw: `parts` are outlines in WGS-84 degrees, drawn as one.

    `labels`: alternatives of lines, see `Wish`; the least `rank` is labelled first, of equals the largest. What is not
    `framed` is shown only as far as it reaches into the picture.
    """

    key: str
    parts: Sequence[Rings]
    labels: Sequence[Sequence[str]] = ()
    size: float = 13.0
    rank: int = 0
    framed: bool = True


class Paper(NamedTuple):
    """The size of a drawing and the room around what is framed; its height lies between the two."""

    width: float
    lowest: float
    highest: float
    inset: float


class Drawing(NamedTuple):
    """A drawing: path data by key, labels, and the bar. What is too small to be seen has no path."""

    width: float
    height: float
    paths: dict[str, str]
    labels: list[Label]
    bar: Bar


def draw_map(areas: Sequence[Area], paper: Paper) -> Drawing | None:
    """Draw areas, the framed ones wholly inside; None where there is none of these."""
    framed = [ring for area in areas if area.framed for rings in area.parts for ring in rings[:1]]
    if not framed:
        return None
    bounds = bounds_of([corner for ring in framed for corner in ring])
    height = _height(bounds, paper)
    foot = height - max(paper.inset, _FOOT)
    frame = fit(bounds, (paper.inset, paper.inset, paper.width - paper.inset, foot))
    shapes = {area.key: _shape(area, frame, paper.width, height) for area in areas}
    bar = frame.bar(paper.width / 4)
    free = [Box(0, height - _FOOT, bar.length + 80, height), Box(paper.width - _ARROW, 0, paper.width, _ARROW + 20)]
    labels = place_labels(_wishes(areas, shapes), free, paper.width, height)
    return Drawing(paper.width, height, _paths(shapes), labels, bar)


def _height(bounds: Bounds, paper: Paper) -> float:
    wide, high = size_of(bounds)
    wanted = (paper.width - 2 * paper.inset) * high / wide + paper.inset + max(paper.inset, _FOOT)
    return round(min(max(wanted, paper.lowest), paper.highest))


def _shape(area: Area, frame: Frame, width: float, height: float) -> Any:
    """Its polygons in units of the drawing."""
    parts = [shapely.Polygon(rings[0], rings[1:]) for rings in area.parts]
    place = np.array((frame.east, -METRES_PER_DEGREE)) * frame.scale
    flat = shapely.make_valid(
        shapely.transform(
            np.array(parts, dtype=object), lambda at: (at - (frame.lon, frame.lat)) * place + (frame.x, frame.y)
        )
    )
    whole = shapely.union_all(flat) if len(flat) > 1 else flat[0]
    return whole if area.framed else shapely.intersection(whole, shapely.box(0, 0, width, height))


def _paths(shapes: dict[str, Any]) -> dict[str, str]:
    keys, whole = list(shapes), np.array(list(shapes.values()), dtype=object)
    whole, detail = shapely.simplify(whole, _LEAST_DETAIL), _LEAST_DETAIL
    while shapely.get_num_coordinates(whole).sum() > MOST_CORNERS and detail < _MOST_DETAIL:
        detail *= 3
        whole = shapely.simplify(whole, detail)
    return {key: path for key, shape in zip(keys, whole, strict=True) if (path := _path(shape))}


def _path(shape: Any) -> str:
    """Path data, in steps of tenths from corner to corner: half as long as places are."""
    return "".join(
        _ring(ring)
        for polygon in shapely.get_parts(shape)
        if isinstance(polygon, shapely.Polygon) and not polygon.is_empty
        for ring in (polygon.exterior, *polygon.interiors)
    )


def _ring(ring: Any) -> str:
    tenths = np.rint(shapely.get_coordinates(ring)[:-1] * 10).astype(int)
    steps = np.diff(tenths, axis=0)
    written = " ".join(f"{x / 10:g} {y / 10:g}" for x, y in steps[steps.any(axis=1)].tolist())
    x, y = tenths[0].tolist()
    return f"M{x / 10:g} {y / 10:g}l{written}z".replace(" -", "-") if written else ""


def _wishes(areas: Sequence[Area], shapes: dict[str, Any]) -> list[Wish]:
    named = [area for area in areas if area.labels and shapes[area.key].area]
    named.sort(key=lambda area: (area.rank, -shapes[area.key].area))
    return [_wish(area, shapes[area.key]) for area in named]


def _wish(area: Area, shape: Any) -> Wish:
    """In the middle of the largest circle inside: further from the border than the centre of a bent shape."""
    largest = max(shapely.get_parts(shape), key=shapely.area)
    x, y = shapely.get_coordinates(shapely.maximum_inscribed_circle(largest, tolerance=1.0))[0].tolist()
    return Wish(area.key, x, y, area.size, area.labels, shape)
