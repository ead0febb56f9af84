"""Files of grids for the town, and everything the registry holds, looked at from outside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg

from tests.integration.town import EAST, WEST

Ring = list[tuple[float, float]]
SIDE = 0.01
WEST_EDGE, SOUTH_EDGE = 117.9, 32.7
TABLES = ("registry_version", "division", "grid", "grid_code", "grid_label", "audit")


class Row(NamedTuple):
    """A grid of a file: its row and its feature."""

    code: str
    name: str
    ring: Ring
    more: dict[str, str]


def square(place: float, north: float = 0, wide: float = 1, high: float = 1) -> Ring:
    """A square of the town, counted from the west; the town's own are 0, 1 and 2."""
    west, south = round(WEST_EDGE + place * SIDE, 7), round(SOUTH_EDGE + north * SIDE, 7)
    east, top = round(west + wide * SIDE, 7), round(south + high * SIDE, 7)
    return [(west, south), (east, south), (east, top), (west, top), (west, south)]


def row(code: str, name: str, ring: Ring, **more: str) -> Row:
    return Row(code, name, ring, more)


def town_rows() -> list[Row]:
    """The three grids as they stand."""
    codes = (f"{EAST}001", f"{EAST}002", f"{WEST}001")
    return [row(code, f"第{place + 1}网格", square(place), synthetic="yes") for place, code in enumerate(codes)]


def table(rows: Sequence[Row], columns: Iterable[str] | None = None) -> bytes:
    """The CSV of some rows, with every column that one of them has."""
    names = list(columns or ("code", "name", *dict.fromkeys(name for one in rows for name in one.more)))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows({"code": one.code, "name": one.name} | one.more for one in rows)
    return text.getvalue().encode()


def drawing(rows: Sequence[Row], **members: Any) -> bytes:
    """The GeoJSON of some rows."""
    return geojson([feature(one.code, {"type": "Polygon", "coordinates": [one.ring]}) for one in rows], **members)


def feature(code: Any, geometry: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"code": code}, "geometry": geometry}


def geojson(features: Sequence[Any], **members: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features} | members, ensure_ascii=False).encode()


async def everything(truth: asyncpg.Connection) -> dict[str, list[str]]:
    """Every row of every table that an import may touch."""
    return {
        name: [row[0] for row in await truth.fetch(f"SELECT t::text FROM {name} t ORDER BY t::text")] for name in TABLES
    }
