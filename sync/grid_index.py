"""Which grid a point lies in, how far from its border, and which grids an accuracy circle touches.

Outlines are held in a flat frame in metres (equirectangular). The frame is affine, so whether a point lies
inside an outline is not changed by it, and borders that were shared stay shared.

A raster of cells names the grids near each cell; the few that a point's cell names are then measured edge by edge:
inside by the crossing number (Shimrat, CACM algorithm 112), the border by the nearest edge. Measuring in arrays is what
makes the batch fast: half of the time of a general geometry engine, whose objects lie scattered in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, floor, radians
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import numpy as np
import shapely
from msgspec import Struct

from sync.coordinates import EARTH_RADIUS_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rings = Sequence[Sequence[tuple[float, float]]]
"""One polygon in WGS-84 degrees (lon, lat): its outer ring, then its holes; rings may be left open."""

_METRES_PER_DEGREE: Final = radians(1.0) * EARTH_RADIUS_M
_NO_GRID: Final = -1
_SEVERAL: Final = -2

REACH_M: Final = 60.0
"""An accuracy circle up to this radius is answered from the cells; a larger one, which is rare, asks the tree."""

_MOST_CELLS: Final = 4_000_000
_SMALLEST_CELL_M: Final = 50.0

_ON_BORDER_M: Final = 1e-6
"""A point no further from a border than a micrometre lies on it: rounding must not decide."""

_CHUNK: Final = 1024
"""Points measured at a time, so that the edges of a chunk stay in the processor's cache."""


class Located(Struct, frozen=True, gc=False):
    """Where a point with its accuracy lies.

    `on_border`: the accuracy circle touches a border, so nothing is decided; `candidates` are the grids that
    it touches.
    """

    grid_id: UUID | None
    on_border: bool
    candidates: tuple[UUID, ...] = ()


class Reached(NamedTuple):
    """An outline that an accuracy circle touches, by its place in the order of codes.

    `inside`: it holds the point; `clear`: and the whole circle.
    """

    place: int
    inside: bool
    clear: bool


