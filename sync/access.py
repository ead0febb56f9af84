"""Who may read and write what: decided by roles and assignments as they are now, and by the item type.

What a user may read is a few grants. A grant is data: lists filter with it in SQL, and one item is judged
by the same grants here, so a list can never show what a page would refuse. Administrators, security
administrators and auditors get no grant at all.

Divisions are 12-digit codes; what stands before the trailing zeros (4 digits for the city, 6 county, 9
street, 12 community) is the prefix of every grid code inside.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from schemas.item_type import ItemType, Stream
from sync.items import class_stream

FIELD_ROLES = frozenset({"grid_worker", "grid_chief"})
PART_TIME = "part_time_worker"
UNREADING_ROLES = frozenset({"administrator", "security_administrator", "auditor"})
GRID_READERS = {"grid_workers": "grid_worker", "grid_chief": "grid_chief", "grid_adviser": "grid_adviser"}
AREA_READERS = frozenset({"grid_adviser", "community", "street", "county_centre", "city_centre", "dispatcher"})
OFFICE_TIERS = {
    "community": "community",
    "street": "street",
    "county_centre": "county",
    "city_centre": "city",
}
OFFICE_DEPARTMENTS = {"community": "shequ", "street": "jiedao"}
"""The offices are departments too: a case that is dispatched to one is in the hands of its own people."""

_RECORD_TEAM = AREA_READERS | {"grid_workers", "grid_chief", "routed_department"}
_EVENT_TEAM = _RECORD_TEAM | {"author"}
_TEAMS = {
    ("record", False): _RECORD_TEAM,
    ("record", True): _RECORD_TEAM - {"dispatcher"},
    ("event", False): _EVENT_TEAM,
    ("event", True): _EVENT_TEAM - {"dispatcher"},
}
"""Who reads an item of the audience `grid`, by kind and whether its cases go past the desk."""

_TIERS = {4: "city", 6: "county", 9: "street", 12: "community"}

Operation = Literal["create", "update", "delete"]
WriteRefusal = Literal["role_may_not_write", "out_of_scope", "delete_not_allowed"]


class Assignment(Struct, frozen=True, kw_only=True):
    """A role of a user with its place and validity (half-open, UTC).

    Grid roles name their `grid_id` and, as `division`, the community it lies in; offices their division;
    department handlers both division and department; part-time workers their county.
    """

    role: str
    grid_id: UUID | None = None
    division: str | None = None
    department: str | None = None
    valid_from: datetime
    valid_to: datetime | None = None


class Organisation(Struct, frozen=True):
    """A department in a division: what a case is dispatched to."""

    id: UUID
    department: str
    division: str

    @property
    def tier(self) -> str:
        """The tier of its division: community, street, county or city."""
        return tier_of(self.division)


class ItemFacts(Struct, frozen=True, kw_only=True, gc=False):
    """What access depends on.

    Without a grid (a territory conflict) `grid_code` is the prefix that is known, or empty.
    """

    type: str
    grid_id: UUID | None
    grid_code: str
    author_id: UUID
    holders: tuple[Organisation, ...] = ()


class Reach(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Conditions on an item that hold together; an empty one asks nothing.

    `department` and `organisation_prefix`: an organisation of that department, in a division with that
    prefix, holds the item's case.
    """

    grid_id: UUID | None = None
    division_prefix: str | None = None
    author_id: UUID | None = None
    department: str | None = None
    organisation_prefix: str | None = None


class Grant(Struct, frozen=True, kw_only=True):
    """The types that a user may read where `reach` holds."""

    types: tuple[str, ...]
    reach: Reach


def assignments_at(assignments: Iterable[Assignment], at: datetime) -> tuple[Assignment, ...]:
    """Those that are valid at an instant."""
    return tuple(a for a in assignments if a.valid_from <= at and (a.valid_to is None or at < a.valid_to))


def division_prefix(division: str) -> str:
    """The digits that every code inside a division begins with."""
    return next((division[:n] for n in (4, 6, 9) if division.endswith("0" * (12 - n))), division)


