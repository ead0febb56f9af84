"""Every lineage of up to three steps over up to four grids, and in each of them every change that can be written.

The city is a street: a row of plots of 100 m, of which each grid holds some that lie side by side. The oracle knows no
paths: it keeps for every code a set of grids and rewrites all sets at every step, and it tells where a position lies by
comparing numbers. A change names any code that was ever given, at any version, with its point inside of a grid, on a
border, outside of all, or with none.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import combinations, count, pairwise
from math import cos, radians
from typing import NamedTuple
from uuid import UUID

import pytest

from schemas.item_type import GridSource
from sync.coordinates import EARTH_RADIUS_M
from sync.lineage import CodeValidity, Lineage, Step, StepKind
from sync.rebase import read_claim, settle
from sync.registry import GridLabel, Registry
from sync.territory import Fix, Sighting

MOST_GRIDS, MOST_STEPS = 4, 3
PLOT_M, ACCURACY_M = 100.0, 8.0
STREET = 8
"""Plots in the street; what the grids at the beginning leave over belongs to none."""
LAT, LON = 32.0, 118.0
NOW = datetime(2026, 5, 6, tzinfo=UTC)
METRES = radians(1.0) * EARTH_RADIUS_M
COMMUNITY = "341102004001"


class Grid(NamedTuple):
    """A grid as it is: from its first plot up to, without, its last; the number of its code."""

    id: int
    first: int
    last: int
    code: int


class City(NamedTuple):
    """What has happened so far: the grids by place, the steps, all codes, and for each code what it means today."""

    grids: tuple[Grid, ...]
    steps: tuple[Step, ...]
    codes: tuple[tuple[int, int, int, int | None], ...]
    meaning: dict[int, frozenset[int]]

    @property
    def version(self) -> int:
        return len(self.steps) + 1


def uuid(number: int) -> UUID:
    return UUID(int=number)


def code(number: int) -> str:
    return f"{COMMUNITY}{number:03}"


def founded(grids: int) -> City:
    """So many grids of two plots each, from the first plot on."""
    row = tuple(Grid(at + 1, 2 * at, 2 * at + 2, at + 1) for at in range(grids))
    return City(
        row, (), tuple((one.code, one.id, 1, None) for one in row), {one.code: frozenset({one.id}) for one in row}
    )


def stepped(city: City, kind: StepKind, gone: tuple[Grid, ...], come: tuple[Grid, ...]) -> City:
    """The city after one step; the oracle's sets are rewritten here."""
    version = city.version + 1
    step = Step(version, kind, tuple(uuid(one.id) for one in gone), tuple(uuid(one.id) for one in come))
    ended, begun = {one.id for one in gone}, frozenset(one.id for one in come)
    grids = tuple(sorted((*(one for one in city.grids if one not in gone), *come), key=lambda one: one.first))
    kept = {one.code for one in come} & {one.code for one in gone}
    closed = tuple(
        (number, grid, since, version if grid in ended and until is None and number not in kept else until)
        for number, grid, since, until in city.codes
    )
    given = tuple((one.code, one.id, version, None) for one in come if one.code not in kept)
    meaning = {number: (ids - ended) | begun if ids & ended else ids for number, ids in city.meaning.items()}
    meaning |= {one.code: frozenset({one.id}) for one in come}
    return City(grids, (*city.steps, step), closed + given, meaning)


def next_cities(city: City) -> Iterator[City]:
    """Every step that can be taken."""
    row, room = city.grids, MOST_GRIDS - len(city.grids)
    number = count(max(grid for _, grid, _, _ in city.codes) + 1)
    fresh = count(max(one for one, _, _, _ in city.codes) + 1)
    new_id, new_code = next(number), next(fresh)
    for at, grid in enumerate(row):
        yield stepped(city, "renumber", (grid,), (grid._replace(code=new_code),))
        yield stepped(city, "move", (grid,), (grid._replace(code=new_code),))
        yield stepped(city, "retire", (grid,), ())
        if grid.last - grid.first > 1:
            yield stepped(city, "redraw", (grid,), (grid._replace(last=grid.last - 1),))
        for parts in range(2, min(room + 1, grid.last - grid.first) + 1):
            for cuts in combinations(range(grid.first + 1, grid.last), parts - 1):
                ends = zip((grid.first, *cuts), (*cuts, grid.last), strict=True)
                come = tuple(Grid(new_id + n, a, b, new_code + n) for n, (a, b) in enumerate(ends))
                yield stepped(city, "split", (grid,), come)
        for until in range(at + 2, len(row) + 1):
            run = row[at:until]
            if all(a.last == b.first for a, b in pairwise(run)):
                yield stepped(city, "merge", run, (Grid(new_id, run[0].first, run[-1].last, new_code),))
    if room and (free := first_free(row)) is not None:
        yield stepped(city, "new", (), (Grid(new_id, free, free + 1, new_code),))


def first_free(row: tuple[Grid, ...]) -> int | None:
    held = {plot for one in row for plot in range(one.first, one.last)}
    return next((plot for plot in range(STREET) if plot not in held), None)


def lineages(grids: int) -> Iterator[City]:
    cities = [founded(grids)]
    for _ in range(MOST_STEPS + 1):
        yield from cities
        cities = [later for city in cities for later in next_cities(city)] if cities[0].version <= MOST_STEPS else []


