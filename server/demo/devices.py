"""Which phones of the demo get an enrolment code: those of a few neighbouring communities, so that teams meet."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from typing import Final
from uuid import UUID

from msgspec import Struct

from server.demo.grids import Grid
from server.demo.people import Person

DEVICE_COUNT: Final = 250

_FIRST_STREET: Final = ("341182001",)
_OTHER_STREETS: Final = ("341102001", "341102006")
_SECOND_PHONE_EVERY: Final = 2
_PART_TIME_PHONE_EVERY: Final = 9


class FieldDevice(Struct, frozen=True):
    """A phone that gets an enrolment code: its holder's role and grids (none for a part-time worker)."""

    person_id: UUID
    role: str
    grid_codes: tuple[str, ...]


def devices_of(grids: Sequence[Grid], people: Sequence[Person]) -> tuple[FieldDevice, ...]:
    """The 250 phones, grid by grid, so that the first N of them share grids too.

    Each grid has the phone of a worker and of its chief, each second grid another worker's; part-time workers come in
    between. Communities of 明光街道 and of two streets of 琅琊区 take turns, as far as they are there.
    """
    workers, chiefs = _by_grid(people, "grid_worker"), _by_grid(people, "grid_chief")
    part_timers = _part_timers(people)
    holders: dict[UUID, Person] = {}
    for number, grid in enumerate(_in_turn(grids)):
        team = [workers[grid.code][0], chiefs[grid.code][0]]
        if number % _SECOND_PHONE_EVERY == 0:
            team.append(workers[grid.code][1])
        if (number + 1) % _PART_TIME_PHONE_EVERY == 0:
            team.append(next(part_timers[grid.code[:6]]))
        holders.update((person.id, person) for person in team)
    return tuple(_device(person) for person in islice(holders.values(), DEVICE_COUNT))


def _in_turn(grids: Sequence[Grid]) -> Iterator[Grid]:
    turns = zip_longest(_communities(grids, _FIRST_STREET), _communities(grids, _OTHER_STREETS), fillvalue=())
    return chain.from_iterable(chain.from_iterable(turns))


def _communities(grids: Sequence[Grid], streets: tuple[str, ...]) -> Iterable[Sequence[Grid]]:
    communities: defaultdict[str, list[Grid]] = defaultdict(list)
    for grid in grids:
        if grid.code.startswith(streets):
            communities[grid.community_code].append(grid)
    return communities.values()


def _part_timers(people: Sequence[Person]) -> dict[str, Iterator[Person]]:
    counties: defaultdict[str, list[Person]] = defaultdict(list)
    for person in people:
        if person.role == "part_time_worker":
            counties[person.assignments[0].division_code[:6]].append(person)
    return {county: iter(own) for county, own in counties.items()}


def _by_grid(people: Sequence[Person], role: str) -> dict[str, list[Person]]:
    holders: defaultdict[str, list[Person]] = defaultdict(list)
    for person in people:
        if person.role == role:
            for held in person.assignments:
                holders[held.grid_code or ""].append(person)
    return holders


def _device(person: Person) -> FieldDevice:
    codes = tuple(held.grid_code for held in person.assignments if held.grid_code)
    return FieldDevice(person.id, person.role, codes)
