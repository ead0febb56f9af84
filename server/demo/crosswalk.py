"""The departments' own codes of before, as rows for the crosswalk; synthetic as the grids are."""

import csv
from datetime import date
from functools import cache
from typing import Final

from msgspec import Struct, convert

from server.demo.divisions import read_data
from sync.crosswalk import Sense

_SENSES: Final[dict[str, Sense]] = {"ambiguous": "one_of", "retired": "retired"}
"""By the word that begins a note; every other code covers its place."""


class CrosswalkRow(Struct, frozen=True):
    """What a department's own code covered in these days; without `valid_to` it is in use. `sense` as in the core."""

    department: str
    legacy_code: str
    valid_from: date
    valid_to: date | None
    community_code: str
    note: str
    sense: Sense = "covers"


@cache
def city_crosswalk() -> tuple[CrosswalkRow, ...]:
    """All rows, in the order of the file."""
    lines = read_data("legacy_grids.csv").decode().splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple(_row(row) for row in rows)


def _row(row: dict[str, str]) -> CrosswalkRow:
    sense = _SENSES.get(row["note"].split(":")[0], "covers")
    return convert({**row, "valid_to": row["valid_to"] or None, "sense": sense}, CrosswalkRow)
