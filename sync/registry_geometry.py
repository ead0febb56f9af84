"""Outlines measured against each other: overlaps, gaps, thin parts, and what lies outside. Many at once, in arrays.

All is done in a flat frame in metres around the middle of the city; at its edges areas are off by under 1 %.

Two outlines that share a border need not write it with the same digits, nor put a vertex where the other has one. So
what two borders leave between them counts by its width, not by its area: a strip of ten centimetres along a kilometre
is a hundred square metres, and nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import cos, radians
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import shapely

from sync.coordinates import EARTH_RADIUS_M, LonLat
from sync.grid_index import Rings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Shapes = NDArray[Any]

BORDER_M: Final = 0.5
"""Two drawings of one border may differ by less. Files carry six digits of a degree, which is 0.11 m, and each of two
drawings may be rounded twice; it is a tenth of what a phone's best fix can tell."""

LEAST_AREA_M2: Final = 1.0
"""Smaller grids, overlaps and gaps are marks of drawing: nobody stands in one."""

SLIVER_WIDTH_M: Final = 2.0
SLIVER_LENGTH_M: Final = 20.0
"""A part narrower and longer than these is no place that somebody could be sent to: a lane is wider, and the tip where
two streets meet at six degrees or more is shorter. It comes from a slip in drawing."""

_MIDDLE: Final = (118.3, 32.5)
_NORTH_M: Final = radians(1.0) * EARTH_RADIUS_M
_SCALE: Final = np.array((_NORTH_M * cos(radians(_MIDDLE[1])), _NORTH_M))
_SLACK: Final = 1.02
"""The opened shape is grown back by this much more, or its edges would leave hairs beside those of the outline."""


class Patch(NamedTuple):
    """A piece of ground: square metres, and a point in it."""

    area_m2: float
    place: LonLat


class Overlap(NamedTuple):
    """Two outlines, by their places in what was measured, and the ground that both cover."""

    one: int
    other: int
    patch: Patch


def polygons(outlines: Sequence[Rings]) -> Shapes:
    """Polygons in the flat frame, in the order of the outlines; each ring has three different points."""
    rings = list(chain.from_iterable(outlines))
    if not rings:
        return np.empty(0, dtype=object)
    vertices = np.array(list(chain.from_iterable(rings)), dtype=float)
    of_ring = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    of_outline = np.repeat(np.arange(len(outlines)), [len(outline) for outline in outlines])
    made: Any = shapely.linearrings((vertices - _MIDDLE) * _SCALE, indices=of_ring)
    return np.asarray(shapely.polygons(made, indices=of_outline))


def mended(shapes: Shapes) -> Shapes:
    """What stands already and may be older than these checks: its ground, whatever its border does."""
    return np.where(shapely.is_valid(shapes), shapes, shapely.make_valid(shapes))


def crossings(shapes: Shapes) -> dict[int, LonLat]:
    """Where outlines cross or touch themselves, by place."""
    found: dict[int, LonLat] = {}
    for at in np.flatnonzero(~shapely.is_valid(shapes)).tolist():
        # The reason ends in the coordinates, as in `Self-intersection[12.5 -3]`.
        x, y = shapely.is_valid_reason(shapes[at]).rstrip("]").rpartition("[")[2].split()[:2]
        found[at] = _degrees(float(x), float(y))
    return found


def overlaps(shapes: Shapes, others: Shapes) -> list[Overlap]:
    """Ground covered twice: by two of `shapes`, or by one of them and one of `others`, which are counted on."""
    every = np.concatenate((shapes, others))
    one, other = shapely.STRtree(every).query(shapes, predicate="intersects")
    later = other > one
    one, other = one[later], other[later]
    shared = shapely.intersection(every[one], every[other])
    return [
        Overlap(int(one[at]), int(other[at]), patch_of(shared[at]))
        for at in np.flatnonzero(_is_ground(shared)).tolist()
    ]


def gaps(whole: Any, own: Shapes, others: Shapes) -> list[Patch]:
    """Ground of a community that no grid covers: within its outline, or without one, enclosed by its own grids."""
    covered = shapely.union_all(own)
    if whole is None:
        rings = [ring for part in shapely.get_parts(covered) for ring in part.interiors]
        left = np.array([shapely.Polygon(ring) for ring in rings], dtype=object)
    else:
        left = shapely.get_parts(shapely.difference(whole, covered))
    left = left[_is_ground(left)]
    if not len(left):
        return []
    near = others[np.unique(shapely.STRtree(others).query(left)[1])]
    empty = shapely.get_parts(shapely.difference(left, shapely.union_all(near)))
    return [patch_of(one) for one in empty[_is_ground(empty)]]


def thin_parts(shapes: Shapes) -> dict[int, tuple[float, LonLat]]:
    """The longest thin part of each outline that has one: its length in metres and a point in it.

    A part is thin where no disc of the width fits: it is lost when the outline is worn away by half the width and grown
    back. Its length is half its perimeter. An outline that is thin all over counts however short it is.
    """
    worn = shapely.buffer(shapes, -SLIVER_WIDTH_M / 2)
    gone = shapely.is_empty(worn)
    lost = shapely.difference(shapes, shapely.buffer(worn, SLIVER_WIDTH_M / 2 * _SLACK))
    parts, of_shape = shapely.get_parts(lost, return_index=True)
    lengths = shapely.length(parts) / 2
    found: dict[int, tuple[float, LonLat]] = {}
    for at in np.argsort(lengths).tolist():
        if lengths[at] > SLIVER_LENGTH_M or gone[of_shape[at]]:
            found[int(of_shape[at])] = float(lengths[at]), patch_of(parts[at]).place
    return found


def outside(shapes: Shapes, wholes: Shapes, reach_m: float) -> dict[int, Patch]:
    """What of each outline lies more than `reach_m` outside of the whole it belongs to, by place."""
    shapely.prepare(wholes)
    doubtful = np.flatnonzero(~shapely.covers(wholes, shapes))
    around = shapely.buffer(wholes[doubtful], reach_m) if reach_m else wholes[doubtful]
    beyond = shapely.difference(shapes[doubtful], around)
    return {int(doubtful[at]): patch_of(beyond[at]) for at in np.flatnonzero(_is_ground(beyond)).tolist()}


def patch_of(shape: Any) -> Patch:
    """Its area, and a point in its largest part."""
    point = shapely.point_on_surface(shape)
    return Patch(shape.area, _degrees(point.x, point.y))


def _is_ground(shapes: Shapes) -> NDArray[Any]:
    """Which are more than two drawings of one border: somewhere as wide as may not be, and not tiny."""
    large = shapely.area(shapes) > LEAST_AREA_M2
    large[large] = ~shapely.is_empty(shapely.buffer(shapes[large], -BORDER_M / 2))
    return large


def _degrees(x: float, y: float) -> LonLat:
    return round(x / float(_SCALE[0]) + _MIDDLE[0], 6), round(y / float(_SCALE[1]) + _MIDDLE[1], 6)
