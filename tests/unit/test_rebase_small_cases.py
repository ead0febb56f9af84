"""Every lineage of up to three steps over up to four grids, and in each of them every change that can be written.

The city is a street: a row of plots of 100 m, of which each grid holds some that lie side by side. The oracle knows no
paths: it keeps for every code a set of grids and rewrites all sets at every step, and it tells where a position lies by
comparing numbers, now and at any version, for it keeps the whole street of each. A change names any code that was ever
given, at any version, with its point inside of a grid, on a border, outside of all, or with none. A redraw takes a plot
from a grid, and gives it to its neighbour or to none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import combinations, count, pairwise, product
from math import cos, radians
from typing import NamedTuple
from uuid import UUID

import pytest

from schemas.item_type import GridSource
from sync.coordinates import EARTH_RADIUS_M
from sync.former_ground import FormerGround, OutlineSpan
from sync.lineage import CodeValidity, Lineage, Step, StepKind
from sync.rebase import Background, Rebase, derivation, read_claim, settle
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

    past: tuple[tuple[Grid, ...], ...]
    steps: tuple[Step, ...]
    codes: tuple[tuple[int, int, int, int | None], ...]
    meaning: dict[int, frozenset[int]]

    @property
    def version(self) -> int:
        return len(self.past)

    @property
    def grids(self) -> tuple[Grid, ...]:
        return self.past[-1]

    def at(self, version: int) -> tuple[Grid, ...]:
        return self.past[version - 1]

    def steps_at(self, version: int) -> set[UUID]:
        """The grids that went through something with a version."""
        return {one for step in self.steps if step.version == version for one in step.predecessors}


def uuid(number: int) -> UUID:
    return UUID(int=number)


def code(number: int) -> str:
    return f"{COMMUNITY}{number:03}"


def founded(grids: int) -> City:
    """So many grids of two plots each, from the first plot on."""
    row = tuple(Grid(at + 1, 2 * at, 2 * at + 2, at + 1) for at in range(grids))
    return City(
        (row,), (), tuple((one.code, one.id, 1, None) for one in row), {one.code: frozenset({one.id}) for one in row}
    )


def stepped(city: City, kind: StepKind, gone: tuple[Grid, ...], come: tuple[Grid, ...]) -> City:
    """The city after one step; the oracle's sets are rewritten here."""
    version = city.version + 1
    before, after = tuple(uuid(one.id) for one in gone), tuple(uuid(one.id) for one in come)
    # Of a border that two grids share, each of them is redrawn.
    each = [((one,), (one,)) for one in before] if kind == "redraw" else [(before, after)]
    steps = tuple(Step(version, kind, *sides) for sides in each)
    ended, begun = {one.id for one in gone}, frozenset(one.id for one in come)
    grids = tuple(sorted((*(one for one in city.grids if one not in gone), *come), key=lambda one: one.first))
    kept = {one.code for one in come} & {one.code for one in gone}
    closed = tuple(
        (number, grid, since, version if grid in ended and until is None and number not in kept else until)
        for number, grid, since, until in city.codes
    )
    given = tuple((one.code, one.id, version, None) for one in come if one.code not in kept)
    meaning = dict(city.meaning)
    if kind != "redraw":
        meaning = {number: (ids - ended) | begun if ids & ended else ids for number, ids in city.meaning.items()}
        meaning |= {one.code: frozenset({one.id}) for one in come}
    return City((*city.past, grids), (*city.steps, *steps), closed + given, meaning)


def next_cities(city: City) -> Iterator[City]:
    """Every step that can be taken."""
    row, room = city.grids, MOST_GRIDS - len(city.grids)
    number = count(max(grid for _, grid, _, _ in city.codes) + 1)
    fresh = count(max(one for one, _, _, _ in city.codes) + 1)
    new_id, new_code = next(number), next(fresh)
    yield from redrawn(city)
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


def redrawn(city: City) -> Iterator[City]:
    """Every border between neighbours, moved by a plot to either side."""
    for west, east in pairwise(city.grids):
        if west.last == east.first:
            for border in (west.last - 1, west.last + 1):
                if west.first < border < east.last:
                    come = west._replace(last=border), east._replace(first=border)
                    yield stepped(city, "redraw", (west, east), come)


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
    clear = held_by(city.grids, x, -ACCURACY_M)
    if clear:
        return min(clear)
    if len(meant) == 1:
        return min(meant)
    inside, near = held_by(city.grids, x, 0.0) & meant, held_by(city.grids, x, ACCURACY_M) & meant
    return min(inside) if len(inside) == 1 and near == inside else None


def expected_then(city: City, grid: int, version: int, x: float | None) -> int | None:
    """The grid in which it was written: that of its point by the street of that version, else the one that it named."""
    street = city.at(version)
    clear = held_by(street, x, -ACCURACY_M)
    if clear:
        return min(clear)
    return grid if grid in {one.id for one in street} else None


def expected_ground(city: City, version: int, x: float) -> list[tuple[int, str]] | None:
    """How a place came from hand to hand since a version; None where it was nobody's meanwhile, or lies on a border."""
    owners = [held_by(street, x, 0.0) for street in city.past]
    told: list[tuple[int, str]] = []
    for at in range(version, city.version):
        if len(owners[at - 1]) != 1 or len(owners[at]) != 1:
            return None
        (before,), kinds = owners[at - 1], {step.kind for step in city.steps if step.version == at + 1}
        moved = owners[at - 1] != owners[at]
        renamed = kinds <= {"renumber", "move"} and uuid(before) in city.steps_at(at + 1)
        told += [(at + 1, kind) for kind in kinds if moved or renamed]
    return told


