"""Which grid a point or an item belongs to: geometry and an order of sources, no I/O.

Outlines are held in a flat frame in metres (equirectangular). The frame is affine, so whether a point lies
inside an outline is not changed by it, and borders that were shared stay shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, radians
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import numpy as np
import shapely
from msgspec import Struct

from sync.coordinates import EARTH_RADIUS_M, Crs, check_bounds, to_wgs84

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rings = Sequence[Sequence[tuple[float, float]]]
"""One polygon in WGS-84 degrees (lon, lat): its outer ring, then its holes; rings may be left open."""

Source = Literal["point", "reference", "capture", "claimed"]
Answer = Literal["grid", "empty", "outside", "border", "not_current"]

_NO_GRID: Final = -1
_SEVERAL: Final = -2
_METRES_PER_DEGREE: Final = radians(1.0) * EARTH_RADIUS_M


class Located(Struct, frozen=True, gc=False):
    """Where a point with its accuracy lies.

    `border_m` is the distance in metres to the border of the one grid around the point, None without one.
    `on_border`: the accuracy circle touches a border, so nothing is decided; `candidates` are the grids that
    it touches.
    """

    grid_id: UUID | None
    border_m: float | None
    on_border: bool
    candidates: tuple[UUID, ...] = ()


class Fix(Struct, frozen=True):
    """A position in degrees of `crs`, accuracy in metres; raises ValueError for a place that cannot be."""

    lon: float
    lat: float
    crs: Crs
    accuracy_m: float

    def __post_init__(self) -> None:
        check_bounds(self.lon, self.lat)
        if not 0.0 <= self.accuracy_m < float("inf"):
            raise ValueError("accuracy must be a finite number of metres, zero or more")


class Finding(Struct, frozen=True):
    """What one source said: a grid, or why it gives none, with the candidates of a fix across a border."""

    source: Source
    answer: Answer
    grid_id: UUID | None = None
    candidates: tuple[UUID, ...] = ()


class Territory(Struct, frozen=True):
    """The grid of an item and the source that decided; both None is a territory conflict.

    `disagreeing` are later sources that gave another grid: a flag, nothing moves. `findings` derives it.
    """

    grid_id: UUID | None
    source: Source | None
    disagreeing: tuple[Finding, ...]
    findings: tuple[Finding, ...]


class GridIndex:
    """The current grids of a registry, for look-ups by point.

    Immutable, but for one thread at a time: the geometry engine prepares an outline at its first use.
    """

    def __init__(self, grids: Sequence[tuple[UUID, str, Rings]]) -> None:
        """Build from (grid id, code, outline); candidates are answered in the order of codes."""
        ordered = sorted(grids, key=lambda grid: grid[1])
        self._ids: Final = [grid_id for grid_id, _, _ in ordered]
        self._members: Final = frozenset(self._ids)
        self._frame: Final = _Frame(ordered[0][2][0] if ordered else [(0.0, 0.0)])
        self._outlines: Final = _array([self._frame.polygon(rings) for _, _, rings in ordered])
        self._borders: Final = _array([outline.boundary for outline in self._outlines])
        shapely.prepare(self._outlines)
        self._tree: Final = shapely.STRtree(self._outlines)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, grid_id: object) -> bool:
        return grid_id in self._members

    def locate(self, lon: float, lat: float, accuracy_m: float) -> Located:
        """The grid of a WGS-84 point, if exactly one holds it and its whole accuracy circle."""
        x, y = self._frame.flat(lon, lat)
        point = _points(np.array(((x, y),)))
        hits = self._tree.query(point, predicate="intersects")[1]
        place = int(hits[0]) if len(hits) == 1 else _SEVERAL if len(hits) else _NO_GRID
        border_m = float(self._borders[place].distance(point[0])) if place >= 0 else -1.0
        if border_m > accuracy_m:
            return Located(self._ids[place], border_m, False)
        return _undecided(border_m, place, self._near(point, np.array((accuracy_m,)))[0])

    def locate_many(self, lons: Sequence[float], lats: Sequence[float], accuracies_m: Sequence[float]) -> list[Located]:
        """`locate` for many points at once, in their order; several times faster a point."""
        flat = self._frame.flat_array(np.asarray(lons, dtype=float), np.asarray(lats, dtype=float))
        accuracies = np.asarray(accuracies_m, dtype=float)
        points = _points(flat)
        places, borders = self._single_grids(flat, points)
        clear = borders > accuracies
        ids = self._ids
        rows = zip(places.tolist(), borders.tolist(), clear.tolist(), strict=True)
        located = [Located(ids[place], border_m, False) if decided else None for place, border_m, decided in rows]
        unclear = np.flatnonzero(~clear)
        near = self._near(points[unclear], accuracies[unclear])
        for at, candidates in zip(unclear.tolist(), near, strict=True):
            located[at] = _undecided(float(borders[at]), int(places[at]), candidates)
        return [one for one in located if one is not None]

    def _single_grids(self, flat: NDArray[Any], points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Per point: place of its only grid (_NO_GRID, _SEVERAL) and metres to its border.

        Boxes first, then prepared outlines: half the time of the tree's own predicate.
        """
        asked, hits = self._tree.query(points)
        inside = shapely.intersects_xy(self._outlines[hits], flat[asked, 0], flat[asked, 1])
        asked, hits = asked[inside], hits[inside]
        counts = np.bincount(asked, minlength=len(points))
        single = counts[asked] == 1
        asked, hits = asked[single], hits[single]
        places = np.where(counts > 1, _SEVERAL, _NO_GRID)
        places[asked] = hits
        borders = np.full(len(points), -1.0)
        borders[asked] = shapely.distance(self._borders[hits], points[asked])
        return places, borders

    def _near(self, points: NDArray[Any], accuracies_m: NDArray[Any]) -> list[tuple[UUID, ...]]:
        """Per point the grids that its accuracy circle touches, in the order of codes."""
        asked, hits = self._tree.query(points, predicate="dwithin", distance=accuracies_m)
        near: list[list[int]] = [[] for _ in range(len(points))]
        for at, place in zip(asked.tolist(), hits.tolist(), strict=True):
            near[at].append(place)
        return [tuple(self._ids[place] for place in sorted(places)) for places in near]


