"""Outlines as they are handed in: from a GeoJSON geometry to closed rings of WGS-84, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final, Literal

from sync.coordinates import CoordinateError, Crs, LonLat, to_wgs84
from sync.grid_index import Rings

Outline = tuple[tuple[LonLat, ...], ...]
"""One polygon in WGS-84 in its normal form: see `normal_form`."""

Given = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]
"""Coordinate systems of files; CGCS2000 agrees with WGS-84 to centimetres."""

MOST_VERTICES: Final = 5_000
"""Of one outline. Every phone of the grid loads it; the generalised outline of a whole county has 185."""

CITY_BOX: Final = (116.9, 31.6, 119.5, 33.5)
"""West, south, east, north: Chuzhou with some twenty kilometres around it. What lies outside has its axes exchanged, is
in metres, or belongs to another city."""

_DIGITS: Final = 7
"""Of a degree: a centimetre, finer than any survey of a border and than the public inverses of GCJ-02 and BD-09."""


class UnfitOutline(ValueError):
    """A geometry that is no outline: the name of the fault (`sync.registry_faults`) and the facts for its words."""

    def __init__(self, name: str, **facts: object) -> None:
        super().__init__(name)
        self.name: Final = name
        self.facts: Final = facts


def read_rings(geometry: Any) -> Outline:
    """The rings of a GeoJSON Polygon, closed, as they were drawn; raises `UnfitOutline`.

    A MultiPolygon of one part, as many programs write everything, is a Polygon. Heights are dropped.
    """
    coordinates = _polygon(geometry)
    if not isinstance(coordinates, list) or not coordinates:
        raise UnfitOutline("ring_points")
    rings = tuple(_ring(ring) for ring in coordinates)
    if sum(map(len, rings)) > MOST_VERTICES:
        raise UnfitOutline("vertices_too_many", most=MOST_VERTICES)
    return rings


def converter(crs: Given) -> Callable[[LonLat], LonLat]:
    """A function to WGS-84 that converts each vertex once, so what was shared by two outlines stays shared."""
    from_: Crs = "wgs84" if crs == "cgcs2000" else crs

    @cache
    def convert(vertex: LonLat) -> LonLat:
        return to_wgs84(*vertex, from_)

    return convert


def to_outline(rings: Rings, convert: Callable[[LonLat], LonLat]) -> Outline:
    """Rings in WGS-84 and in normal form; raises `UnfitOutline` for a point that is not in the city."""
    try:
        converted = [[convert(vertex) for vertex in ring] for ring in rings]
    except CoordinateError:
        raise UnfitOutline("ring_bounds") from None
    west, south, east, north = CITY_BOX
    if not all(west <= lon <= east and south <= lat <= north for ring in converted for lon, lat in ring):
        raise UnfitOutline("ring_bounds")
    return normal_form(converted)


def normal_form(rings: Rings) -> Outline:
    """The same rings, written one way only, so that an outline drawn anew from another corner is the same one.

    Rounded to a centimetre, closed, begun at the south-westernmost vertex; the outer ring anticlockwise, holes
    clockwise (RFC 7946, section 3.1.6).
    """
    return tuple(_turned(ring, anticlockwise=place == 0) for place, ring in enumerate(rings))


def _turned(ring: Sequence[LonLat], *, anticlockwise: bool) -> tuple[LonLat, ...]:
    rounded = [(round(lon, _DIGITS), round(lat, _DIGITS)) for lon, lat in ring]
    vertices = rounded[:-1] if rounded[0] == rounded[-1] else rounded
    if (_twice_area(vertices) > 0) != anticlockwise:
        vertices.reverse()
    begin = vertices.index(min(vertices))
    return (*vertices[begin:], *vertices[:begin], vertices[begin])


def _twice_area(ring: Sequence[LonLat]) -> float:
    """Signed, positive if anticlockwise; from the first vertex, or digits would be lost."""
    lon, lat = ring[0]
    near = [(x - lon, y - lat) for x, y in (*ring, ring[0])]
    return sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairwise(near))


def _polygon(geometry: Any) -> Any:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates: Any = geometry.get("coordinates") if kind else None
    if kind == "MultiPolygon" and isinstance(coordinates, list):
        if len(coordinates) != 1:
            raise UnfitOutline("multi_part", parts=len(coordinates))
        return coordinates[0]
    if kind != "Polygon":
        raise UnfitOutline("geometry_type")
    return coordinates


def _ring(ring: Any) -> tuple[LonLat, ...]:
    if not isinstance(ring, list):
        raise UnfitOutline("ring_points")
    vertices = [_vertex(position) for position in ring]
    if len(set(vertices)) < 3:
        raise UnfitOutline("ring_points")
    return tuple(vertices if vertices[0] == vertices[-1] else [*vertices, vertices[0]])


def _vertex(position: Any) -> LonLat:
    match position:
        case [int() | float() as lon, int() | float() as lat, *_] if _is_place(lon, lat):
            return float(lon), float(lat)
        case [int() | float(), int() | float(), *_]:
            raise UnfitOutline("ring_bounds")
        case _:
            raise UnfitOutline("ring_points")


def _is_place(lon: float, lat: float) -> bool:
    """False also for NaN, and for whole numbers that no float can hold."""
    return abs(lon) <= 180 and abs(lat) <= 90
