"""The people of the demo as pure data: field workers by grid and county, and the offices above them.

Names and telephone numbers are made up: every number begins with 199 0550 and is counted up from 0001.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Final, Literal
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from server.demo.divisions import CITY_CODE, COUNTY_CODE, STREET_CODE, Division, Tier
from server.demo.grids import Grid
from server.demo.offices import COMMUNITY_OFFICE, STREET_OFFICE, Organisation, seat_of
from server.made_up.names import person_name

EmploymentKind = Literal["full_time", "part_time", "office"]

LOGIN_DEPARTMENT: Final = "xiaofang"
"""The department whose street handler has the handlers' login."""

_NAMESPACE: Final = UUID("7f0a3b64-2f0c-5c55-9d53-6b1f8f3c2a03")
_THIRD_WORKER_EVERY: Final = 10
_PART_TIMERS: Final = (("快递员", "迅达速递服务部"), ("外卖骑手", "好到家配送站"))
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


class _Post(Struct, frozen=True):
    """A role that every division of a tier fills with so many people."""

    role: str
    occupation_zh: str
    count: int = 1
    kind: EmploymentKind = "office"


# Two people where one may not approve what the other wrote.
_POSTS: Final[dict[Tier, tuple[_Post, ...]]] = {
    "community": (_Post("grid_adviser", "网格指导员", kind="full_time"), _Post("community", "社区干部", 2)),
    "street": (_Post("street", "街道干部", 2), _Post("dispatcher", "受理派遣员", 2)),
    "county": (
        _Post("dispatcher", "受理派遣员"),
        _Post("county_centre", "网格中心干部", 2),
        _Post("administrator", "系统管理员"),
        _Post("auditor", "审计员"),
    ),
    "city": (
        _Post("dispatcher", "受理派遣员"),
        _Post("city_centre", "网格中心干部", 2),
        _Post("administrator", "系统管理员"),
        _Post("security_administrator", "安全管理员"),
        _Post("auditor", "审计员"),
    ),
}
# Where the login of a role is; of all others it is in the street where the demo's day is played.
_LOGIN_PLACES: Final = {
    "part_time_worker": COUNTY_CODE,
    "county_centre": COUNTY_CODE,
    "city_centre": CITY_CODE,
    "administrator": CITY_CODE,
    "security_administrator": CITY_CODE,
    "auditor": CITY_CODE,
}

_COMMUNITY_ROLES: Final = frozenset({"grid_worker", "grid_chief", "grid_adviser", "community"})


def people_of(
    divisions: Sequence[Division],
    grids: Sequence[Grid],
    organisations: Iterable[Organisation],
    field_workers: int,
    seed: int,
) -> tuple[Person, ...]:
    """Everyone, grid teams first; part-time workers make up the number of field workers.

    The same for the same seed, and the same ids for every seed.
    """
    roster = _Roster(Random(seed))
    by_code = {division.code: division for division in divisions}
    _hire_grid_teams(roster, by_code, grids)
    for division in divisions:
        _hire_office(roster, division)
    _hire_part_timers(roster, by_code, field_workers - sum(is_field_worker(person) for person in roster.people))
    _hire_handlers(roster, organisations)
    return _with_logins(roster.people)


def is_field_worker(person: Person) -> bool:
    """Whether somebody is one of the city's grid workers: full-time, or part-time beside other work."""
    return person.employment.kind != "office"


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


def _hire_grid_teams(roster: _Roster, by_code: dict[str, Division], grids: Iterable[Grid]) -> None:
    """Two workers a grid, each tenth grid a third; a chief leads two neighbours by number, or a last one alone."""
    communities: defaultdict[str, list[Grid]] = defaultdict(list)
    employers = {code: _employer(division) for code, division in by_code.items()}
    for number, grid in enumerate(grids):
        communities[grid.community_code].append(grid)
        street = by_code[grid.community_code].parent or ""
        for _ in range(3 if number % _THIRD_WORKER_EVERY == 0 else 2):
            _hire_grid_role(roster, "grid_worker", "专职网格员", employers[street], grid)
    for community, own in communities.items():
        street = by_code[community].parent or ""
        for at in range(0, len(own), 2):
            _hire_grid_role(roster, "grid_chief", "网格长", employers[street], *own[at : at + 2])


def _hire_grid_role(roster: _Roster, role: str, occupation_zh: str, employer_zh: str, *grids: Grid) -> None:
    held = (Assignment(role, grid.code, grid.community_code) for grid in grids)
    roster.hire("full_time", occupation_zh, employer_zh, *held)


def _hire_office(roster: _Roster, division: Division) -> None:
    for post in _POSTS[division.tier]:
        for _ in range(post.count):
            held = Assignment(post.role, None, division.code)
            roster.hire(post.kind, post.occupation_zh, _employer(division), held)


def _employer(division: Division) -> str:
    if division.tier == "community":
        return f"{division.name_zh}居委会"
    return division.name_zh + (seat_of(division)[0] if division.tier == "street" else "网格中心")


def _hire_part_timers(roster: _Roster, by_code: dict[str, Division], count: int) -> None:
    """Riders and couriers, spread over the counties as the communities are."""
    communities = [division.code for division in by_code.values() if division.tier == "community"]
    for number in range(count):
        county = by_code[communities[number * len(communities) // count][:6] + "000000"]
        occupation_zh, employer_zh = _PART_TIMERS[number % len(_PART_TIMERS)]
        held = Assignment("part_time_worker", None, county.code)
        roster.hire("part_time", occupation_zh, county.name_zh + employer_zh, held)


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
    if held.department not in (None, LOGIN_DEPARTMENT):
        return False
    place = _LOGIN_PLACES.get(held.role, STREET_CODE)
    in_street = held.role in _COMMUNITY_ROLES and held.division_code.startswith(STREET_CODE[:9])
    return in_street or held.division_code == place
