"""Whether divisions may enter the table, or change there: every fault of every row."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from sync.access import division_prefix, tier_of
from sync.grid_index import Rings
from sync.registry_faults import Fault, fault
from sync.registry_geometry import LEAST_AREA_M2, crossings, polygons

_FORM: Final = re.compile(r"3411[0-9]{8}")
_PARENT_DIGITS: Final = {"county": 4, "street": 6, "community": 9}


class DivisionRow(Struct, frozen=True, kw_only=True):
    """A division of a file. `parent` may be empty: the code says it.

    `outline` as in `sync.registry_checks.Candidate`; None also where the file has none.
    """

    row: int
    code: str
    parent: str = ""
    host_county: str | None = None
    outline: Rings | None = None


def parent_of(code: str) -> str | None:
    """The division above this 12-digit code; None above the city."""
    digits = _PARENT_DIGITS.get(tier_of(code))
    return code[:digits].ljust(12, "0") if digits else None


def check_divisions(rows: Sequence[DivisionRow], known: Collection[str], prefixes: tuple[str, ...]) -> list[Fault]:
    """Every fault of these rows. `known`: codes of the table; `prefixes`: divisions that the importer may change."""
    first: dict[str, int] = {}
    for one in rows:
        first.setdefault(one.code, one.row)
    every = {*known, *first}
    faults = [found for one in rows for found in _row_faults(one, first, every, prefixes)]
    drawn = [(one, one.outline) for one in rows if one.outline is not None]
    shapes = polygons([outline for _, outline in drawn])
    crossed = crossings(shapes)
    for at, (one, _) in enumerate(drawn):
        if shapes[at].convex_hull.area < LEAST_AREA_M2:
            faults.append(fault("ring_area", one.row, one.code, least=f"{LEAST_AREA_M2:g}"))
        elif at in crossed:
            lon, lat = crossed[at]
            faults.append(fault("ring_crosses", one.row, one.code, place=f"{lon:.6f},{lat:.6f}"))
    return faults


def _row_faults(
    one: DivisionRow, first: Mapping[str, int], every: Collection[str], prefixes: tuple[str, ...]
) -> Iterator[Fault]:
    if _FORM.fullmatch(one.code) is None:
        yield fault("division_form", one.row, one.code)
        return
    if first[one.code] != one.row:
        yield fault("division_duplicate", one.row, one.code, other=first[one.code])
    parent = parent_of(one.code)
    if one.parent not in ("", parent):
        yield fault("parent_mismatch", one.row, one.code, parent=parent)
    elif parent and parent not in every:
        yield fault("parent_unknown", one.row, one.code, parent=parent)
    if one.host_county and not _is_county(one.host_county, every):
        yield fault("host_unknown", one.row, one.code)
    if not division_prefix(one.code).startswith(prefixes):
        yield fault("out_of_area", one.row, one.code)


def _is_county(code: str, every: Collection[str]) -> bool:
    return code in every and tier_of(code) == "county"
