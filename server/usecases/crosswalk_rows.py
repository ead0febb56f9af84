"""A table of legacy codes, read cell by cell. What its places are called is judged against the registry."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct, structs

from server.db.crosswalk import LegacyRow
from server.usecases.registry_files import Columns, Line, read_table
from sync import registry_cells as cells
from sync.crosswalk import Sense, plain_code
from sync.registry_cells import UnfitCell
from sync.registry_faults import Fault, fault

COLUMNS: Final = Columns(
    required=("department", "legacy_code", "valid_from", "valid_to"),
    optional=("community_code", "grid_code", "note"),
)
LONGEST_CODE: Final = 40
_LONGEST_NOTE: Final = 200
_COMMENT: Final = "#"
_A_NUMBER: Final = re.compile(r"[0-9.]+E\+[0-9]+")
_SENSES: Final[Mapping[str, Sense]] = {
    "retired": "retired",
    "停用": "retired",
    "ambiguous": "one_of",
    "待定": "one_of",
}
"""The first word of a note, before a colon, where it says more than that the code covers the place."""


class CodeLine(NamedTuple):
    """A row of the table with the code of its place, which `known` turns into what it is."""

    row: int
    place: str
    is_grid: bool
    values: LegacyRow


class CodeTable(NamedTuple):
    """The rows that could be read, the faults of the others, and the table's encoding."""

    lines: list[CodeLine]
    faults: list[Fault]
    encoding: str


class Known(Struct, frozen=True):
    """What the rows may name: departments, communities, and current grids by code; and where the importer publishes."""

    departments: Collection[str]
    communities: Collection[str]
    grids: Mapping[str, UUID]
    prefixes: tuple[str, ...]


def read_codes(raw: bytes) -> CodeTable:
    """A CSV table; lines that begin with # are left out. Raises Problem: import_unreadable."""
    kept, numbers = _without_comments(raw)
    table = read_table(kept, COLUMNS, "FILE")
    lines: list[CodeLine] = []
    faults = [structs.replace(one, row=numbers[one.row - 1] if one.row else None) for one in table.faults]
    for line in table.lines:
        row = numbers[line.row - 1]
        try:
            lines.append(_read_line(line, row))
        except UnfitCell as unfit:
            faults.append(fault(unfit.name, row, line.cells["legacy_code"], **unfit.facts))
    return CodeTable(lines, faults, table.encoding)


def place_codes(lines: list[CodeLine], known: Known) -> tuple[list[LegacyRow], list[Fault]]:
    """The rows with their places, and what is wrong with the others."""
    rows: list[LegacyRow] = []
    faults: list[Fault] = []
    first: dict[tuple[object, ...], int] = {}
    for line in lines:
        found = _faults(line, known)
        row = _placed(line, known)
        other = first.setdefault(identity(row), line.row)
        if not found and other != line.row:
            found = [fault("crosswalk_duplicate", line.row, row.legacy_code, other=other)]
        faults += found
        rows.append(row)
    return rows, faults


def identity(row: LegacyRow) -> tuple[object, ...]:
    """What makes two rows the same one, whatever they say of its last day and its sense."""
    return row.department, row.legacy_code, row.valid_from, row.community, row.grid_id


def _without_comments(raw: bytes) -> tuple[bytes, list[int]]:
    """The table without its comments, and the number that each line left had."""
    numbered = list(enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True), 1))
    kept = [(number, line) for number, line in numbered if not line.startswith(_COMMENT.encode())]
    return b"".join(line for _, line in kept), [number for number, _ in kept]


def _read_line(line: Line, row: int) -> CodeLine:
    cell = {name: line.cells.get(name, "").strip() for name in (*COLUMNS.required, *COLUMNS.optional)}
    valid_from, valid_to = cells.read_date(cell["valid_from"]), cells.read_date(cell["valid_to"])
    if valid_from is None:
        raise UnfitCell("valid_from_missing")
    if valid_to is not None and valid_to < valid_from:
        raise UnfitCell("dates_reversed")
    if bool(cell["community_code"]) == bool(cell["grid_code"]):
        raise UnfitCell("place_unclear")
    values = LegacyRow(
        department=cell["department"],
        legacy_code=_read_code(cell["legacy_code"]),
        valid_from=valid_from,
        valid_to=valid_to,
        sense=_sense(cell["note"]),
        note=_read_note(cell["note"]),
    )
    return CodeLine(row, cell["community_code"] or cell["grid_code"], bool(cell["grid_code"]), values)


def _read_code(text: str) -> str:
    code = plain_code(text)
    if not 0 < len(code) <= LONGEST_CODE or not code.isprintable() or _A_NUMBER.fullmatch(code):
        raise UnfitCell("legacy_code_invalid", most=LONGEST_CODE)
    return code


def _read_note(text: str) -> str:
    if len(text) > _LONGEST_NOTE or not text.isprintable():
        raise UnfitCell("note_invalid", most=_LONGEST_NOTE)
    return text


def _sense(note: str) -> Sense:
    word = re.split("[:：]", note, maxsplit=1)[0].strip().lower()
    return _SENSES.get(word, "covers")


def _faults(line: CodeLine, known: Known) -> list[Fault]:
    code = line.values.legacy_code
    found: list[Fault] = []
    if line.values.department not in known.departments:
        found.append(fault("department_unknown", line.row, code))
    if line.is_grid and line.place not in known.grids:
        found.append(fault("grid_unknown", line.row, code))
    elif not line.is_grid and line.place not in known.communities:
        found.append(fault("community_unknown", line.row, code, "community_code", community=line.place[:12]))
    elif not line.place.startswith(known.prefixes):
        found.append(fault("out_of_area", line.row, code, "grid_code" if line.is_grid else "community_code"))
    return found


def _placed(line: CodeLine, known: Known) -> LegacyRow:
    if line.is_grid:
        return structs.replace(line.values, grid_id=known.grids.get(line.place))
    return structs.replace(line.values, community=line.place)
