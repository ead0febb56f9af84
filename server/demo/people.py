"""The people of the demo city as pure data: 347 field workers, the offices above, and who carries a phone.

Names and telephone numbers are made up: every number begins with 199 0550 and is counted up from 0001.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Final, Literal
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from server.demo.city import CITY_CODE, COUNTY_CODE, DEMO_SEED, STREET_CODE, Grid, demo_divisions, demo_grids
from server.demo.names import person_name
from server.demo.offices import COMMUNITY_OFFICE, STREET_OFFICE, Organisation, demo_organisations

EmploymentKind = Literal["full_time", "part_time", "office"]

LOGIN_DEPARTMENT: Final = "xiaofang"
"""The department whose street handler has the handlers' login."""

_NAMESPACE: Final = UUID("7f0a3b64-2f0c-5c55-9d53-6b1f8f3c2a03")
_SECOND_CHIEF_GRIDS: Final = 6
_THIRD_WORKER_EVERY: Final = 10
_SECOND_PHONE_EVERY: Final = 3
_PART_TIME_PHONE_EVERY: Final = 9
_PART_TIMERS: Final = (("快递员", "明光市迅达速递服务部"), ("外卖骑手", "明光市好到家配送站"))
_PART_TIMER_COUNT: Final = 20
_FIRST_DAY: Final = date(2019, 3, 1)
_EMPLOYMENT_DAYS: Final = 1900


class Assignment(Struct, frozen=True):
    """A role in one place: grid roles name a grid and its community, all others a division."""

    role: str
    grid_code: str | None
    division_code: str
    department: str | None = None


class Employment(Struct, frozen=True):
    """Who employs a person, as what and since when."""

    kind: EmploymentKind
    occupation_zh: str
    employer_zh: str
    since: date


class Person(Struct, frozen=True):
    """A person with all assignments; `has_password` marks the one login that each role has."""

    id: UUID
    name: str
    phone: str
    employment: Employment
    assignments: tuple[Assignment, ...]
    has_password: bool = False

    @property
    def role(self) -> str:
        """The person's one role; several assignments differ in place only."""
        return self.assignments[0].role


class FieldDevice(Struct, frozen=True):
    """A phone that gets an enrolment code: its holder's role and grids (none for a part-time worker)."""

    person_id: UUID
    role: str
    grid_codes: tuple[str, ...]


@cache
def demo_people(seed: int = DEMO_SEED) -> tuple[Person, ...]:
    """Everyone, field workers first; the same for the same seed, and the same ids for every seed."""
    roster = _Roster(Random(seed))
    _hire_field_teams(roster, demo_grids())
    _hire_part_timers(roster)
    _hire_offices(roster)
    _hire_handlers(roster, demo_organisations())
    return _with_logins(roster.people)


@cache
def demo_field_devices() -> tuple[FieldDevice, ...]:
    """The 250 phones, grid by grid, so that the first N of them share grids too.

    Each grid has the phone of a worker and of its chief, each third grid another worker's; part-time workers
    come in between.
    """
    workers, chiefs = _by_grid("grid_worker"), _by_grid("grid_chief")
    part_timers = iter([person for person in demo_people() if person.role == "part_time_worker"])
    holders: dict[UUID, Person] = {}
    for number, grid in enumerate(demo_grids()):
        team = [workers[grid.code][0], chiefs[grid.code][0]]
        if number % _SECOND_PHONE_EVERY == 0:
            team.append(workers[grid.code][1])
        if (number + 1) % _PART_TIME_PHONE_EVERY == 0:
            team.append(next(part_timers))
        holders.update((person.id, person) for person in team)
    return tuple(_device(person) for person in holders.values())


class _Roster:
    """Hires people one by one, each under a new name and the next telephone number."""

    def __init__(self, rng: Random) -> None:
        self.people: list[Person] = []
        self._rng = rng
        self._names: set[str] = set()

    def hire(self, kind: EmploymentKind, occupation_zh: str, employer_zh: str, *assignments: Assignment) -> None:
        number = len(self.people) + 1
        since = _FIRST_DAY + timedelta(days=self._rng.randrange(_EMPLOYMENT_DAYS))
        employment = Employment(kind, occupation_zh, employer_zh, since)
        phone = f"1990550{number:04}"
        self.people.append(Person(uuid5(_NAMESPACE, phone), self._new_name(), phone, employment, assignments))

    def _new_name(self) -> str:
        name = person_name(self._rng)
        while name in self._names:
            name = person_name(self._rng)
        self._names.add(name)
        return name


