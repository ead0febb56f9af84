"""The divisions of the demo: real codes and names, and the real, heavily generalised outlines of the counties."""

from functools import cache
from importlib.resources import files
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sync.registry_outlines import normal_form

CITY_CODE: Final = "341100000000"
COUNTY_CODE: Final = "341182000000"
STREET_CODE: Final = "341182001000"
"""明光街道 of 明光市, where the demo's day is played."""

Tier = Literal["city", "county", "street", "community"]
LonLat = tuple[float, float]
Rings = tuple[tuple[LonLat, ...], ...]
"""Closed rings of WGS-84 (lon, lat), the outer one anticlockwise."""


class Division(Struct, frozen=True):
    """A city, county, street or town, or community under its 12-digit code.

    `host_county`: the county in whose outline a statistical zone, or a street of it, lies. `synthetic` is said of the
    outline alone.
    """

    code: str
    parent: str | None
    tier: Tier
    name_zh: str
    name_en: str
    host_county: str | None = None
    outline: Rings | None = None
    synthetic: bool = False


class _DivisionFile(Struct, frozen=True):
    source: str
    readings: tuple[str, ...]
    divisions: tuple[Division, ...]


class _OutlineFile(Struct, frozen=True):
    source: str
    crs: str
    outlines: dict[str, Rings]


@cache
def city_divisions() -> tuple[Division, ...]:
    """Every division above the grids, each after its parent; of outlines only those of the eight counties."""
    divisions = msgspec.json.decode(read_data("divisions.json"), type=_DivisionFile).divisions
    real = msgspec.json.decode(read_data("county_outlines.json"), type=_OutlineFile).outlines
    outlines = {code: normal_form(rings) for code, rings in real.items()}
    return tuple(replace(one, outline=outlines.get(one.code)) for one in divisions)


def read_data(name: str) -> bytes:
    """A file of the demo's data folder."""
    return (files("server.demo") / "data" / name).read_bytes()
