"""The territory of the demo: every urban area is divided into streets, these into communities, these into grids.

Division codes and names and the outlines of counties are real. No outline of a street, community or grid is published
in a form that may be used, so these are made here, the same for the same seed. Villages are left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from math import cos, pi, radians, sin, sqrt
from random import Random
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from server.demo.divisions import CITY_CODE, Division, LonLat, Rings, city_divisions, read_data
from server.demo.grids import Cell, Grid, community_grids, grid_counts
from server.demo.subdivision import Patchwork, Point, area
from sync.coordinates import EARTH_RADIUS_M
from sync.registry_outlines import normal_form

DEMO_SEED: Final = 341182

_GRID_M2: Final = 120_000.0
_CORNER_EVERY_M: Final = 370.0
_FEWEST_CORNERS: Final = 14
_NORTH_M: Final = radians(1.0) * EARTH_RADIUS_M


class Territory(NamedTuple):
    """Divisions, each after its parent, and grids in the order of their codes."""

    divisions: tuple[Division, ...]
    grids: tuple[Grid, ...]


class _Area(Struct, frozen=True):
    """A built-up area around its middle: the streets and towns that adjoin there."""

    name: str
    middle: LonLat
    streets: tuple[str, ...]


class _AreaFile(Struct, frozen=True):
    note: str
    areas: tuple[_Area, ...]


class _Made(NamedTuple):
    """What was made of an area: the grids, and the outlines of its streets and communities by code."""

    grids: list[Grid]
    outlines: dict[str, Rings]


def whole_territory(seed: int) -> Territory:
    """All 2,088 grids; neighbours share each vertex of their border exactly."""
    made = [_make(built_up, seed) for built_up in _areas()]
    outlines = {code: outline for one in made for code, outline in one.outlines.items()}
    grids = sorted((grid for one in made for grid in one.grids), key=lambda grid: grid.code)
    return Territory(tuple(_with_outlines(city_divisions(), outlines)), tuple(grids))


def street_territory(street: str, seed: int) -> Territory:
    """A street as it is in the whole territory, with its communities and what stands above it."""
    made = _make(next(built_up for built_up in _areas() if street in built_up.streets), seed)
    above = (CITY_CODE, f"{street[:6]}000000")
    kept = [one for one in city_divisions() if one.code in above or street in (one.code, one.parent)]
    grids = sorted((grid for grid in made.grids if grid.code.startswith(street[:9])), key=lambda grid: grid.code)
    return Territory(tuple(_with_outlines(kept, made.outlines)), tuple(grids))


def _areas() -> tuple[_Area, ...]:
    return msgspec.json.decode(read_data("urban_areas.json"), type=_AreaFile).areas


def _with_outlines(divisions: Iterable[Division], outlines: Mapping[str, Rings]) -> Iterator[Division]:
    for one in divisions:
        made = outlines.get(one.code)
        yield replace(one, outline=made, synthetic=True) if made else one


def _make(built_up: _Area, seed: int) -> _Made:
    rng, frame = Random(f"{built_up.name}/{seed}"), _Frame(built_up.middle)
    streets = [_communities_of(street) for street in built_up.streets]
    sizes = [[_grid_counts()[one.code] for one in street] for street in streets]
    town = Patchwork(_town_outline(rng, sum(map(sum, sizes))), rng)
    parts: dict[str, list[int]] = {}
    grids: list[Grid] = []
    shares = town.divide(0, [sum(own) for own in sizes])
    for code, street, own, share in zip(built_up.streets, streets, sizes, shares, strict=True):
        cells = [town.divide(part, [1] * count) for part, count in zip(town.divide(share, own), own, strict=True)]
        parts |= {community.code: of_it for community, of_it in zip(street, cells, strict=True)}
        parts[code] = [cell for of_one in cells for cell in of_one]
    for community in (one for street in streets for one in street):
        rings = [tuple(town.outline([part])) for part in parts[community.code]]
        grids += community_grids(community, [Cell(ring, frame.degrees(ring)) for ring in rings])
    return _Made(grids, {code: frame.degrees(town.outline(own)) for code, own in parts.items()})


def _communities_of(street: str) -> list[Division]:
    return [one for one in city_divisions() if one.parent == street]


@cache
def _grid_counts() -> dict[str, int]:
    return grid_counts([one.code for one in city_divisions() if one.tier == "community"])


def _town_outline(rng: Random, grid_count: int) -> list[Point]:
    """A rounded town: a circle with a few slow swells and a little noise, as large as so many grids."""
    radius = sqrt(grid_count * _GRID_M2 / pi)
    corners = max(_FEWEST_CORNERS, round(2.0 * pi * radius / _CORNER_EVERY_M))
    swells = [(turns, rng.uniform(0.02, 0.05), rng.uniform(0.0, 2.0 * pi)) for turns in (2, 3, 5)]
    outline: list[Point] = []
    for corner in range(corners):
        angle = 2.0 * pi * corner / corners
        swell = sum(height * cos(turns * angle + phase) for turns, height, phase in swells)
        reach = radius * (1.0 + swell + rng.gauss(0.0, 0.01))
        outline.append((reach * cos(angle), reach * sin(angle)))
    scale = sqrt(grid_count * _GRID_M2 / area(outline))
    return [(x * scale, y * scale) for x, y in outline]


class _Frame:
    """Metres east and north of the middle of a town."""

    def __init__(self, middle: LonLat) -> None:
        self._lon, self._lat = middle
        self._east_m = _NORTH_M * cos(radians(middle[1]))

    def degrees(self, ring: Sequence[Point]) -> Rings:
        """The one ring of an outline, closed, to six digits: a decimetre."""
        corners = [(round(self._lon + x / self._east_m, 6), round(self._lat + y / _NORTH_M, 6)) for x, y in ring]
        return normal_form([corners])
