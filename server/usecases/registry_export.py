"""The current grids as files that other programs open, and that can be imported again."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from schemas.grid_code import micro_grid_code, printed
from server.db import crosswalk, registry, registry_reading
from server.db.database import Row
from server.services import Services
from server.usecases.registry_area import check_reader
from server.usecases.sessions import Caller
from sync import registry_cells as cells
from sync.registry_outlines import normal_form

Format = Literal["csv", "geojson"]
LegacyCodes = dict[UUID, list[tuple[str, str]]]

_COLUMNS = (
    *("code", "printed", "name", "kind", "community", "community_zh", "community_en", "compounds", "micro_grids"),
    *("valid_from", "valid_to", "synthetic", "legacy_codes"),
)
# Spreadsheets take a table for UTF-8 only if it begins with a byte order mark.
_BOM = b"\xef\xbb\xbf"


class Export(NamedTuple):
    """The bytes of a file, how many grids it holds, and of which registry version."""

    body: bytes
    grids: int
    version: int


async def export_grids(services: Services, caller: Caller, prefix: str, form: Format) -> Export:
    """The current grids whose codes have a prefix, in one snapshot. Raises Problem: forbidden."""
    check_reader(services, caller)
    async with services.database.read() as connection:
        version = await registry.current_version(connection)
        rows = await registry_reading.export_grids(connection, prefix)
        legacy = await crosswalk.legacy_codes_of(connection, [row["id"] for row in rows])
    written = _csv(rows, legacy) if form == "csv" else _geojson(rows, legacy)
    return Export(written, len(rows), version)


def _csv(rows: Sequence[Row], legacy: LegacyCodes) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        made = {
            "printed": printed(row["code"]),
            "compounds": cells.write_list(row["compounds"]),
            "micro_grids": cells.write_micro_grids(row["micro_grids"]),
            "valid_from": cells.write_date(row["valid_from"]),
            "valid_to": cells.write_date(row["valid_to"]),
            "synthetic": cells.write_mark(row["synthetic"]),
            "legacy_codes": cells.write_list(_legacy(row, legacy)),
        }
        writer.writerow(dict(row) | made)
    return _BOM + text.getvalue().encode()


def _geojson(rows: Sequence[Row], legacy: LegacyCodes) -> bytes:
    features = [_feature(row, _legacy(row, legacy)) for row in rows]
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


def _feature(row: Row, legacy: list[str]) -> dict[str, Any]:
    code = row["code"]
    micro_grids = [{"code": micro_grid_code(code, one["serial"]), "name": one["name"]} for one in row["micro_grids"]]
    values = {column: row[column] for column in _COLUMNS if column in row}
    made = {"printed": printed(code), "micro_grids": micro_grids, "legacy_codes": legacy}
    geometry = {"type": "Polygon", "coordinates": normal_form(row["outline"])}
    return {"type": "Feature", "id": row["id"], "properties": values | made, "geometry": geometry}


def _legacy(row: Row, legacy: LegacyCodes) -> list[str]:
    """As `department:code`."""
    return [f"{department}:{code}" for department, code in legacy.get(row["id"], [])]
