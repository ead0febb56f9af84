"""What an import would make of the registry: held against what stands, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from msgspec import structs

from server.db.registry import NewDivision, NewGrid
from server.usecases.registry_rows import DivisionLine, GridLine, Rows
from sync.access import tier_of
from sync.division_checks import DivisionRow, check_divisions, parent_of
from sync.registry_checks import Candidate, Place, Registered, check_grids, read_code
from sync.registry_faults import Fault
from sync.registry_outlines import normal_form


class Standing(NamedTuple):
    """The registry as it stands at a version; `given_up` as in `sync.registry_checks.Registered`."""

    version: int
    grids: list[NewGrid]
    given_up: dict[str, str | None]
    divisions: list[NewDivision]


class Parts(NamedTuple):
    """Grids or divisions: those that are added, those that are given another label, and how many stay the same."""

    new: list[NewGrid]
    changed: list[NewGrid]
    unchanged: int


class DivisionParts(NamedTuple):
    """Divisions that are added, and those that change."""

    new: list[NewDivision]
    changed: list[NewDivision]


class Plan(NamedTuple):
    """What would be published; only without `faults` may it be. `left_out`: grids of the area that no row names."""

    grids: Parts
    divisions: DivisionParts
    left_out: int
    faults: list[Fault]

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not (self.grids.new or self.grids.changed or self.divisions.new or self.divisions.changed)


def make_plan(rows: Rows, standing: Standing, prefixes: tuple[str, ...]) -> Plan:
    """Check every row and hold it against what stands. `prefixes`: divisions that the importer may publish."""
    table = {one.code: one for one in standing.divisions}
    wrong = [*rows.division_faults, *check_divisions(list(map(_division_row, rows.divisions)), table.keys(), prefixes)]
    unfit = {one.code for one in wrong}
    merged = {line.code: _division(line, table.get(line.code)) for line in rows.divisions if line.code not in unfit}
    places = {code: Place(one.name_zh, one.outline, one.host_county) for code, one in (table | merged).items()}
    registered = Registered({grid.code: grid.outline for grid in standing.grids}, standing.given_up)
    bad = [*rows.grid_faults, *check_grids(list(map(_candidate, rows.grids)), places, registered, prefixes)]
    faults = [*_in_order(structs.replace(one, field=f"division.{one.field}") for one in wrong), *_in_order(bad)]
    if faults:
        return Plan(Parts([], [], 0), DivisionParts([], []), 0, faults)
    named = {read_code(line.code).code for line in rows.grids}
    left_out = sum(grid.code.startswith(prefixes) and grid.code not in named for grid in standing.grids)
    return Plan(_grid_parts(rows.grids, standing.grids), _division_parts(merged, table), left_out, [])


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    """By row, what stands in none first."""
    return sorted(faults, key=lambda one: one.row or 0)


def _candidate(line: GridLine) -> Candidate:
    return Candidate(row=line.row, code=line.code, community=line.community, outline=line.outline)


def _division_row(line: DivisionLine) -> DivisionRow:
    host = line.values.get("host_county")
    return DivisionRow(row=line.row, code=line.code, parent=line.parent, host_county=host, outline=line.outline)


def _grid_parts(lines: Iterable[GridLine], standing: Iterable[NewGrid]) -> Parts:
    current = {grid.code: grid for grid in standing}
    new: list[NewGrid] = []
    changed: list[NewGrid] = []
    unchanged = 0
    for line in lines:
        held = current.get(read_code(line.code).code)
        grid = _grid(line, held)
        if held is None:
            new.append(grid)
        elif grid != held:
            changed.append(grid)
        else:
            unchanged += 1
    return Parts(new, changed, unchanged)


def _grid(line: GridLine, held: NewGrid | None) -> NewGrid:
    """The grid as the row has it; what its table has no column for stays as it was.

    An outline that encloses the same ground stays as it was drawn, and so does how it was handed in.
    """
    assert line.outline is not None
    if held is not None and normal_form(held.outline) == line.outline:
        return structs.replace(held, **line.values)
    if held is not None:
        return structs.replace(held, **line.values, outline=line.outline, given=line.given)
    code = read_code(line.code)
    values: dict[str, Any] = {"synthetic": False} | line.values
    return NewGrid(
        id=uuid4(),
        code=code.code,
        community=code.community_code,
        kind=code.kind,
        outline=line.outline,
        given=line.given,
        **values,
    )


def _division(line: DivisionLine, held: NewDivision | None) -> NewDivision:
    drawn: dict[str, Any] = {} if line.outline is None else {"outline": line.outline}
    if held is None:
        return NewDivision(
            code=line.code, parent=parent_of(line.code), tier=tier_of(line.code), **(line.values | drawn)
        )
    if held.outline is not None and normal_form(held.outline) == line.outline:
        drawn = {}
    return structs.replace(held, **(line.values | drawn))


def _division_parts(merged: Mapping[str, NewDivision], table: Mapping[str, NewDivision]) -> DivisionParts:
    new = [one for code, one in merged.items() if code not in table]
    return DivisionParts(new, [one for code, one in merged.items() if code in table and one != table[code]])