def _undecided(border_m: float, place: int, candidates: tuple[UUID, ...]) -> Located:
    on_border = place != _NO_GRID or bool(candidates)
    return Located(None, border_m if place >= 0 else None, on_border, candidates)


def decide_territory(
    sources: Sequence[Source],
    *,
    point: Fix | None,
    reference_grid: UUID | None,
    capture: Fix | None,
    claimed_grid: UUID | None,
    index: GridIndex,
) -> Territory:
    """Decide an item's grid by the catalogue's `territory_from`: the first source to give one current grid.

    `reference_grid` and `claimed_grid` are carried to the current registry version, None where a field is
    empty or a grid has no single successor. Sources that the type does not name are not asked.
    """
    positions = {"point": point, "capture": capture}
    grids = {"reference": reference_grid, "claimed": claimed_grid}
    findings = tuple(
        _find_position(source, positions[source], index)
        if source in positions
        else _find_grid(source, grids[source], index)
        for source in sources
    )
    giving = _giving(findings)
    decisive = next(giving, None)
    if decisive is None:
        return Territory(None, None, (), findings)
    disagreeing = tuple(later for later in giving if later.grid_id != decisive.grid_id)
    return Territory(decisive.grid_id, decisive.source, disagreeing, findings)


def _giving(findings: Sequence[Finding]) -> Iterator[Finding]:
    return (finding for finding in findings if finding.grid_id is not None)


def _find_position(source: Source, fix: Fix | None, index: GridIndex) -> Finding:
    if fix is None:
        return Finding(source, "empty")
    lon, lat = to_wgs84(fix.lon, fix.lat, fix.crs)
    located = index.locate(lon, lat, fix.accuracy_m)
    if located.grid_id is not None:
        return Finding(source, "grid", located.grid_id)
    return Finding(source, "border" if located.on_border else "outside", None, located.candidates)


def _find_grid(source: Source, grid_id: UUID | None, index: GridIndex) -> Finding:
    if grid_id is None:
        return Finding(source, "empty")
    if grid_id not in index:
        return Finding(source, "not_current")
    return Finding(source, "grid", grid_id)


def _points(flat: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(shapely.points(flat))


def _array(geometries: Sequence[shapely.Geometry]) -> NDArray[Any]:
    array = np.empty(len(geometries), dtype=object)
    array[:] = geometries
    return array


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

    def flat_array(self, lons: NDArray[Any], lats: NDArray[Any]) -> NDArray[Any]:
        return np.column_stack(((lons - self._lon) * self._east, (lats - self._lat) * self._north))

    def polygon(self, rings: Rings) -> shapely.Polygon:
        flat = [[self.flat(lon, lat) for lon, lat in ring] for ring in rings]
        return shapely.Polygon(flat[0], flat[1:])
