"""Tables of items as files: CSV, JSON Lines and spreadsheets, written a part at a time and with nothing that runs.

A spreadsheet program takes a text that begins with `=` and the like for a formula. In CSV such texts get an apostrophe
in front; in a spreadsheet every text is stored as a text.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from xlsxwriter import Workbook

Cell = str | int | float | None
Format = Literal["csv", "jsonl", "xlsx"]

_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
_LONGEST_CELL = 32_767
_SHEET_ROWS = 1_000_000


class Column(NamedTuple):
    """A column by its key and its words; `cell` writes a value as a cell of a table."""

    key: str
    zh: str
    en: str
    cell: Callable[[Any], Cell]

    @property
    def heading(self) -> str:
        """Both languages."""
        return f"{self.zh} {self.en}"


class Line(NamedTuple):
    """An item: what is known about it, and what was filled into its form, by the keys of the columns."""

    facts: Mapping[str, Any]
    fields: Mapping[str, Any]


class ExportFile(Protocol):
    """A file that is being written."""

    def add(self, lines: Sequence[Line]) -> None:
        """Write these lines."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def open_export(file_format: Format, path: Path, facts: Sequence[Column], fields: Sequence[Column]) -> ExportFile:
    """Begin a file at a path that exists and is private to this process's user."""
    return _KINDS[file_format](path, facts, fields)


class PrivateFile:
    """A file that only its owner may read; it takes the place of `path` all at once, or never appears."""

    def __init__(self, path: Path) -> None:
        self._path = path
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        self.beside = Path(name)

    def publish(self) -> None:
        """Let the finished file appear."""
        with self.beside.open("rb+") as written:
            os.fsync(written.fileno())
        self.beside.replace(self._path)

    def discard(self) -> None:
        """Leave nothing behind of a file that was not published."""
        self.beside.unlink(missing_ok=True)


class _Csv:
    """UTF-8 with the mark by which spreadsheet programs know it."""

    def __init__(self, path: Path, facts: Sequence[Column], fields: Sequence[Column]) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._facts, self._fields = facts, fields
        self._writer.writerow([one.heading for one in (*facts, *fields)])

    def add(self, lines: Sequence[Line]) -> None:
        self._writer.writerows([_harmless(one) for one in _cells(line, self._facts, self._fields)] for line in lines)

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    """The first line names the columns, each further one is an item with the values as they are kept."""

    def __init__(self, path: Path, facts: Sequence[Column], fields: Sequence[Column]) -> None:
        self._file = path.open("wb")
        columns = [{"key": one.key, "zh": one.zh, "en": one.en} for one in (*facts, *fields)]
        self._file.write(msgspec.json.encode({"columns": columns}) + b"\n")

    def add(self, lines: Sequence[Line]) -> None:
        self._file.writelines(msgspec.json.encode({**line.facts, "fields": line.fields}) + b"\n" for line in lines)

    def close(self) -> None:
        self._file.close()


class _Spreadsheet:
    """Written row by row without keeping rows in memory; a full sheet is followed by another."""

    def __init__(self, path: Path, facts: Sequence[Column], fields: Sequence[Column]) -> None:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = Workbook(str(path), options | {"tmpdir": str(path.parent)})
        self._bold = self._book.add_format({"bold": True})
        self._facts, self._fields = facts, fields
        self._begin()

    def _begin(self) -> None:
        self._sheet, self._row = self._book.add_worksheet(), 0
        self._sheet.freeze_panes(1, 1)
        for place, one in enumerate((*self._facts, *self._fields)):
            self._sheet.write_string(0, place, one.heading, self._bold)

    def add(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if self._row == _SHEET_ROWS:
                self._begin()
            self._row += 1
            for place, cell in enumerate(_cells(line, self._facts, self._fields)):
                if isinstance(cell, str):
                    self._sheet.write_string(self._row, place, cell[:_LONGEST_CELL])
                elif cell is not None:
                    self._sheet.write_number(self._row, place, cell)

    def close(self) -> None:
        self._book.close()


_KINDS: dict[Format, Callable[[Path, Sequence[Column], Sequence[Column]], ExportFile]] = {
    "csv": _Csv,
    "jsonl": _JsonLines,
    "xlsx": _Spreadsheet,
}


def _cells(line: Line, facts: Sequence[Column], fields: Sequence[Column]) -> list[Cell]:
    known = [one.cell(line.facts.get(one.key)) for one in facts]
    return known + [one.cell(line.fields.get(one.key)) for one in fields]


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA_STARTS) else cell
