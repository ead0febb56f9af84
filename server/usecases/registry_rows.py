"""The rows of files for the registry, read cell by cell and joined with their outlines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from server.usecases.registry_files import Columns, Drawing, Line, Table, join_key, read_drawing, read_table
from sync import registry_cells as cells
from sync.coordinates import LonLat
from sync.registry_cells import UnfitCell
from sync.registry_faults import Fault, fault
from sync.registry_outlines import Given, Outline, UnfitOutline, converter, read_rings, to_outline

GRID_COLUMNS: Final = Columns(
    required=("code", "name"),
    optional=("community", "compounds", "micro_grids", "valid_from", "valid_to", "synthetic"),
    unread=("printed", "kind", "community_zh", "community_en", "legacy_codes"),
)
DIVISION_COLUMNS: Final = Columns(
    required=("code", "name_zh"), optional=("parent", "name_en", "host_county", "synthetic")
)


class Files(Struct, frozen=True, kw_only=True):
    """The bytes of what is handed in; `crs` as the person says it, for both files of outlines."""

    grids: bytes
    outlines: bytes
    crs: Given | None = None
    divisions: bytes | None = None
    division_outlines: bytes | None = None


class GridLine(Struct, frozen=True, kw_only=True):
    """A row of grids. `values`: name, compounds and so on, of the columns that the table has and that could be read.

    `outline` is None where it is missing or unfit; `given`: as in `server.db.registry.NewGrid`.
    """

    row: int
    code: str
    community: str
    values: dict[str, Any]
    outline: Outline | None
    given: dict[str, Any] | None


class DivisionLine(Struct, frozen=True, kw_only=True):
    """A row of divisions; `values` and `outline` as in `GridLine`, the outline also None where none is handed in."""

    row: int
    code: str
    parent: str
    values: dict[str, Any]
    outline: Outline | None


class Rows(NamedTuple):
    """What the files hold, the faults of what could not be read, and the encodings of the tables."""

    grids: list[GridLine]
    grid_faults: list[Fault]
    divisions: list[DivisionLine]
    division_faults: list[Fault]
    encodings: list[str]


class _Drawn(NamedTuple):
    outline: Outline
    given: dict[str, Any] | None


_Reader = Callable[[str], Any]
_Convert = Callable[[LonLat], LonLat]


def _or_nothing(cell: str) -> str:
    return cells.read_text(cell) if cell.strip() else ""


_GRID_READERS: Final[dict[str, _Reader]] = {
    "name": cells.read_text,
    "compounds": cells.read_compounds,
    "micro_grids": cells.read_micro_grids,
    "valid_from": cells.read_date,
    "valid_to": cells.read_date,
    "synthetic": cells.read_mark,
}
_DIVISION_READERS: Final[dict[str, _Reader]] = {
    "name_zh": cells.read_text,
    "name_en": _or_nothing,
    "host_county": lambda cell: cell.strip() or None,
    "synthetic": cells.read_mark,
}


def read_rows(files: Files) -> Rows:
    """Read every file; what is wrong with a row is a fault. Raises Problem: import_unreadable, for a whole file."""
    rows = Rows([], [], [], [], [])
    _read_grids(files, rows)
    if files.divisions is not None:
        _read_divisions(files.divisions, files, rows)
    return rows


def _read_grids(files: Files, rows: Rows) -> None:
    table = read_table(files.grids, GRID_COLUMNS, "GRIDS")
    drawing = read_drawing(files.outlines, files.crs, "OUTLINES")
    convert = converter(drawing.crs)
    for line in table.lines:
        code = line.cells["code"].strip()
        values = _values(line, code, _GRID_READERS, rows.grid_faults)
        if (begin := values.get("valid_from")) and (end := values.get("valid_to")) and end < begin:
            rows.grid_faults.append(fault("dates_reversed", line.row, code))
        drawn = _drawn(drawing, convert, line.row, code, rows.grid_faults, needed=True)
        grid = GridLine(
            row=line.row,
            code=code,
            community=line.cells.get("community", "").strip(),
            values=values,
            outline=drawn.outline if drawn else None,
            given=drawn.given if drawn else None,
        )
        rows.grids.append(grid)
    rows.encodings.append(table.encoding)
    rows.grid_faults.extend([*table.faults, *_unused(table, drawing)])


def _read_divisions(raw: bytes, files: Files, rows: Rows) -> None:
    table = read_table(raw, DIVISION_COLUMNS, "--divisions")
    drawing = Drawing("wgs84", {})
    if files.division_outlines is not None:
        drawing = read_drawing(files.division_outlines, files.crs, "--division-outlines")
    convert = converter(drawing.crs)
    for line in table.lines:
        code = line.cells["code"].strip()
        drawn = _drawn(drawing, convert, line.row, code, rows.division_faults, needed=False)
        division = DivisionLine(
            row=line.row,
            code=code,
            parent=line.cells.get("parent", "").strip(),
            values=_values(line, code, _DIVISION_READERS, rows.division_faults),
            outline=drawn.outline if drawn else None,
        )
        rows.divisions.append(division)
    rows.encodings.append(table.encoding)
    rows.division_faults.extend([*table.faults, *_unused(table, drawing)])


def _unused(table: Table, drawing: Drawing) -> Iterator[Fault]:
    """Outlines that no row asked for."""
    codes = (*(line.cells["code"] for line in table.lines), *(broken.code for broken in table.faults))
    told = {join_key(code.strip()) for code in codes}
    return (fault("outline_unused", None, code) for code in drawing.geometries if code not in told)


def _values(line: Line, code: str, readers: Mapping[str, _Reader], faults: list[Fault]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column in (column for column in readers if column in line.cells):
        try:
            values[column] = readers[column](line.cells[column])
        except UnfitCell as unfit:
            faults.append(fault(unfit.name, line.row, code, column, **unfit.facts))
    return values


def _drawn(
    drawing: Drawing, convert: _Convert, row: int, code: str, faults: list[Fault], *, needed: bool
) -> _Drawn | None:
    geometries = drawing.geometries.get(join_key(code), [])
    if len(geometries) != 1:
        if geometries or needed:
            faults.append(fault("outline_duplicate" if geometries else "outline_missing", row, code))
        return None
    try:
        rings = read_rings(geometries[0])
        outline = to_outline(rings, convert)
    except UnfitOutline as unfit:
        faults.append(fault(unfit.name, row, code, **unfit.facts))
        return None
    shifted = drawing.crs in ("gcj02", "bd09")
    return _Drawn(outline, {"crs": drawing.crs, "outline": rings} if shifted else None)
