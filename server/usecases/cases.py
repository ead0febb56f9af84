"""Cases: the queues of desks and departments, one case with its steps, and acting on it.

    lock the item -> load its standing -> link the photos of the action -> decide (pure) -> store -> move the entries

Offices decide about cases of their area even where the item's form is not theirs to read: they see the case while it
asks for a decision, and never what was filled in or noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import convert
from msgspec.structs import replace

from schemas.offices import (
    ActionView,
    CaseAction,
    CaseDetail,
    CasesPage,
    CaseSummary,
    OrganisationView,
    RequestView,
)
from server.db import cases, evidence, items, places, reading
from server.db.cases import CaseFilter
from server.db.database import Connection, Row, Transaction
from server.db.evidence import PhotoLink
from server.errors import Problem
from server.services import Services
from server.usecases.desk_acts import record_desk_acts
from server.usecases.feeding import touch_items
from server.usecases.paging import QueuePlace, from_cursor, to_cursor
from server.usecases.reading import case_step_view, readable
from server.usecases.sessions import Caller
from server.usecases.standing_rows import case_state, open_text
from server.usecases.standings import (
    Moved,
    Standing,
    case_step,
    find_standings,
    ladders_above,
    store_moves,
)
from sync.access import (
    OFFICE_TIERS,
    Assignment,
    Grant,
    Organisation,
    department_of,
    division_prefix,
    reading_grants,
)
from sync.case_state import CaseState, Given, overdue
from sync.case_table import ANSWERS, TRANSITIONS
from sync.cases import transition
from sync.duties import Actor, case_actor
from sync.refusal import Refusal
from sync.routing import nearest

_NOT_OPEN = ("forbidden", "late_transition")
_LONGEST_EXTENSION = timedelta(days=5 * 366)


# Reading ---------------------------------------------------------------------------------------------------


async def list_cases(
    services: Services, caller: Caller, narrowed: CaseFilter, cursor: str | None, limit: int
) -> CasesPage:
    """A page of the cases that the caller may see, the most urgent first, then the oldest.

    Raises Problem `parameter_invalid` for a wrong cursor.
    """
    place = from_cursor(cursor, QueuePlace)
    async with services.database.read() as connection:
        rows = await cases.list_cases(
            connection, case_grants(services, caller), office_areas(caller), narrowed, place, limit + 1
        )
    now = datetime.now(UTC)
    last = rows[limit - 1] if len(rows) > limit else None
    return CasesPage([_summary(row, now) for row in rows[:limit]], to_cursor(_place(last) if last else None))


def _place(row: Row) -> QueuePlace:
    return QueuePlace(row["urgency_level"], row["opened_at"], row["item_id"])


def case_grants(services: Services, caller: Caller) -> tuple[Grant, ...]:
    """What the caller may read now of the types that have cases."""
    types = (compiled.type for compiled in services.catalogue.types.values() if compiled.type.kind == "event")
    return reading_grants(caller.user_id, caller.assignments, types)


def office_areas(caller: Caller) -> list[str]:
    """Prefixes of the grid codes in whose cases the caller's office may be asked for a decision."""
    held = (one for one in caller.assignments if one.role in OFFICE_TIERS and one.division)
    return sorted({division_prefix(one.division) for one in held if one.division})


def own_offices(assignments: Sequence[Assignment]) -> list[dict[str, str]]:
    """The organisations that the caller acts for, and those below them: rows of department and prefix."""
    offices: list[dict[str, str]] = []
    for held in assignments:
        department = department_of(held)
        if department is not None and held.division is not None:
            offices.append({"department": department, "prefix": division_prefix(held.division)})
    return offices


async def case_detail(services: Services, caller: Caller, item_id: UUID) -> CaseDetail:
    """One case with its steps and what the caller may do.

    Raises Problem `not_found`, also where the case is not the caller's to see.
    """
    async with services.database.read() as connection:
        await _check_visible(connection, services, caller, item_id)
        (standing,) = await find_standings(connection, services, [item_id])
        return await _detail(connection, services, caller, standing, datetime.now(UTC))


async def find_case(services: Services, caller: Caller, ids: tuple[UUID, UUID]) -> UUID:
    """The one case with an id in this range that the caller may see.

    Raises Problem: not_found, or parameter_invalid for several.
    """
    async with services.database.read() as connection:
        found = await _visible(connection, services, caller, ids)
    if len(found) > 1:
        raise Problem(
            "parameter_invalid",
            detail_zh="有多个案件以此开头,请多写几位编号。",
            detail_en="Several cases begin so; write more digits of the id.",
        )
    return found[0]


