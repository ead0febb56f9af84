"""Which communities of a county are folded into which, as a plan of registry changes, and who works there. Pure.

Each community that stays takes in those of its street that follow it in the order of codes. Grids of a community
that is folded are merged in pairs where two of them touch; the others, and those of a kind of their own, go over whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from typing import Any, Final, NamedTuple

import msgspec
import shapely
from msgspec.structs import replace

from server.demo.city import City
from server.demo.devices import FieldDevice
from server.demo.grids import Grid

COUNTY: Final = "341102"
"""琅琊区, which was redrawn in 2013."""

_FIRST_SERIAL: Final = {"general": 301, "temporary": 851, "dedicated": 951}
_PHONES_OF_A_GRID: Final = 2


class Unfit(ValueError):
    """The county has too few communities, streets or people for what was asked; `bound` is what it has."""

    def __init__(self, bound: int) -> None:
        super().__init__(bound)
        self.bound = bound


class Folding(NamedTuple):
    """Grids of folded communities; by community the one that takes it in."""

    grids: tuple[Grid, ...]
    into: dict[str, str]


def fold(city: City, communities: int, into: int) -> Folding:
    """Fold the first so many communities of the county into so many, each within its street. Raises Unfit."""
    codes = sorted({grid.community_code for grid in city.grids if grid.code.startswith(COUNTY)})
    if communities > len(codes):
        raise Unfit(len(codes))
    groups = [[code] for code in codes[:communities]]
    while len(groups) > into:
        _join_smallest(groups)
    takes = {code: group[0] for group in groups for code in group[1:]}
    return Folding(tuple(grid for grid in city.grids if grid.community_code in takes), takes)


def without_outlines(city: City, folding: Folding) -> City:
    """The city with no outline for the communities that take others in: theirs is to be drawn anew beforehand."""
    taking = set(folding.into.values())
    divisions = (replace(one, outline=None) if one.code in taking else one for one in city.divisions)
    return replace(city, divisions=tuple(divisions))


def _join_smallest(groups: list[list[str]]) -> None:
    """Make one of the two neighbours in a street that are the fewest communities together. Raises Unfit."""
    pairs = [place for place, (one, other) in enumerate(pairwise(groups)) if one[0][:9] == other[0][:9]]
    if not pairs:
        raise Unfit(len(groups))
    place = min(pairs, key=lambda place: len(groups[place]) + len(groups[place + 1]))
    groups[place] += groups.pop(place + 1)


def plan_file(folding: Folding, registry: int) -> bytes:
    """The plan, held against a registry version."""
    plan = {"registry": str(registry), "operations": list(_operations(folding))}
    return msgspec.json.encode(plan)


def phones(city: City, folding: Folding, number: int) -> tuple[FieldDevice, ...]:
    """Two workers' phones of each folded grid, community by community in turn. Raises Unfit."""
    workers: defaultdict[str, list[FieldDevice]] = defaultdict(list)
    for person in city.people:
        grids = tuple(held.grid_code for held in person.assignments if held.grid_code)
        if person.role in ("grid_worker", "grid_chief") and len(grids) == 1:
            workers[grids[0]].append(FieldDevice(person.id, person.role, grids))
    found = [one for grid in _in_turn(folding.grids) for one in workers[grid.code][:_PHONES_OF_A_GRID]]
    if number > len(found):
        raise Unfit(len(found))
    return tuple(found[:number])


def _operations(folding: Folding) -> Iterator[dict[str, Any]]:
    serials = {(code, kind): count(first) for code in folding.into.values() for kind, first in _FIRST_SERIAL.items()}
    for grid, other in _pairs(folding.grids):
        home = folding.into[grid.community_code]
        code = f"{home}{next(serials[home, grid.kind]):03}"
        if other is not None:
            yield {"merge": [grid.code, other.code], "into": {"code": code, "name": f"{grid.name_zh}合并"}}
        else:
            yield {"move": grid.code, "to": code}


def _pairs(grids: Sequence[Grid]) -> Iterator[tuple[Grid, Grid | None]]:
    """Neighbours of one community, both of the general kind; the rest one by one."""
    left = list(grids)
    while left:
        grid = left.pop(0)
        other = next((one for one in left if _may_be_one(grid, one)), None)
        if other is not None:
            left.remove(other)
        yield grid, other


def _may_be_one(grid: Grid, other: Grid) -> bool:
    if grid.community_code != other.community_code or {grid.kind, other.kind} != {"general"}:
        return False
    shapes = [shapely.Polygon(one.outline[0], one.outline[1:]) for one in (grid, other)]
    return isinstance(shapely.union_all(shapes), shapely.Polygon)


def _in_turn(grids: Sequence[Grid]) -> list[Grid]:
    places: defaultdict[str, Iterator[int]] = defaultdict(count)
    turn = {grid.code: (next(places[grid.community_code]), grid.code) for grid in grids}
    return sorted(grids, key=lambda grid: turn[grid.code])
