"""What an action does to a case, once it is allowed."""

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from sync.case_state import CaseState, Circumstances, Given, Held, next_tier
from sync.case_table import Transition
from sync.deadlines import deadlines, handling_calendar, resumed
from sync.duties import Actor


def perform(case: CaseState, line: Transition, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    """The state moves, and a request about the state that is left lapses with it."""
    effect = _EFFECTS.get(line.action)
    moved = case if effect is None else effect(case, actor, circumstances, given)
    if line.to_state is not None:
        moved = replace(moved, state=line.to_state)
    stays = moved.state == case.state and line.exit_code is None
    return moved if stays else replace(moved, asked=None)


def _dispatch(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    lead = given.organisation
    sent = replace(
        case,
        organisation=lead,
        department=lead.department if lead else case.department,
        assisting=tuple(one for one in case.assisting if one != lead),
        dispatched_at=circumstances.now,
        signed_at=None,
        asked=None,
    )
    return _responding(sent, circumstances)


def _attach(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    added = given.organisation
    if added is None or added == case.organisation or added in case.assisting:
        return case
    return replace(case, assisting=(*case.assisting, added))


def _set_urgency(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return dated(replace(case, urgency=given.urgency or case.urgency), circumstances)


def _sign(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, signed_at=circumstances.now)


def _handle(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, handled_at=circumstances.now, handled_by=actor.user_id)


def _redo(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, handled_at=None, handled_by=None, waiver=None)


def _verify(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, waiver=given.waiver or case.waiver)


def _end(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, closed_at=circumstances.now, held=None, waiver=given.waiver or case.waiver)


def _send_back(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, organisation=None, assisting=(), signed_at=None, respond_by=None)


def _extend(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, handle_by=given.until)


def _hold(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, held=Held(case.state, circumstances.now))


def _resume(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    """The clocks run on with what was left when they stopped."""
    held = case.held or Held("signed", circumstances.now)
    calendar = handling_calendar(circumstances.item_type, case.urgency, circumstances.catalogue)
    holidays = circumstances.catalogue.public_holidays

    def on(due: datetime | None) -> datetime | None:
        return due and resumed(due, held.at, circumstances.now, calendar, holidays)

    return replace(case, state=held.state, held=None, respond_by=on(case.respond_by), handle_by=on(case.handle_by))


def _reopen(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    anew = CaseState(state="reopened", urgency=case.urgency, department=case.department, opened_at=circumstances.now)
    return dated(anew, circumstances)


def _escalate(case: CaseState, actor: Actor, circumstances: Circumstances, given: Given) -> CaseState:
    return replace(case, escalated_to=next_tier(case))


_EFFECTS: dict[str, Callable[[CaseState, Actor, Circumstances, Given], CaseState]] = {
    "dispatch": _dispatch,
    "attach": _attach,
    "set_urgency": _set_urgency,
    "sign": _sign,
    "handle": _handle,
    "verify": _verify,
    "redo": _redo,
    "close": _end,
    "decline": _end,
    "void": _end,
    "send_back": _send_back,
    "extend": _extend,
    "hold": _hold,
    "resume": _resume,
    "reopen": _reopen,
    "escalate": _escalate,
}


def dated(case: CaseState, circumstances: Circumstances) -> CaseState:
    """All deadlines of the present round, by the case's urgency."""
    due = deadlines(circumstances.item_type, case.urgency, case.opened_at, case.dispatched_at, circumstances.catalogue)
    return replace(
        case,
        accept_by=due.accept_by,
        respond_by=due.respond_by,
        handle_by=due.handle_by,
        year_flagged=due.year_flagged,
    )


def _responding(case: CaseState, circumstances: Circumstances) -> CaseState:
    """The deadline to respond alone: an extension of handling outlives a new dispatch."""
    fresh = dated(case, circumstances)
    return replace(fresh, accept_by=case.accept_by, handle_by=case.handle_by)