async def _check_visible(connection: Connection, services: Services, caller: Caller, item_id: UUID) -> None:
    await _visible(connection, services, caller, (item_id, item_id))


async def _visible(connection: Connection, services: Services, caller: Caller, ids: tuple[UUID, UUID]) -> list[UUID]:
    """One or two cases with ids in this range that the caller may see. Raises Problem `not_found` without any."""
    grants, areas = case_grants(services, caller), office_areas(caller)
    rows = await cases.list_cases(connection, grants, areas, CaseFilter(ids=ids), None, 2)
    if not rows:
        raise Problem("not_found")
    return [row["item_id"] for row in rows]


async def _detail(
    connection: Connection, services: Services, caller: Caller, standing: Standing, now: datetime
) -> CaseDetail:
    """The case for somebody who sees it, or has just seen it off: an answered request may take it from his view."""
    item_id = standing.item.id
    row = await cases.find_case(connection, item_id)
    reads = bool(await readable(connection, services, caller, [item_id]))
    secret = standing.secret if reads else None
    return CaseDetail(
        case=_summary(row, now),
        steps=[case_step_view(step, secret) for step in await reading.case_steps_of_item(connection, item_id)],
        actions=_actions(services, caller, standing, now),
        waiver=open_text(item_id, row["waiver"], secret) if secret else None,
    )


def _actions(services: Services, caller: Caller, standing: Standing, now: datetime) -> list[ActionView]:
    """Every action that is open to the caller in this state, with what it still needs.

    The machine itself is asked, so that nothing is offered that it would refuse for who asks.
    """
    case = standing.case
    if case is None:
        return []
    asked = case.asked.action if case.asked else None
    names = dict.fromkeys(line.action for line in TRANSITIONS)
    attempts = {name: Given() for name in names} | {name: Given(request=asked) for name in ANSWERS if asked}
    actor, circumstances = _actor(caller, standing), standing.circumstances(services, now)
    found = {name: transition(case, name, actor, case.state, circumstances, given) for name, given in attempts.items()}
    return [
        ActionView(name, outcome.code if isinstance(outcome, Refusal) else None)
        for name, outcome in found.items()
        if not (isinstance(outcome, Refusal) and outcome.code in _NOT_OPEN)
    ]


def _actor(caller: Caller, standing: Standing) -> Actor:
    return case_actor(caller.user_id, caller.assignments, standing.facts, standing.compiled.type)


def _summary(row: Row, now: datetime) -> CaseSummary:
    case = case_state({**row, "waiver": None}, b"")
    offices = {one.id: one for one in convert(row["organisations"], list[OrganisationView])}
    return CaseSummary(
        item=row["item_id"],
        type=row["type"],
        state=case.state,
        urgency=case.urgency,
        grid=row["grid_id"],
        code=row["code"],
        department=case.department,
        organisation=offices[case.organisation.id] if case.organisation else None,
        assisting=[offices[one.id] for one in case.assisting],
        request=_request(case),
        escalated_to=case.escalated_to,
        accept_by=case.accept_by,
        respond_by=case.respond_by,
        handle_by=case.handle_by,
        overdue=list(overdue(case, now)),
        review=row["review_state"],
        opened_at=case.opened_at,
        closed_at=case.closed_at,
    )


def _request(case: CaseState) -> RequestView | None:
    asked = case.asked
    return RequestView(asked.action, asked.reason, asked.by, asked.at, asked.until) if asked else None


def next_deadline(case: CaseSummary) -> datetime | None:
    """The deadline that runs now; None where none does."""
    if case.state in ("reported", "accepted", "sent_back", "reopened"):
        return case.accept_by or case.handle_by
    if case.state == "dispatched":
        return case.respond_by or case.handle_by
    return case.handle_by if case.state == "signed" else None


async def organisations(services: Services, caller: Caller, department: str | None) -> list[OrganisationView]:
    """The offices in the caller's area and above it, which a desk there may choose from."""
    divisions = sorted({held.division for held in caller.assignments if held.division})
    prefixes = [division_prefix(division) for division in divisions]
    async with services.database.read() as connection:
        above = sorted(await places.tree_above(connection, divisions))
        rows = await cases.organisations_of_area(connection, department, above, prefixes)
    return [OrganisationView(**dict(row)) for row in rows]