class GridIndex:
    """The current grids of a registry, for look-ups by point.

    Immutable, but for one thread at a time: the geometry engine prepares an outline at its first use.
    """

    def __init__(self, grids: Sequence[tuple[UUID, str, Rings]]) -> None:
        """Build from (grid id, code, outline); candidates are answered in the order of codes."""
        ordered = sorted(grids, key=lambda grid: grid[1])
        self._ids: Final = [grid_id for grid_id, _, _ in ordered]
        self._places: Final = {grid_id: place for place, grid_id in enumerate(self._ids)}
        self._frame: Final = _Frame(ordered[0][2][0] if ordered else [(0.0, 0.0)])
        outlines = _array([self._frame.polygon(rings) for _, _, rings in ordered])
        shapely.prepare(outlines)
        self._outlines: Final[list[shapely.Polygon]] = outlines.tolist()
        self._borders: Final[list[Any]] = shapely.boundary(outlines).tolist()
        middles = shapely.centroid(outlines)
        depths = shapely.distance(shapely.boundary(outlines), middles)
        self._middles: Final = shapely.get_coordinates(middles).reshape(-1, 2)
        self._depths: Final = np.where(shapely.contains(outlines, middles), depths, 0.0)
        self._circles: Final = list(zip(self._middles.tolist(), self._depths.tolist(), strict=True))
        self._edges: Final = _Edges(outlines)
        self._cells: Final = _Cells(shapely.bounds(outlines).reshape(-1, 4))
        self._tree: Final = shapely.STRtree(outlines)
        self._held_by: Final = [Located(grid_id, False) for grid_id in self._ids]

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, grid_id: object) -> bool:
        return grid_id in self._places

    def locate(self, lon: float, lat: float, accuracy_m: float) -> Located:
        """The grid of a WGS-84 point, if exactly one holds it and its whole accuracy circle.

        One point is measured by the geometry engine: for so little, arrays cost more than they spare.
        """
        x, y = self._frame.flat(lon, lat)
        about = self._cells.around(x, y, 0.0)
        if len(about) == 1 and self._is_deep(about[0], x, y, max(accuracy_m, _ON_BORDER_M)):
            return self._held_by[about[0]]
        point: Any = shapely.points(np.array((x, y)))
        inside = [at for at in about if self._outlines[at].intersects(point)]
        border_m = self._borders[inside[0]].distance(point) if len(inside) == 1 else -1.0
        reach_m = max(accuracy_m, _ON_BORDER_M)
        if border_m > reach_m:
            return self._held_by[inside[0]]
        if accuracy_m > REACH_M:
            touched = sorted(self._tree.query(point, predicate="dwithin", distance=accuracy_m).tolist())
        else:
            near = self._cells.around(x, y, reach_m)
            touched = [at for at in near if self._outlines[at].distance(point) <= reach_m]
        return self._undecided(bool(inside), touched)

    def reached(self, lon: float, lat: float, accuracy_m: float) -> list[Reached]:
        """Every outline that the accuracy circle of a WGS-84 point touches; here outlines may overlap."""
        x, y = self._frame.flat(lon, lat)
        reach_m = max(accuracy_m, _ON_BORDER_M)
        if not (near := self._around(x, y, reach_m)):
            return []
        point: Any = None
        reached: list[Reached] = []
        for at in near:
            if self._is_deep(at, x, y, reach_m):
                reached.append(Reached(at, inside=True, clear=True))
                continue
            point = point or shapely.points(np.array((x, y)))
            inside, border_m = bool(self._outlines[at].intersects(point)), self._borders[at].distance(point)
            if inside or border_m <= reach_m:
                reached.append(Reached(at, inside, inside and border_m > reach_m))
        return reached

    def _is_deep(self, at: int, x: float, y: float, reach_m: float) -> bool:
        """Whether a circle lies so near to the middle of a grid that nothing needs to be measured."""
        (east, north), depth_m = self._circles[at]
        slack_m = depth_m - reach_m
        return slack_m > 0.0 and (x - east) ** 2 + (y - north) ** 2 < slack_m**2

    def _around(self, x: float, y: float, reach_m: float) -> list[int]:
        if reach_m <= REACH_M:
            return self._cells.around(x, y, reach_m)
        return sorted(self._tree.query(shapely.Point(x, y), predicate="dwithin", distance=reach_m).tolist())

    def border_m(self, grid_id: UUID, lon: float, lat: float) -> float:
        """How far a WGS-84 point is from the border of a grid, from inside or outside. Raises KeyError for no grid."""
        point: Any = shapely.points(np.array(self._frame.flat(lon, lat)))
        return float(self._borders[self._places[grid_id]].distance(point))

    def locate_many(self, lons: Sequence[float], lats: Sequence[float], accuracies_m: Sequence[float]) -> list[Located]:
        """`locate` for many points at once, in their order; several times faster a point."""
        flat = self._frame.flat_array(lons, lats)
        accuracies = np.asarray(accuracies_m, dtype=float)
        if len(flat) <= _CHUNK:
            return self._locate_chunk(flat, accuracies)
        located: list[Any] = [None] * len(flat)
        # Neighbours one after the other: what one point brought into the cache serves the next.
        order = np.argsort(self._cells.cells_of(flat)[0], kind="stable")
        for at in range(0, len(flat), _CHUNK):
            chunk = order[at : at + _CHUNK]
            for number, one in zip(chunk.tolist(), self._locate_chunk(flat[chunk], accuracies[chunk]), strict=True):
                located[number] = one
        return located

    def in_box(self, west: float, south: float, east: float, north: float) -> list[UUID]:
        """The grids that touch a box, given in degrees, in the order of codes."""
        box = self._frame.polygon([[(west, south), (east, south), (east, north), (west, north)]])
        return [self._ids[at] for at in sorted(self._tree.query(box, predicate="intersects").tolist())]

    def _locate_chunk(self, flat: NDArray[Any], accuracies_m: NDArray[Any]) -> list[Located]:
        reaches = np.maximum(accuracies_m, _ON_BORDER_M)
        asked, hits = self._cells.near(flat, np.minimum(reaches, REACH_M))
        inside, clear, touched = self._held(flat[asked], hits, reaches[asked])
        holders = np.bincount(asked[inside], minlength=len(flat))
        decided = clear & (holders[asked] == 1)
        located: list[Any] = [None] * len(flat)
        for at, place in zip(asked[decided].tolist(), hits[decided].tolist(), strict=True):
            located[at] = self._held_by[place]
        near: dict[int, list[int]] = {at: [] for at, one in enumerate(located) if one is None}
        if near:
            for at, place in zip(asked[touched].tolist(), hits[touched].tolist(), strict=True):
                if at in near:
                    near[at].append(place)
            self._look_further(near, flat, accuracies_m)
            for at, places in near.items():
                located[at] = self._undecided(bool(holders[at]), places)
        return located

    def _held(
        self, flat: NDArray[Any], places: NDArray[Any], reaches_m: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Per point and grid: whether the point lies inside, whether all of its circle does, and whether any does.

        Deep inside costs nothing.
        """
        slack = self._depths[places] - reaches_m
        away = flat - self._middles[places]
        deep = (slack > 0.0) & ((away**2).sum(axis=1) < slack**2)
        rest = np.flatnonzero(~deep)
        if not len(rest):
            return deep, deep, deep
        inside, clear, touched = deep.copy(), deep.copy(), deep
        held, borders = self._edges.measure(flat[rest], places[rest])
        reaches_m = reaches_m[rest]
        inside[rest], clear[rest], touched[rest] = held, held & (borders > reaches_m), held | (borders <= reaches_m)
        return inside, clear, touched

    def _look_further(self, near: dict[int, list[int]], flat: NDArray[Any], accuracies_m: NDArray[Any]) -> None:
        """Circles that reach further than the cells tell: all the grids that they touch, in the order of codes."""
        wide = [at for at in near if accuracies_m[at] > REACH_M]
        if wide:
            points = shapely.points(flat[wide])
            asked, hits = self._tree.query(points, predicate="dwithin", distance=accuracies_m[wide])
            for at in wide:
                near[at] = []
            for number, place in sorted(zip(asked.tolist(), hits.tolist(), strict=True)):
                near[wide[number]].append(place)

    def _undecided(self, held: bool, touched: list[int]) -> Located:
        return Located(None, held or bool(touched), tuple(self._ids[place] for place in touched))


class _Cells:
    """Square cells over the city, each with the grids whose boxes come within reach of it."""

    def __init__(self, boxes: NDArray[Any]) -> None:
        self._boxes: Final = boxes
        self._box_list: Final[list[list[float]]] = boxes.tolist()
        reach = boxes + np.array((-REACH_M, -REACH_M, REACH_M, REACH_M)) if len(boxes) else np.zeros((1, 4))
        self._west, self._south = float(reach[:, 0].min()), float(reach[:, 1].min())
        width, height = float(reach[:, 2].max()) - self._west, float(reach[:, 3].max()) - self._south
        usual = float(np.median(reach[:, 2] - reach[:, 0])) / 2.0
        self._size = max(usual, _SMALLEST_CELL_M, (width * height / _MOST_CELLS) ** 0.5)
        self._columns, self._rows = int(width / self._size) + 1, int(height / self._size) + 1
        places, cells = self._covered(reach[: len(boxes)])
        order = np.argsort(cells, kind="stable")
        self._places: Final = places[order]
        counts = np.bincount(cells, minlength=self._columns * self._rows)
        self._starts: Final = np.concatenate(((0,), np.cumsum(counts)))

    def around(self, x: float, y: float, far: float) -> list[int]:
        """The grids whose boxes come within `far` metres, up to REACH_M, of a point."""
        column, row = floor((x - self._west) / self._size), floor((y - self._south) / self._size)
        if not (0 <= column < self._columns and 0 <= row < self._rows):
            return []
        cell = row * self._columns + column
        boxes = self._box_list
        named: list[int] = self._places[self._starts[cell] : self._starts[cell + 1]].tolist()
        west, south, east, north = x - far, y - far, x + far, y + far
        return [
            at
            for at in named
            if boxes[at][0] <= east and boxes[at][2] >= west and boxes[at][1] <= north and boxes[at][3] >= south
        ]

    def near(self, flat: NDArray[Any], accuracies_m: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Pairs (number of a point, place of a grid) where the grid's box comes within the accuracy, up to REACH_M."""
        cells, within = self.cells_of(flat)
        starts = self._starts[cells]
        counts = np.where(within, self._starts[cells + 1] - starts, 0)
        asked = np.repeat(np.arange(len(flat)), counts)
        hits = self._places[_ranges(starts, counts)]
        x, y, boxes, far = flat[asked, 0], flat[asked, 1], self._boxes[hits], accuracies_m[asked]
        west, south, east, north = boxes.T
        close = (x >= west - far) & (x <= east + far) & (y >= south - far) & (y <= north + far)
        return asked[close], hits[close]

    def cells_of(self, flat: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The cell of each point, and whether it has one; 0 where it has none."""
        cells = np.floor((flat - (self._west, self._south)) / self._size).astype(np.int64)
        inner = (cells >= 0) & (cells < (self._columns, self._rows))
        within = inner[:, 0] & inner[:, 1]
        return np.where(within, cells[:, 1] * self._columns + cells[:, 0], 0), within

    def _covered(self, reach: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Pairs (place of a grid, cell that its reach overlaps)."""
        low = np.floor((reach[:, :2] - (self._west, self._south)) / self._size).astype(np.int64)
        high = np.floor((reach[:, 2:] - (self._west, self._south)) / self._size).astype(np.int64)
        span = high - low + 1
        counts = span[:, 0] * span[:, 1]
        places = np.repeat(np.arange(len(reach)), counts)
        within = _ranges(np.zeros(len(reach), dtype=np.int64), counts)
        columns = low[places, 0] + within % span[places, 0]
        rows = low[places, 1] + within // span[places, 0]
        return places, rows * self._columns + columns


class _Edges:
    """All edges of all outlines, those of one outline side by side."""

    def __init__(self, outlines: NDArray[Any]) -> None:
        rings, owners = shapely.get_rings(outlines, return_index=True)
        corners, ring_of = shapely.get_coordinates(rings, return_index=True)
        joined = np.flatnonzero(ring_of[1:] == ring_of[:-1])
        ahead = corners[joined + 1] - corners[joined]
        lengths = (ahead**2).sum(axis=1)
        self._x, self._y = corners[joined, 0], corners[joined, 1]
        self._dx, self._dy = np.ascontiguousarray(ahead[:, 0]), np.ascontiguousarray(ahead[:, 1])
        # A corner that is given twice makes an edge of no length; its nearest point is its beginning.
        self._inverse: Final = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0.0)
        self._counts: Final = np.bincount(owners[ring_of[joined]], minlength=len(outlines))
        self._starts: Final = np.cumsum(self._counts) - self._counts

    def measure(self, flat: NDArray[Any], places: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Per point and grid: whether the point lies inside, and the distance to the border."""
        if not len(places):
            return np.zeros(0, dtype=bool), np.zeros(0)
        counts = self._counts[places]
        edges = _ranges(self._starts[places], counts)
        firsts = np.cumsum(counts) - counts
        x, y = np.repeat(flat[:, 0], counts) - self._x[edges], np.repeat(flat[:, 1], counts) - self._y[edges]
        dx, dy = self._dx[edges], self._dy[edges]
        crossed = ((y < 0.0) != (y < dy)) & ((dx * y > x * dy) == (dy > 0.0))
        inside = np.logical_xor.reduceat(crossed, firsts)
        along = np.clip((x * dx + y * dy) * self._inverse[edges], 0.0, 1.0)
        x -= along * dx
        y -= along * dy
        borders = np.sqrt(np.minimum.reduceat(x * x + y * y, firsts))
        return inside, borders


class _Frame:
    """The flat frame: metres east and north of the corner of one grid.

    East-west lengths are right at its latitude and off by under 2 % at 150 km north or south of it, which
    matters only to how far an accuracy circle reaches.
    """

    def __init__(self, ring: Sequence[tuple[float, float]]) -> None:
        self._lon, self._lat = ring[0]
        self._north: Final = _METRES_PER_DEGREE
        self._east: Final = _METRES_PER_DEGREE * cos(radians(self._lat))

    def flat(self, lon: float, lat: float) -> tuple[float, float]:
        return (lon - self._lon) * self._east, (lat - self._lat) * self._north

    def flat_array(self, lons: Sequence[float], lats: Sequence[float]) -> NDArray[Any]:
        """All at once, a row each."""
        degrees = np.array((lons, lats), dtype=float).T
        return (degrees - (self._lon, self._lat)) * (self._east, self._north)

    def polygon(self, rings: Rings) -> shapely.Polygon:
        flat = [[self.flat(lon, lat) for lon, lat in ring] for ring in rings]
        return shapely.Polygon(flat[0], flat[1:])


def _ranges(starts: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """The numbers from each start on, as many as each count says, one after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


def _array(geometries: Sequence[shapely.Geometry]) -> NDArray[Any]:
    array = np.empty(len(geometries), dtype=object)
    array[:] = geometries
    return array
