"""The demo city as pure data: 明光街道 of 明光市 with its 13 communities, and synthetic grids.

Division codes and names and the county's outline are real. No outline of a street, community or grid is
published in a form that may be used, so these are made here, the same for the same seed, and each grid says
so in `label`. The villages of the street are left out.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import cos, dist, pi, radians, sin
from random import Random
from typing import Final, Literal
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from schemas.grid_code import GridKind
from server.demo.subdivision import Patchwork, Point, area
from sync.coordinates import EARTH_RADIUS_M

DEMO_SEED: Final = 341182
CITY_CODE: Final = "341100000000"
COUNTY_CODE: Final = "341182000000"
STREET_CODE: Final = "341182001000"
SYNTHETIC: Final = "合成 synthetic"
GRID_NAMESPACE: Final = UUID("5b0f3c1e-6a54-5d0e-9a5c-2f6a4d1c7e01")
"""Grid ids are the version-5 UUIDs of their codes in this namespace."""

Tier = Literal["city", "county", "street", "community"]
LonLat = tuple[float, float]

_MIDDLE: Final[LonLat] = (117.9925, 32.7815)
_RADIUS_M: Final = 2150.0
_CORNERS: Final = 36
_GRIDS_PER_COMMUNITY: Final = (9, 9, 10, 9, 8, 9, 10, 9, 9, 8, 10, 9, 9)
_MIDTOWN: Final = ("市府", "中心路", "南大寺", "交通")
_DEDICATED: Final = {
    "市府": ("医院", "Hospital"),
    "花园": ("学校", "School"),
}
_NORTH_M: Final = radians(1.0) * EARTH_RADIUS_M
_EAST_M: Final = _NORTH_M * cos(radians(_MIDDLE[1]))


class Division(Struct, frozen=True):
    """A city, county, street or community under its 12-digit code."""

    code: str
    parent: str | None
    tier: Tier
    name_zh: str
    name_en: str


class Grid(Struct, frozen=True):
    """A synthetic grid; `outline` holds closed rings of WGS-84 (lon, lat), the outer one anticlockwise."""

    id: UUID
    code: str
    community_code: str
    kind: GridKind
    name_zh: str
    name_en: str
    outline: tuple[tuple[LonLat, ...], ...]
    label: str = SYNTHETIC


class _DivisionFile(Struct, frozen=True):
    source: str
    divisions: tuple[Division, ...]


class _OutlineFile(Struct, frozen=True):
    source: str
    code: str
    rings: tuple[tuple[LonLat, ...], ...]


@cache
def demo_divisions() -> tuple[Division, ...]:
    """The city, its eight counties, the street and its 13 communities, each after its parent."""
    return msgspec.json.decode(_data("divisions.json"), type=_DivisionFile).divisions


@cache
def county_outline() -> tuple[tuple[LonLat, ...], ...]:
    """The real, heavily generalised outline of 明光市 as closed rings of WGS-84 (lon, lat)."""
    return msgspec.json.decode(_data("mingguang_outline.json"), type=_OutlineFile).rings


@cache
def demo_grids(seed: int = DEMO_SEED) -> tuple[Grid, ...]:
    """All 118 grids in the order of their codes; neighbours share each vertex of their border exactly."""
    rng = Random(seed)
    town = Patchwork(_street_outline(rng), rng)
    quarters = town.divide(0, [float(count) for count in _GRIDS_PER_COMMUNITY])
    sized = zip(quarters, _GRIDS_PER_COMMUNITY, strict=True)
    cells = [town.divide(part, [1.0] * count) for part, count in sized]
    outlines = [[town.outline(part) for part in parts] for parts in cells]
    grids = [
        grid
        for community, rings in zip(_seated(outlines), outlines, strict=True)
        for grid in _community_grids(community, rings)
    ]
    return tuple(sorted(grids, key=lambda grid: grid.code))


def _data(name: str) -> bytes:
    return (files("server.demo") / "data" / name).read_bytes()


def _street_outline(rng: Random) -> list[Point]:
    """A rounded town: a circle with a few slow swells and a little noise."""
    swells = [(turns, rng.uniform(0.03, 0.07), rng.uniform(0.0, 2.0 * pi)) for turns in (2, 3, 5)]
    outline: list[Point] = []
    for corner in range(_CORNERS):
        angle = 2.0 * pi * corner / _CORNERS
        swell = sum(height * cos(turns * angle + phase) for turns, height, phase in swells)
        radius = _RADIUS_M * (1.0 + swell + rng.gauss(0.0, 0.012))
        outline.append((radius * cos(angle), radius * sin(angle)))
    return outline


def _seated(outlines: Sequence[Sequence[Sequence[Point]]]) -> list[Division]:
    """A community for each quarter: those whose names belong to midtown in the middle, the others by code."""
    communities = [division for division in demo_divisions() if division.tier == "community"]
    midtown = [division for division in communities if division.name_zh.removesuffix("社区") in _MIDTOWN]
    others = [division for division in communities if division not in midtown]
    middles = [_middle([point for ring in rings for point in ring]) for rings in outlines]
    inside_out = sorted(range(len(middles)), key=lambda at: dist(middles[at], (0.0, 0.0)))
    seats = dict(zip(inside_out, [*midtown, *others], strict=True))
    return [seats[at] for at in range(len(middles))]


def _community_grids(community: Division, rings: Sequence[Sequence[Point]]) -> list[Grid]:
    """The grids of one community; serials run west to east in rows from north to south."""
    name = community.name_zh.removesuffix("社区")
    smallest = min(rings, key=area) if name in _DEDICATED else None
    general = [ring for ring in rings if ring is not smallest]
    numbered = enumerate(_in_reading_order(general), 1)
    grids = [_general_grid(community, serial, ring) for serial, ring in numbered]
    if smallest is not None:
        grids.append(_dedicated_grid(community, smallest, *_DEDICATED[name]))
    return grids


def _general_grid(community: Division, serial: int, ring: Sequence[Point]) -> Grid:
    name_zh = f"{community.name_zh}第{serial}网格"
    return _grid(community, serial, "general", name_zh, f"{community.name_en}, grid {serial}", ring)


def _dedicated_grid(community: Division, ring: Sequence[Point], place_zh: str, place_en: str) -> Grid:
    name_zh = f"{community.name_zh}{place_zh}专属网格"
    return _grid(community, 901, "dedicated", name_zh, f"{community.name_en}, {place_en} grid", ring)


def _grid(community: Division, serial: int, kind: GridKind, name_zh: str, name_en: str, ring: Sequence[Point]) -> Grid:
    code = f"{community.code}{serial:03}"
    return Grid(uuid5(GRID_NAMESPACE, code), code, community.code, kind, name_zh, name_en, (_closed(ring),))


def _closed(ring: Sequence[Point]) -> tuple[LonLat, ...]:
    degrees = [(round(_MIDDLE[0] + x / _EAST_M, 6), round(_MIDDLE[1] + y / _NORTH_M, 6)) for x, y in ring]
    return (*degrees, degrees[0])


def _in_reading_order(rings: Sequence[Sequence[Point]]) -> list[Sequence[Point]]:
    """Rows from north to south, in each row from west to east."""
    southward = sorted(rings, key=lambda ring: -_middle(ring)[1])
    across = round(len(rings) ** 0.5)
    rows = [southward[at : at + across] for at in range(0, len(southward), across)]
    return [ring for row in rows for ring in sorted(row, key=lambda ring: _middle(ring)[0])]


def _middle(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
