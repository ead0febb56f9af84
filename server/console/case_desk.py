"""The case desk: cases by state, with what is overdue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency

from schemas.offices import CaseSummary
from server.console import clock
from server.console.visit import Visit
from server.db.cases import CaseFilter
from server.usecases.cases import list_cases, next_deadline, own_offices
from server.usecases.workload import case_load
from sync.case_table import OPEN, CaseStatus

PAGE_LENGTH = 25
_EVERY_STATE: tuple[CaseStatus, ...] = (*OPEN, "closed", "not_accepted", "void")
_BEGINS_WITH: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("dispatcher", ("reported", "accepted", "sent_back", "reopened"), False),
    ("department_handler", ("dispatched", "signed"), True),
    ("grid_chief", ("handled", "verified"), False),
    ("community", ("dispatched", "signed"), True),
    ("street", ("dispatched", "signed"), True),
)
"""What each role's desk opens with: the states that wait for it, and whether only its own organisation's cases."""


class Tab(NamedTuple):
    """A state of cases with their number."""

    address: str
    words: str
    number: int
    current: bool


class Line(NamedTuple):
    """A case in the list."""

    item: UUID
    type: str
    grid: str
    code: str
    state: str
    state_words: str
    urgency: str
    urgency_words: str
    organisation: str
    request: str
    opened_at: datetime
    due: datetime | None
    left: str
    late: bool


class CaseList(NamedTuple):
    """What the list shows; `state` is empty for all of them."""

    state: str
    mine: bool
    overdue: bool
    cursor: str | None

    def address(self, **other: str | bool | None) -> str:
        """The list with something changed."""
        flags = {"state": self.state or "all", "mine": self.mine, "overdue": self.overdue} | other
        written = {key: value if isinstance(value, str) else "1" for key, value in flags.items() if value}
        return f"/console/cases?{urlencode(written)}"


def first_filter(roles: frozenset[str]) -> tuple[tuple[str, ...], bool]:
    """The states whose cases wait for somebody with these roles, and whether only his own organisation's do."""
    fitting = ((states, mine) for role, states, mine in _BEGINS_WITH if role in roles)
    return next(fitting, (tuple(OPEN), False))


@get("/cases")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The list."""
    now = datetime.now(UTC)
    wanted, counts = await _wanted(visit, now)
    narrowed = _filter(visit, wanted, now)
    page = await list_cases(visit.services, visit.caller, narrowed, wanted.cursor, PAGE_LENGTH)
    return visit.page(
        "cases.html",
        lines=[_line(visit, one, now) for one in page.cases],
        tabs=_tabs(visit, wanted, counts),
        wanted=wanted,
        has_office=bool(own_offices(visit.caller.assignments)),
        filters=wanted,
        next=wanted.address(cursor=page.next) if page.next else None,
    )


async def _wanted(visit: Visit, now: datetime) -> tuple[CaseList, dict[str, int]]:
    """The list asked for, else the one that this person's desk begins with; and how many cases each state has."""
    asked = visit.request.query_params
    states, mine = first_filter(visit.caller.roles)
    if "state" in asked:
        mine = asked.get("mine") == "1"
    wanted = CaseList(asked.get("state", ""), mine, asked.get("overdue") == "1", asked.get("cursor"))
    load = await case_load(visit.services, visit.caller, _filter(visit, wanted._replace(state=""), now))
    if "state" not in asked:
        filled = (state for state in states if load.by_state.get(state))
        wanted = wanted._replace(state=next(filled, states[0]))
    if wanted.state not in _EVERY_STATE:
        wanted = wanted._replace(state="")
    return wanted, load.by_state


def _filter(visit: Visit, wanted: CaseList, now: datetime) -> CaseFilter:
    return CaseFilter(
        state=wanted.state or None,
        offices=own_offices(visit.caller.assignments) if wanted.mine else None,
        overdue_at=now if wanted.overdue else None,
    )


def _tabs(visit: Visit, wanted: CaseList, counts: dict[str, int]) -> list[Tab]:
    every = Tab(wanted.address(state="all"), visit.say("cases.every_state"), sum(counts.values()), not wanted.state)
    shown = [state for state in _EVERY_STATE if counts.get(state) or state == wanted.state]
    return [
        every,
        *(
            Tab(wanted.address(state=one), visit.say(f"case.{one}"), counts.get(one, 0), one == wanted.state)
            for one in shown
        ),
    ]


def _line(visit: Visit, case: CaseSummary, now: datetime) -> Line:
    grid, code = visit.grid_words(case.grid)
    due = next_deadline(case)
    return Line(
        item=case.item,
        type=visit.type_name(case.type),
        grid=grid,
        code=code,
        state=case.state,
        state_words=visit.say(f"case.{case.state}"),
        urgency=case.urgency,
        urgency_words=visit.urgency(case.urgency),
        organisation=organisation_name(visit, case),
        request=visit.say("case.request", action=visit.say(f"action.{case.request.action}")) if case.request else "",
        opened_at=case.opened_at,
        due=due,
        left=clock.until(visit.language, due, now) if due else visit.say("queue.no_due"),
        late=bool(case.overdue),
    )


def organisation_name(visit: Visit, case: CaseSummary) -> str:
    """Who holds the case."""
    held_by = case.organisation
    return visit.either(held_by.name_zh, held_by.name_en) if held_by else visit.say("cases.no_organisation")