# The oracle ------------------------------------------------------------------------------------------------------


def expected_path(city: City, number: int, version: int) -> list[tuple[int, str]]:
    """One look at each step, the oldest first; what the author knew, or could have, is left out."""
    grid, since, until = next((grid, since, until) for one, grid, since, until in city.codes if one == number)
    newest_seen = max(since, min(version, until - 1 if until else version))
    meant, path = {uuid(grid)}, list[tuple[int, str]]()
    for step in city.steps:
        if meant & set(step.predecessors) and step.version > newest_seen:
            path.append((step.version, step.kind))
            meant = (meant - set(step.predecessors)) | set(step.successors)
    return path


def expected_grid(city: City, number: int, x: float | None) -> int | None:
    """The grid that a change with this code and this point belongs to; None for a conflict.

    A point alone needs its whole circle in one grid; among what a code means, only their own borders count.
    """
    meant = city.meaning[number]
    clear = held_by(city, x, -ACCURACY_M)
    if clear:
        return min(clear)
    if len(meant) == 1:
        return min(meant)
    inside, near = held_by(city, x, 0.0) & meant, held_by(city, x, ACCURACY_M) & meant
    return min(inside) if len(inside) == 1 and near == inside else None


def held_by(city: City, x: float | None, more_m: float) -> frozenset[int]:
    """The grids that hold a place, were each of them longer by so much on both sides."""
    if x is None:
        return frozenset()
    ends = {one.id: (one.first * PLOT_M - more_m, one.last * PLOT_M + more_m) for one in city.grids}
    return frozenset(grid for grid, (west, east) in ends.items() if west < x < east)


def points(city: City) -> Iterator[float | None]:
    """Inside of every grid, on either side of every border, outside of all, none."""
    for one in city.grids:
        yield (one.first + 0.5) * PLOT_M
    for border in sorted({one.first for one in city.grids} | {one.last for one in city.grids}):
        yield from (border * PLOT_M - 3.0, border * PLOT_M + 3.0)
    yield from (-500.0, None)


# What is asked ---------------------------------------------------------------------------------------------------


def lineage_of(city: City) -> Lineage:
    return Lineage(city.steps, [CodeValidity(code(one), uuid(grid), a, b) for one, grid, a, b in city.codes])


def registry_of(city: City) -> Registry:
    labels = [GridLabel(uuid(one.id), code(one.code), COMMUNITY, "general", "", ring(one)) for one in city.grids]
    return Registry(city.version, labels, lineage_of(city))


def ring(grid: Grid) -> list[list[tuple[float, float]]]:
    west, east = (LON + end * PLOT_M / METRES / cos(radians(LAT)) for end in (grid.first, grid.last))
    return [[(west, LAT), (east, LAT), (east, LAT + 0.01), (west, LAT + 0.01)]]


def check_decisions(city: City) -> None:
    """Every code, and every point."""
    registry = registry_of(city)
    sighting = Sighting(registry.index)
    current = {one.id for one in city.grids}
    for number, grid, since, _ in city.codes:
        claim = read_claim(code(number), None, since, NOW, registry)
        for x in points(city):
            fixes: dict[GridSource, Fix] = {} if x is None else {"point": fix_at(x)}
            one = settle(
                ("point", "claimed"), claim, fixes=fixes, reference_grid=None, registry=registry, sighting=sighting
            )
            wanted = expected_grid(city, number, x)
            assert one.territory.grid_id == (uuid(wanted) if wanted else None), (city, number, x)
            assert one.rebased == (grid not in current and wanted is not None), (city, number, x)


@cache
def fix_at(x: float) -> Fix:
    return Fix(LON + x / METRES / cos(radians(LAT)), LAT + 0.005, "wgs84", ACCURACY_M)


def question(city: City) -> tuple[object, ...]:
    """What the decisions depend on: the grids by place, and by place what the codes mean; whatever led there."""
    places = {one.id: place for place, one in enumerate(city.grids)}
    meant = {
        (grid in places, frozenset(places[one] for one in city.meaning[number])) for number, grid, _, _ in city.codes
    }
    return tuple(one[1:3] for one in city.grids), frozenset(meant)


FEW_AND_MANY = [1, 2, pytest.param(3, marks=pytest.mark.long), pytest.param(4, marks=pytest.mark.long)]


@pytest.mark.parametrize("grids", FEW_AND_MANY)
def test_every_code_is_carried_from_every_version(grids: int) -> None:
    for city in lineages(grids):
        lineage = lineage_of(city)
        for number, *_ in city.codes:
            for version in range(1, city.version + 1):
                carried = lineage.carry_code(code(number), version)
                assert carried is not None
                assert set(carried.grids) == {uuid(one) for one in city.meaning[number]}, (city, number)
                path = [(hop.version, hop.kind) for hop in carried.path]
                assert path == expected_path(city, number, version), (city, number, version)


@pytest.mark.parametrize("grids", FEW_AND_MANY)
def test_every_change_gets_its_grid_or_none(grids: int) -> None:
    asked: set[tuple[object, ...]] = set()
    for city in lineages(grids):
        if (asking := question(city)) not in asked:
            asked.add(asking)
            check_decisions(city)
