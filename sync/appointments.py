"""Who may be given which post, where and when: the rules by which people are appointed.

An administrator appoints inside his division; the three roles that watch over the installation are given by a security
administrator, so that nobody who appoints can also look after himself. What lies outside is as if it did not exist.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from schemas.catalogue import Catalogue
from sync.access import UNREADING_ROLES, Assignment, division_prefix, tier_of

HANDLER = "department_handler"
_CITY_TIME = ZoneInfo("Asia/Shanghai")

FaultCode = Literal[
    "phone_invalid",
    "name_invalid",
    "name_differs",
    "date_invalid",
    "line_cells",
    "phone_taken",
    "person_left",
    "own_appointment",
    "role_unknown",
    "role_not_yours",
    "place_unsuitable",
    "grid_unknown",
    "division_unknown",
    "department_unsuitable",
    "validity_empty",
    "assignment_overlaps",
    "assignment_ended",
]


class Fault(Struct, frozen=True):
    """Why something about a person cannot be: a code of `server.errors`, and the entry it is about."""

    code: FaultCode
    field: str | None = None


class Post(Struct, frozen=True, kw_only=True):
    """A role as it is asked for: `grid` and `division` are codes, the validity half-open in UTC."""

    role: str
    grid: str | None = None
    division: str | None = None
    department: str | None = None
    valid_from: datetime
    valid_to: datetime | None = None


class GridPlace(NamedTuple):
    """A current grid and the community it lies in."""

    id: UUID
    community: str


class Ground(Struct, frozen=True):
    """The territory as it is now: current grids by code, and the codes of divisions."""

    grids: Mapping[str, GridPlace]
    divisions: frozenset[str]


def validity(first: date | None, last: date | None, now: datetime) -> tuple[datetime, datetime | None]:
    """From the beginning of the first day to the end of the last in the city's time; without a first day from now."""
    begins = now if first is None else _midnight(first)
    return begins, None if last is None else _midnight(last + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=_CITY_TIME).astimezone(ZoneInfo("UTC"))


def areas_of(appointer: Iterable[Assignment], roles: frozenset[str] = UNREADING_ROLES - {"auditor"}) -> tuple[str, ...]:
    """Prefixes of the divisions in which somebody holds one of these roles: by default those who keep accounts."""
    return tuple(division_prefix(held.division) for held in appointer if held.role in roles and held.division)


def may_appoint(appointer: Iterable[Assignment], role: str, division: str | None) -> bool:
    """Whether somebody may give or end this role in a division (of a grid: its community)."""
    giver = "security_administrator" if role in UNREADING_ROLES else "administrator"
    areas = areas_of(appointer, frozenset({giver}))
    return bool(areas) and division is not None and division.startswith(areas)


def is_in_sight(appointer: Iterable[Assignment], assignments: Iterable[Assignment], now: datetime) -> bool:
    """Whether a person belongs to somebody's area: by what he holds or will hold, else by what he held last.

    Who never held anything is seen by everyone who keeps accounts.
    """
    areas, ever = areas_of(appointer), tuple(assignments)
    if not areas:
        return False
    counted = [held for held in ever if not has_ended(held, now)] or ever
    return not counted or any(held.division is not None and held.division.startswith(areas) for held in counted)


def has_ended(held: Assignment, now: datetime) -> bool:
    """Whether an assignment is over, or was taken back before it began."""
    return held.valid_to is not None and held.valid_to <= max(now, held.valid_from)


def appoint(
    post: Post,
    ever: Iterable[Assignment],
    appointer: Iterable[Assignment],
    ground: Ground,
    catalogue: Catalogue,
) -> Assignment | Fault:
    """The assignment that a post becomes, or the first thing against it. `ever`: all that the person held or holds."""
    givers = tuple(appointer)
    placed = _place(post, ground, catalogue)
    if isinstance(placed, Fault):
        return placed
    if not may_appoint(givers, post.role, placed.division):
        return _out_of_area(post, givers)
    if post.valid_to is not None and post.valid_to <= post.valid_from:
        return Fault("validity_empty", "valid_to")
    if any(_same_post(placed, held) and _at_once(placed, held) for held in ever):
        return Fault("assignment_overlaps", "role")
    return placed


def _place(post: Post, ground: Ground, catalogue: Catalogue) -> Assignment | Fault:
    tiers = next((role.tiers for role in catalogue.roles if role.code == post.role), None)
    if tiers is None:
        return Fault("role_unknown", "role")
    grid = ground.grids.get(post.grid) if post.grid is not None else None
    fault = _place_fault(post, tiers, grid is not None, ground) or _department_fault(post, catalogue)
    if fault is not None:
        return fault
    return Assignment(
        role=post.role,
        grid_id=grid.id if grid else None,
        division=grid.community if grid else post.division,
        department=post.department,
        valid_from=post.valid_from,
        valid_to=post.valid_to,
    )


def _place_fault(post: Post, tiers: tuple[str, ...], grid_found: bool, ground: Ground) -> Fault | None:
    if (post.grid is None) == (post.division is None):
        return Fault("place_unsuitable", "grid" if tiers == ("grid",) else "division")
    if post.division is None:
        if "grid" not in tiers:
            return Fault("place_unsuitable", "grid")
        return None if grid_found else Fault("grid_unknown", "grid")
    if post.division not in ground.divisions:
        return Fault("division_unknown", "division")
    return None if tier_of(post.division) in tiers else Fault("place_unsuitable", "division")


def _department_fault(post: Post, catalogue: Catalogue) -> Fault | None:
    """Handlers work for a department where it has an office; nobody else names one."""
    if post.role != HANDLER or post.division is None:
        return None if post.department is None else Fault("department_unsuitable", "department")
    tiers = next((one.tiers for one in catalogue.departments if one.code == post.department), ())
    return None if tier_of(post.division) in tiers else Fault("department_unsuitable", "department")


def _out_of_area(post: Post, appointer: tuple[Assignment, ...]) -> Fault:
    """A role that is another's to give is said so; a place outside is as unknown as one that does not exist."""
    giver = "security_administrator" if post.role in UNREADING_ROLES else "administrator"
    if giver not in {held.role for held in appointer}:
        return Fault("role_not_yours", "role")
    return Fault("division_unknown", "division") if post.grid is None else Fault("grid_unknown", "grid")


def _same_post(one: Assignment, other: Assignment) -> bool:
    if one.role != other.role or one.grid_id != other.grid_id:
        return False
    return one.grid_id is not None or (one.division, one.department) == (other.division, other.department)


def _at_once(one: Assignment, other: Assignment) -> bool:
    starts, ends = max(one.valid_from, other.valid_from), [held.valid_to for held in (one, other) if held.valid_to]
    return all(starts < end for end in ends)