def tier_of(division: str) -> str:
    """community, street, county or city."""
    return _TIERS[len(division_prefix(division))]


def reading_grants(
    user_id: UUID, assignments: Iterable[Assignment], item_types: Iterable[ItemType]
) -> tuple[Grant, ...]:
    """What a user may read of these types, as data: an item is readable if any grant reaches it."""
    held = tuple(assignments)
    types: dict[Reach, list[str]] = defaultdict(list)
    for item_type in item_types:
        for reach in dict.fromkeys(_reaches(user_id, held, item_type)):
            types[reach].append(item_type.code)
    return tuple(Grant(types=tuple(codes), reach=reach) for reach, codes in types.items())


def may_read(user_id: UUID, assignments: Iterable[Assignment], facts: ItemFacts, item_type: ItemType) -> bool:
    """Whether a user may read one item now."""
    return any(reaches(reach, facts) for reach in _reaches(user_id, tuple(assignments), item_type))


def reaches(reach: Reach, facts: ItemFacts) -> bool:
    """Whether every condition of a reach holds for an item."""
    return (
        reach.grid_id in (None, facts.grid_id)
        and reach.author_id in (None, facts.author_id)
        and facts.grid_code.startswith(reach.division_prefix or "")
        and (reach.department is None or any(_is_held_by(reach, holder) for holder in facts.holders))
    )


def device_streams(user_id: UUID, assignments: Iterable[Assignment]) -> list[str]:
    """The keys of the streams on a user's phone: his own, and those of the grids he works in or leads."""
    keys = {class_stream(stream_class, grid_id) for stream_class, grid_id in grid_streams(assignments)}
    return sorted({f"own/{user_id}", *keys})


def grid_streams(assignments: Iterable[Assignment]) -> Iterator[tuple[Stream, UUID]]:
    """The streams on a phone by class and grid, but for its user's own."""
    for held in assignments:
        if held.role in FIELD_ROLES and held.grid_id is not None:
            yield "grid", held.grid_id
        if held.role == "grid_chief" and held.grid_id is not None:
            yield "grid_restricted", held.grid_id


def write_refusal(
    user_id: UUID,
    assignments: Iterable[Assignment],
    facts: ItemFacts,
    item_type: ItemType,
    operation: Operation,
) -> WriteRefusal | None:
    """Why a device may not make this change, judged by the assignments at its capture; None if it may.

    Records are written in assigned grids only. Events are reported anywhere in the worker's county and
    corrected by their author or by the grid's team; part-time workers report and correct what `report_only`
    opens to them. What has no grid yet is its author's alone.
    """
    if operation == "delete" and item_type.kind == "event":
        return "delete_not_allowed"
    writers = [held for held in assignments if _may_write_type(held, item_type)]
    if not writers:
        return "role_may_not_write"
    if facts.grid_id is None and operation != "create":
        allowed = user_id == facts.author_id
    elif item_type.kind == "record":
        allowed = facts.grid_id is not None and any(held.grid_id == facts.grid_id for held in writers)
    elif operation == "create":
        allowed = any(_same_county(held, facts) for held in writers)
    else:
        allowed = user_id == facts.author_id or any(
            held.role in FIELD_ROLES and may_read(user_id, (held,), facts, item_type) for held in writers
        )
    return None if allowed else "out_of_scope"


def parking_refusal(
    assignments: Iterable[Assignment], grid_codes: Iterable[str], item_type: ItemType
) -> WriteRefusal | None:
    """Why a device may not create an item whose grid a person is to tell; None if it may.

    `grid_codes`: where it may lie, as far as that is known. Its author writes somewhere in one of their counties.
    """
    writers = [held for held in assignments if _may_write_type(held, item_type)]
    if not writers:
        return "role_may_not_write"
    counties = {code[:6] for code in grid_codes}
    return None if not counties or counties & set(counties_of(writers)) else "out_of_scope"


