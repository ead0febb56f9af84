"""Who works where in the demo city: whoever may have written, reviewed or handled what its history tells of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from schemas.item_type import ItemType, ReviewStep
from server.demo.city import City
from server.demo.people import Person
from server.usecases.sessions import Caller
from sync.access import (
    FIELD_ROLES,
    OFFICE_TIERS,
    PART_TIME,
    Assignment,
    ItemFacts,
    Organisation,
    department_of,
    division_prefix,
)
from sync.duties import case_actor
from sync.routing import Above, ladder

_IN_SERVICE = timedelta(days=400)
_PREFIX_LENGTHS = {"city": 4, "county": 6, "street": 9, "community": 12}


class Staff:
    """People by what they may do. Everybody holds his assignments since long before the history begins."""

    def __init__(self, city: City, now: datetime) -> None:
        grid_ids = {grid.code: grid.id for grid in city.grids}
        self.assignments: dict[UUID, tuple[Assignment, ...]] = {}
        self.callers: dict[UUID, Caller] = {}
        self.organisations = {
            (one.department, one.division_code): Organisation(one.id, one.department, one.division_code)
            for one in city.organisations
        }
        self._tree = {one.code: Above(one.parent, one.host_county) for one in city.divisions}
        self._ladders: dict[str, tuple[str, ...]] = {}
        self._teams: defaultdict[str, dict[str, list[Caller]]] = defaultdict(lambda: defaultdict(list))
        self._offices: defaultdict[tuple[str, str], list[Caller]] = defaultdict(list)
        self._handlers: defaultdict[tuple[str, str], list[Caller]] = defaultdict(list)
        for person in city.people:
            self._settle(person, grid_ids, now - _IN_SERVICE)

    def _settle(self, person: Person, grid_ids: dict[str, UUID], since: datetime) -> None:
        held = tuple(
            Assignment(
                role=one.role,
                grid_id=grid_ids[one.grid_code] if one.grid_code else None,
                division=one.division_code,
                department=one.department,
                valid_from=since,
            )
            for one in person.assignments
        )
        caller = Caller(user_id=person.id, name=person.name, kind="user", assignments=held)
        self.assignments[person.id], self.callers[person.id] = held, caller
        for one, place in zip(held, person.assignments, strict=True):
            department = department_of(one)
            if one.role in FIELD_ROLES and place.grid_code:
                self._teams[place.grid_code][one.role].append(caller)
            elif one.division is not None:
                self._offices[one.role, one.division].append(caller)
            if department is not None and one.division is not None:
                self._handlers[department, one.division].append(caller)

    def team(self, grid_code: str) -> list[Caller]:
        """The full-time workers of a grid, or its chief where it has none."""
        return self._teams[grid_code]["grid_worker"] or self.chiefs(grid_code)

    def chiefs(self, grid_code: str) -> list[Caller]:
        """The chiefs of a grid."""
        return self._teams[grid_code]["grid_chief"]

    def part_timers(self, community: str, communities: Sequence[str]) -> list[Caller]:
        """The part-time workers of the county who report in this community: each reports in one of them alone."""
        county = division_prefix(community)[:6].ljust(12, "0")
        own = [one for one in communities if one[:6] == community[:6]]
        place = own.index(community)
        return self._offices[PART_TIME, county][place :: len(own)]

    def reviewers(self, step: ReviewStep, grid_code: str, item_type: ItemType) -> list[Caller]:
        """Those who may decide at a step about an item of this grid."""
        if step.by == "grid_chief":
            return self.chiefs(grid_code)
        division = division_of(grid_code, step.tier)
        if step.by in OFFICE_TIERS:
            return self._offices[step.by, division]
        department = item_type.lead_department if step.by == "lead_department" else step.by.partition(":")[2]
        return self._handlers[department, division]

    def acting(self, role: str, facts: ItemFacts, item_type: ItemType) -> list[Caller]:
        """Those who may act in this role on the case of an item, the nearest first."""
        return [
            one
            for one in self._near(role, facts, item_type)
            if role in case_actor(one.user_id, one.assignments, facts, item_type).roles
        ]

    def _near(self, role: str, facts: ItemFacts, item_type: ItemType) -> Iterator[Caller]:
        if role in FIELD_ROLES:
            return iter(self._teams[facts.grid_code][role])
        if role == "department_handler":
            return (one for lead in facts.holders[:1] for one in self._handlers[lead.department, lead.division])
        return self._at_desks(role, facts, item_type)

    def _at_desks(self, role: str, facts: ItemFacts, item_type: ItemType) -> Iterator[Caller]:
        for division in self._ladder(facts.grid_code):
            yield from self._offices[role, division]
            if role == "dispatcher" and item_type.dispatch_by == "direct":
                yield from self._handlers[item_type.lead_department, division]

    def nearest(self, department: str, grid_code: str) -> Organisation | None:
        """The organisation of a department that is nearest up the tree from a grid, as `sync.routing` tells it."""
        found = (self.organisations.get((department, one)) for one in self._ladder(grid_code))
        return next((one for one in found if one is not None), None)

    def _ladder(self, grid_code: str) -> tuple[str, ...]:
        community = division_of(grid_code, "community")
        if community not in self._ladders:
            self._ladders[community] = ladder(community, self._tree)
        return self._ladders[community]


def division_of(grid_code: str, tier: str) -> str:
    """The code of the division of this tier that a grid lies in."""
    return grid_code[: _PREFIX_LENGTHS[tier]].ljust(12, "0")
