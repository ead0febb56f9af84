"""The first page after signing in: what waits, and in which posts the person stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from litestar import Response, get
from litestar.di import NamedDependency

from server.console import clock
from server.console.case_desk import first_filter
from server.console.navigation import HANDLING, LOOKING_AFTER, REVIEWING
from server.console.visit import Visit
from server.db.cases import CaseFilter
from server.db.conflicts import ConflictFilter
from server.db.reading import ItemFilter
from server.usecases.cases import own_offices
from server.usecases.conflict_counts import count_conflicts
from server.usecases.places import places_of
from server.usecases.workload import case_load, review_load
from sync.access import UNREADING_ROLES, Assignment
from sync.disputes import SETTLING_ROLES


class Tile(NamedTuple):
    """A number with the page where the work is; `pressing` says how much of it cannot wait."""

    address: str
    words: str
    number: int
    pressing: str


class Post(NamedTuple):
    """A role in a place."""

    role: str
    place: str


@get("/")
async def home(visit: NamedDependency[Visit]) -> Response[str]:
    """The page."""
    now = clock.shown(visit.language, datetime.now(UTC))
    tiles, posts = await _tiles(visit), await _posts(visit)
    return visit.page("home.html", now=now, tiles=tiles, posts=posts, no_work=visit.say(_elsewhere(visit)))


def _elsewhere(visit: Visit) -> str:
    """The words for who has no queue here: where his work is done."""
    if visit.caller.roles & LOOKING_AFTER:
        return "home.no_work_people"
    return "home.no_work_admin" if visit.caller.roles & UNREADING_ROLES else "home.no_work"


async def _tiles(visit: Visit) -> list[Tile]:
    roles = visit.caller.roles
    tiles = [await _review_tile(visit)] if roles & REVIEWING else []
    tiles += [await _case_tile(visit)] if roles & HANDLING else []
    return [*tiles, await _conflict_tile(visit)] if roles & SETTLING_ROLES else tiles


async def _review_tile(visit: Visit) -> Tile:
    load = await review_load(visit.services, visit.caller, ItemFilter())
    pressing = visit.say("home.reviews_urgent", count=load.pressing) if load.pressing else ""
    return Tile("/console/reviews", visit.say("home.reviews"), load.waiting, pressing)


async def _case_tile(visit: Visit) -> Tile:
    """Cases in the states that this person's desk begins with."""
    states, mine = first_filter(visit.caller.roles)
    offices = own_offices(visit.caller.assignments) if mine else None
    load = await case_load(visit.services, visit.caller, CaseFilter(offices=offices))
    late = await case_load(visit.services, visit.caller, CaseFilter(offices=offices, overdue_at=datetime.now(UTC)))
    count, overdue = (sum(one.by_state.get(state, 0) for state in states) for one in (load, late))
    pressing = visit.say("home.cases_overdue", count=overdue) if overdue else ""
    return Tile("/console/cases", visit.say("home.cases"), count, pressing)


async def _conflict_tile(visit: Visit) -> Tile:
    wanted = ConflictFilter(state="open")
    counts = await count_conflicts(visit.services, visit.caller, wanted, datetime.now(UTC))
    return Tile("/console/conflicts", visit.say("home.conflicts"), counts.total, "")


async def _posts(visit: Visit) -> list[Post]:
    names = {one.code: visit.either(one.name_zh, one.name_en) for one in await places_of(visit.services, visit.caller)}
    catalogue = visit.services.catalogue.source
    roles = {role.code: visit.either(role.zh, role.en) for role in catalogue.roles}
    departments = {one.code: visit.either(one.name_zh, one.name_en) for one in catalogue.departments}

    def place(held: Assignment) -> str:
        label = visit.services.registry.labels.get(held.grid_id) if held.grid_id else None
        parts = (departments.get(held.department or ""), names.get(held.division or ""), label and label.name)
        return " · ".join(part for part in parts if part)

    return [Post(roles[held.role], place(held)) for held in visit.caller.assignments]