def counties_of(assignments: Iterable[Assignment]) -> tuple[str, ...]:
    """The counties that these lie in, as the first 6 digits of their codes."""
    return tuple(sorted({held.division[:6] for held in assignments if held.division}))


def may_hold(item_type: ItemType, department: str) -> bool:
    """Whether a case may be dispatched to a department: who holds it must be able to read it."""
    if item_type.restricted_to and department not in item_type.restricted_to:
        return False
    readers = readers_of(item_type)
    return "routed_department" in readers or department in _reading_departments(item_type, readers)


def _may_write_type(held: Assignment, item_type: ItemType) -> bool:
    return held.role in FIELD_ROLES or (held.role == PART_TIME and _open_to_part_time(item_type))


def _open_to_part_time(item_type: ItemType) -> bool:
    return item_type.kind == "event" and item_type.part_time == "report_only"


def _same_county(held: Assignment, facts: ItemFacts) -> bool:
    if facts.grid_id is not None and held.grid_id == facts.grid_id:
        return True
    return held.division is not None and facts.grid_code.startswith(held.division[:6])


def _is_held_by(reach: Reach, holder: Organisation) -> bool:
    return reach.department == holder.department and holder.division.startswith(reach.organisation_prefix or "")


def readers_of(item_type: ItemType) -> frozenset[str]:
    """The reader codes of a type; the audience `grid` is written out as its rule says it."""
    if item_type.audience == "need_to_know":
        return frozenset(item_type.readers)
    return _TEAMS[item_type.kind, item_type.dispatch_by == "direct"]


def _reading_departments(item_type: ItemType, readers: frozenset[str]) -> frozenset[str]:
    """The departments that read a type whether or not they hold the case."""
    named = {reader.removeprefix("department:") for reader in readers if reader.startswith("department:")}
    if "lead_department" in readers:
        named.add(item_type.lead_department)
    if "assist_departments" in readers:
        named.update(item_type.assist_departments)
    return frozenset(named & set(item_type.restricted_to) if item_type.restricted_to else named)


def _reaches(user_id: UUID, assignments: tuple[Assignment, ...], item_type: ItemType) -> Iterator[Reach]:
    readers = readers_of(item_type)
    if any(_opens_own_reports(held, item_type, readers) for held in assignments):
        yield Reach(author_id=user_id)
    for held in assignments:
        yield from _grid_reach(held, readers)
        yield from _area_reach(held, readers)
        yield from _department_reach(held, item_type, readers)


def _opens_own_reports(held: Assignment, item_type: ItemType, readers: frozenset[str]) -> bool:
    if held.role == PART_TIME:
        return _open_to_part_time(item_type)
    return "author" in readers and held.role not in UNREADING_ROLES


def _grid_reach(held: Assignment, readers: frozenset[str]) -> Iterator[Reach]:
    wanted = {role for reader, role in GRID_READERS.items() if reader in readers}
    if held.role in wanted and held.grid_id is not None:
        yield Reach(grid_id=held.grid_id)


def _area_reach(held: Assignment, readers: frozenset[str]) -> Iterator[Reach]:
    if held.role in AREA_READERS and held.role in readers and held.division and held.grid_id is None:
        yield Reach(division_prefix=division_prefix(held.division))


def _department_reach(held: Assignment, item_type: ItemType, readers: frozenset[str]) -> Iterator[Reach]:
    """A department reads where it leads, assists or is named, in its own area; a holder what it holds.

    A higher organisation of a department reads what the lower ones hold. What a department may hold, it reads while it
    does, wherever that lies: a county's office also holds what comes from a statistical zone.
    """
    department = department_of(held)
    if department is None or held.division is None:
        return
    prefix = division_prefix(held.division)
    if held.role == "department_handler" and department in _reading_departments(item_type, readers):
        yield Reach(division_prefix=prefix)
    if may_hold(item_type, department):
        yield Reach(department=department, organisation_prefix=prefix)


def department_of(held: Assignment) -> str | None:
    """The department in whose name an assignment acts."""
    return held.department if held.role == "department_handler" else OFFICE_DEPARTMENTS.get(held.role)