def _hire_field_teams(roster: _Roster, grids: Iterable[Grid]) -> None:
    """Two workers a grid, each tenth grid a third; a chief leads two neighbours by number, or one grid."""
    communities: defaultdict[str, list[Grid]] = defaultdict(list)
    for number, grid in enumerate(grids):
        communities[grid.community_code].append(grid)
        for _ in range(3 if number % _THIRD_WORKER_EVERY == 0 else 2):
            _hire_grid_role(roster, "grid_worker", "专职网格员", grid)
    for own in communities.values():
        for first, second in zip(own[0:_SECOND_CHIEF_GRIDS:2], own[1:_SECOND_CHIEF_GRIDS:2], strict=True):
            _hire_grid_role(roster, "grid_chief", "网格长", first, second)
        for grid in own[_SECOND_CHIEF_GRIDS:]:
            _hire_grid_role(roster, "grid_chief", "网格长", grid)


def _hire_grid_role(roster: _Roster, role: str, occupation_zh: str, *grids: Grid) -> None:
    held = (Assignment(role, grid.code, grid.community_code) for grid in grids)
    roster.hire("full_time", occupation_zh, "明光街道办事处", *held)


def _hire_part_timers(roster: _Roster) -> None:
    for number in range(_PART_TIMER_COUNT):
        occupation_zh, employer_zh = _PART_TIMERS[number % len(_PART_TIMERS)]
        held = Assignment("part_time_worker", None, COUNTY_CODE)
        roster.hire("part_time", occupation_zh, employer_zh, held)


def _hire_offices(roster: _Roster) -> None:
    """Two people where one may not approve what the other wrote; the login of a role goes to its first."""
    for division in demo_divisions():
        if division.tier == "community":
            employer_zh = f"{division.name_zh}居委会"
            roster.hire("office", "网格指导员", employer_zh, Assignment("grid_adviser", None, division.code))
            for _ in range(2):
                roster.hire("office", "社区干部", employer_zh, Assignment("community", None, division.code))
    for role, occupation_zh, employer_zh, division_code in _OFFICE_POSTS:
        roster.hire("office", occupation_zh, employer_zh, Assignment(role, None, division_code))


_OFFICE_POSTS: Final = (
    ("street", "街道干部", "明光街道办事处", STREET_CODE),
    ("street", "街道干部", "明光街道办事处", STREET_CODE),
    ("dispatcher", "受理派遣员", "明光街道办事处", STREET_CODE),
    ("dispatcher", "受理派遣员", "明光街道办事处", STREET_CODE),
    ("dispatcher", "受理派遣员", "明光市网格中心", COUNTY_CODE),
    ("county_centre", "网格中心干部", "明光市网格中心", COUNTY_CODE),
    ("county_centre", "网格中心干部", "明光市网格中心", COUNTY_CODE),
    ("city_centre", "网格中心干部", "滁州市网格中心", CITY_CODE),
    ("administrator", "系统管理员", "滁州市网格中心", CITY_CODE),
    ("administrator", "系统管理员", "明光市网格中心", COUNTY_CODE),
    ("security_administrator", "安全管理员", "滁州市网格中心", CITY_CODE),
    ("auditor", "审计员", "滁州市网格中心", CITY_CODE),
    ("auditor", "审计员", "明光市网格中心", COUNTY_CODE),
)


def _hire_handlers(roster: _Roster, organisations: Iterable[Organisation]) -> None:
    """A handler for every organisation; the people of community and street offices are handlers already."""
    for office in organisations:
        if office.department not in (COMMUNITY_OFFICE, STREET_OFFICE):
            held = Assignment("department_handler", None, office.division_code, office.department)
            roster.hire("office", "部门处置员", office.name_zh, held)


def _with_logins(people: Iterable[Person]) -> tuple[Person, ...]:
    taken: set[str] = set()
    marked: list[Person] = []
    for person in people:
        if person.role not in taken and _may_log_in(person):
            taken.add(person.role)
            person = replace(person, has_password=True)
        marked.append(person)
    return tuple(marked)


def _may_log_in(person: Person) -> bool:
    held = person.assignments[0]
    return person.role != "department_handler" or (held.department, held.division_code) == (
        LOGIN_DEPARTMENT,
        STREET_CODE,
    )


def _by_grid(role: str) -> dict[str, list[Person]]:
    holders: defaultdict[str, list[Person]] = defaultdict(list)
    for person in demo_people():
        for held in _held(person, role):
            holders[held].append(person)
    return holders


def _held(person: Person, role: str) -> Iterator[str]:
    return (held.grid_code for held in person.assignments if held.role == role and held.grid_code)


def _device(person: Person) -> FieldDevice:
    return FieldDevice(person.id, person.role, tuple(_held(person, person.role)))