def held_by(street: tuple[Grid, ...], x: float | None, more_m: float) -> frozenset[int]:
    """The grids that hold a place, were each of them longer by so much on both sides."""
    if x is None:
        return frozenset()
    ends = {one.id: (one.first * PLOT_M - more_m, one.last * PLOT_M + more_m) for one in street}
    return frozenset(grid for grid, (west, east) in ends.items() if west < x < east)


def points(city: City, version: int) -> Iterator[float | None]:
    """Inside of every plot, on either side of every border that there is or was then, outside of all, none."""
    every = [*city.at(version), *city.grids]
    for plot in sorted({plot for one in every for plot in range(one.first, one.last)}):
        yield (plot + 0.5) * PLOT_M
    for border in sorted({one.first for one in every} | {one.last for one in every}):
        yield from (border * PLOT_M - 3.0, border * PLOT_M + 3.0)
    yield from (-500.0, None)


# What is asked ---------------------------------------------------------------------------------------------------


def lineage_of(city: City) -> Lineage:
    return Lineage(city.steps, [CodeValidity(code(one), uuid(grid), a, b) for one, grid, a, b in city.codes])


def registry_of(city: City) -> Registry:
    labels = [GridLabel(uuid(one.id), code(one.code), COMMUNITY, "general", "", ring(one)) for one in city.grids]
    return Registry(city.version, labels, lineage_of(city), ground=FormerGround(spans(city)))


def spans(city: City) -> Iterator[OutlineSpan]:
    """A label for every version of every grid, as if each had been closed and begun anew with each of them."""
    every = sorted({one.id for street in city.past for one in street})
    for grid_id in every:
        held = [(at, one) for at, street in enumerate(city.past, 1) for one in street if one.id == grid_id]
        for before, (at, one) in zip([None, *held], held, strict=False):
            same = before is not None and before[1][1:3] == one[1:3]
            ends = None if at == city.version else at + 1
            yield OutlineSpan(uuid(grid_id), at, ends, ring(one) if ends else None, same)


def ring(grid: Grid) -> list[list[tuple[float, float]]]:
    west, east = (LON + end * PLOT_M / METRES / cos(radians(LAT)) for end in (grid.first, grid.last))
    return [[(west, LAT), (east, LAT), (east, LAT + 0.01), (west, LAT + 0.01)]]


def check_decisions(city: City, versions: Iterable[int]) -> None:
    """Every code, and every point, at these versions."""
    registry = registry_of(city)
    sighting = Sighting(registry.index)
    current = {one.id for one in city.grids}
    for version, (number, grid, _, _) in product(versions, city.codes):
        claim = read_claim(code(number), None, version, NOW, registry)
        for x in points(city, version):
            fixes: dict[GridSource, Fix] = {} if x is None else {"point": fix_at(x)}
            one = settle(
                ("point", "claimed"),
                claim,
                fixes=fixes,
                reference_grid=None,
                registry=registry,
                sighting=sighting,
                background=Background(version),
            )
            wanted, then = expected_grid(city, number, x), expected_then(city, grid, version, x)
            asked = (city, number, version, x)
            assert one.territory.grid_id == (uuid(wanted) if wanted else None), asked
            assert one.then in (None, uuid(then) if then else None), asked
            changed_hands = None not in (wanted, then) and wanted != then
            assert one.changed_hands == changed_hands, asked
            ended = grid not in current and wanted is not None
            assert one.rebased == (changed_hands or ended), asked
            if x is not None and one.changed_hands and then in held_by(city.at(version), x, 0.0):
                check_ground(city, version, x, one, registry)


def check_ground(city: City, version: int, x: float, one: Rebase, registry: Registry) -> None:
    """What is stored tells how the place came from hand to hand."""
    wanted = expected_ground(city, version, x)
    if wanted is not None and one.territory.source == "point":
        told = derivation(one, registry)
        assert set(wanted) <= {(hop.version, hop.kind) for hop in told.path}, (city, version, x, told)
        assert told.written is not None


@cache
def fix_at(x: float) -> Fix:
    return Fix(LON + x / METRES / cos(radians(LAT)), LAT + 0.005, "wgs84", ACCURACY_M)


def question(city: City, version: int) -> tuple[object, ...]:
    """What the decisions depend on: the streets of then and of now, and what the codes mean; whatever lay between."""
    then = {one.id: place for place, one in enumerate(city.at(version))}
    places = {one.id: place for place, one in enumerate(city.grids)}
    meant = {
        (then.get(grid), grid in places, frozenset(places[one] for one in city.meaning[number]), until is None)
        for number, grid, _, until in city.codes
    }
    streets = tuple(one[1:3] for one in city.at(version)), tuple((then.get(one.id), *one[1:3]) for one in city.grids)
    return *streets, frozenset(meant)


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


@pytest.mark.parametrize(
    "grids",
    [
        1,
        *(pytest.param(many, marks=pytest.mark.long) for many in (2, 3)),
        # Some 20,000 lineages, each with redraws: two minutes.
        pytest.param(4, marks=pytest.mark.proof),
    ],
)
def test_every_change_gets_its_grid_or_none(grids: int) -> None:
    asked: set[tuple[object, ...]] = set()
    for city in lineages(grids):
        fresh = {question(city, version): version for version in range(1, city.version + 1)}
        fresh = {asking: version for asking, version in fresh.items() if asking not in asked}
        asked |= fresh.keys()
        if fresh:
            check_decisions(city, fresh.values())
