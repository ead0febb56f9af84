"""The cells of a table of grids: how a value is written, and read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

MOST_CHARACTERS: Final = 100
MOST_COMPOUNDS: Final = 200

_SEPARATORS: Final = re.compile("[;；]")
_COLON: Final = re.compile("[:：]")
_SERIAL: Final = re.compile("0[1-9]|[1-9][0-9]")
_DATE: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MARKS: Final = {"": False, "no": False, "否": False, "false": False, "yes": True, "是": True, "true": True}
# A spreadsheet takes a cell that begins with one of these for a formula, and would run it.
_FORMULA: Final = ("=", "+", "-", "@")


class UnfitCell(ValueError):
    """A cell that cannot be read: the name of the fault (`sync.registry_faults`) and the facts for its words."""

    def __init__(self, name: str, **facts: object) -> None:
        super().__init__(name)
        self.name: Final = name
        self.facts: Final = facts


def read_text(cell: str) -> str:
    """A name; raises `UnfitCell`."""
    text = cell.strip()
    if not 0 < len(text) <= MOST_CHARACTERS or not text.isprintable() or text.startswith(_FORMULA):
        raise UnfitCell("text_invalid", most=MOST_CHARACTERS)
    return text


def read_compounds(cell: str) -> tuple[str, ...]:
    """Names of compounds (小区) between semicolons, in their order; raises `UnfitCell`."""
    names = _pieces(cell)
    if len(names) > MOST_COMPOUNDS or len(set(names)) < len(names) or any(_COLON.search(name) for name in names):
        raise UnfitCell("list_invalid", most=MOST_COMPOUNDS)
    return tuple(read_text(name) for name in names)


def read_micro_grids(cell: str) -> tuple[dict[str, str], ...]:
    """Micro-grids as `01:name;02:name`, in the order of serials; raises `UnfitCell`."""
    pieces = [_COLON.split(piece, maxsplit=1) for piece in _pieces(cell)]
    serials = {piece[0].strip() for piece in pieces}
    formed = all(len(piece) == 2 and _SERIAL.fullmatch(piece[0].strip()) for piece in pieces)
    if not formed or len(serials) < len(pieces):
        raise UnfitCell("micro_grids_invalid")
    found = [{"serial": serial.strip(), "name": read_text(name)} for serial, name in pieces]
    return tuple(sorted(found, key=lambda micro_grid: micro_grid["serial"]))


def read_date(cell: str) -> date | None:
    """A day in the city's time, None for an empty cell; raises `UnfitCell`."""
    text = cell.strip()
    if not text:
        return None
    # The form first: Python reads more of them than are meant here.
    if _DATE.fullmatch(text) is None:
        raise UnfitCell("date_invalid")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UnfitCell("date_invalid") from None


def read_mark(cell: str) -> bool:
    """Yes or no; empty is no. Raises `UnfitCell`."""
    try:
        return _MARKS[cell.strip().lower()]
    except KeyError:
        raise UnfitCell("mark_invalid") from None


def write_list(names: Iterable[str]) -> str:
    """What `read_compounds` reads."""
    return ";".join(names)


def write_micro_grids(micro_grids: Sequence[Mapping[str, str]]) -> str:
    """What `read_micro_grids` reads."""
    return ";".join(f"{one['serial']}:{one['name']}" for one in micro_grids)


def write_date(day: date | None) -> str:
    """What `read_date` reads."""
    return day.isoformat() if day else ""


def write_mark(mark: bool) -> str:
    """What `read_mark` reads."""
    return "yes" if mark else "no"


def _pieces(cell: str) -> list[str]:
    return [piece.strip() for piece in _SEPARATORS.split(cell) if piece.strip()]