# Acting ----------------------------------------------------------------------------------------------------


class _DryRun(Exception):
    """Takes a dry run back."""

    def __init__(self, detail: CaseDetail) -> None:
        super().__init__()
        self.detail = detail


async def act(
    services: Services,
    caller: Caller,
    item_id: UUID,
    action: CaseAction,
    *,
    why: str | None = None,
    dry_run: bool = False,
) -> CaseDetail:
    """Carry out an action and show the case after it. A dry run does it all and takes it back.

    `why`: what the audit trail is told, where that is more than the action's own reason. Raises Problem: not_found
    where the case is not the caller's to see, else what `sync.cases.transition` refuses.
    """
    now = datetime.now(UTC)
    work = partial(
        _act, services=services, caller=caller, item_id=item_id, action=action, now=now, why=why, dry_run=dry_run
    )
    try:
        return await services.database.write(work)
    except _DryRun as tried:
        return tried.detail


async def _act(
    tx: Transaction,
    services: Services,
    caller: Caller,
    item_id: UUID,
    action: CaseAction,
    now: datetime,
    why: str | None,
    dry_run: bool,
) -> CaseDetail:
    await items.lock_items(tx.connection, [item_id])
    await _check_visible(tx.connection, services, caller, item_id)
    await _link_photos(tx, item_id, action)
    (standing,) = await find_standings(tx.connection, services, [item_id])
    organisation = await _organisation(tx.connection, services, standing, action)
    move = carried_out(services, caller, standing, action, organisation, now)
    await store_moves(tx, services, [move], now)
    await record_desk_acts(tx, caller, [move], why)
    detail = await _detail(tx.connection, services, caller, move.after, now)
    if dry_run:
        raise _DryRun(detail)
    await touch_items(tx, [item_id])
    return detail


def carried_out(
    services: Services,
    caller: Caller,
    standing: Standing,
    action: CaseAction,
    organisation: Organisation | None,
    now: datetime,
) -> Moved:
    """The standing after an action; `organisation`: the office that it names. Raises Problem as `act` does."""
    if standing.case is None:
        raise Problem("not_found")
    if action.until is not None and action.until > now + _LONGEST_EXTENSION:
        raise Problem("parameter_invalid", field="until")
    given = Given(
        reason=action.reason,
        note=action.note,
        organisation=organisation,
        until=action.until,
        urgency=action.urgency,
        waiver=action.waiver,
        request=action.request,
    )
    actor, circumstances = _actor(caller, standing), standing.circumstances(services, now)
    outcome = transition(standing.case, action.action, actor, action.from_state, circumstances, given)
    if isinstance(outcome, Refusal):
        raise Problem(outcome.code, field=outcome.field, detail_zh=outcome.zh, detail_en=outcome.en)
    after = replace(standing, case=outcome)
    return Moved(standing, after, (), [_step(after, standing, caller, action, now)])


async def _organisation(
    connection: Connection, services: Services, standing: Standing, action: CaseAction
) -> Organisation | None:
    """The office that was named, or the nearest one of a department up the tree; always one above the item's grid."""
    department = action.department
    if action.organisation is None and department is None:
        return None
    divisions = (await ladders_above(connection, services, [standing.item]))[standing.item.id]
    if action.organisation is not None:
        chosen = await cases.find_organisation(connection, action.organisation)
        return chosen if chosen and chosen.division in divisions else None
    assert department is not None
    found = await cases.organisations_above(connection, [department], divisions)
    of_tier = [one for one in found if action.tier in (None, one.tier)]
    return nearest(of_tier, department, divisions)


async def _link_photos(tx: Transaction, item_id: UUID, action: CaseAction) -> None:
    """Photos from after the work; they count once their bytes were verified."""
    links = [PhotoLink(item_id, None, bytes.fromhex(one.sha256), one.size, "close") for one in action.photos]
    await evidence.link_photos(tx.connection, links)


def _step(after: Standing, before: Standing, caller: Caller, action: CaseAction, now: datetime) -> dict[str, Any]:
    found = before.case.state if before.case else None
    given = {
        "until": action.until,
        "urgency": action.urgency,
        "request": action.request,
        "waived": bool((action.waiver or "").strip()) or None,
    }
    return case_step(
        after,
        action.action,
        (found, after.case.state if after.case else ""),
        now,
        actor_id=caller.user_id,
        reason=action.reason,
        note=action.note,
        detail={key: value for key, value in given.items() if value is not None},
    )
