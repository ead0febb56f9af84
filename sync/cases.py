"""The life of an event after it was reported: a machine driven by the table in `sync.case_table`.

Every transition names the state it leaves. A round of a case begins with server receipt and again when it is
reopened; its deadlines count from there.
"""

from msgspec.structs import replace

from schemas.catalogue import Catalogue
from sync.access import Organisation
from sync.case_effects import dated, perform
from sync.case_needs import first_lacking, photos_lacking
from sync.case_state import Asked, CaseState, Circumstances, Given
from sync.case_table import ANSWERS, TRANSITIONS, Transition, exits_of
from sync.duties import SYSTEM, Actor
from sync.refusal import Refusal, forbidden, late_transition, reason_refusal
from sync.rules import Ruling

_LINES = {(line.action, state): line for line in TRANSITIONS for state in line.from_states}
_ACTIONS = {line.action for line in TRANSITIONS}
_DESK = Actor(None, frozenset({SYSTEM, "dispatcher"}))


def open_case(
    ruling: Ruling, circumstances: Circumstances, organisation: Organisation | None = None
) -> CaseState | None:
    """The case of a new event, as far as it goes by itself; None for a record. See `advance`."""
    if circumstances.item_type.kind == "record":
        return None
    reported = CaseState(
        state="reported",
        urgency=ruling.urgency,
        department=ruling.department,
        opened_at=circumstances.now,
    )
    return advance(dated(reported, circumstances), ruling, circumstances, organisation)


def revised(case: CaseState, ruling: Ruling, circumstances: Circumstances) -> CaseState:
    """The case after the item got a new revision: what nobody took up yet follows the new ruling.

    Work that closed by itself is reported anew if it now asks for a department.
    """
    closed_itself = case.state == "closed" and case.dispatched_at is None
    if closed_itself and not _closes_itself(ruling):
        case = replace(case, state="reported", closed_at=None, opened_at=circumstances.now)
    if case.state != "reported":
        return case
    return dated(replace(case, urgency=ruling.urgency, department=ruling.department), circumstances)


def advance(
    case: CaseState, ruling: Ruling, circumstances: Circumstances, organisation: Organisation | None = None
) -> CaseState:
    """What the server does by itself when review or photos have come further.

    What its author closes is closed once its photos are verified. A type of `direct` dispatch goes to
    `organisation` (the nearest of the ruling's department) as soon as its review allows.
    """
    if case.state != "reported":
        return case
    if _closes_itself(ruling):
        lacking = photos_lacking(case, circumstances, ruling.fixed_on_site)
        return case if lacking else replace(case, state="closed", closed_at=circumstances.now)
    if circumstances.item_type.dispatch_by != "direct" or organisation is None:
        return case
    accepted = transition(case, "accept", _DESK, "reported", circumstances)
    if isinstance(accepted, Refusal):
        return case
    given = Given(organisation=organisation)
    sent = transition(accepted, "dispatch", _DESK, "accepted", circumstances, given)
    return case if isinstance(sent, Refusal) else sent


def transition(
    case: CaseState,
    action: str,
    actor: Actor,
    named_from: str,
    circumstances: Circumstances,
    given: Given | None = None,
) -> CaseState | Refusal:
    """The case after an action, or why not.

    Refused: `late_transition` (the state is not the one named, or does not allow the action), `forbidden`,
    `parameter_invalid`, and what the action needs: `review_pending`, `evidence_not_verified`,
    `reason_needed`, `reason_unknown`, `note_needed`, `organisation_unsuitable`, `not_overdue`, `own_work`.
    """
    given = given or Given()
    if action not in _ACTIONS and action not in ANSWERS:
        return Refusal("parameter_invalid", "没有这个操作。", "There is no such action.", field="action")
    if named_from != case.state:
        return late_transition(case.state)
    if action in ANSWERS:
        return _answer(case, action, actor, circumstances, given)
    line = _LINES.get((action, case.state))
    return late_transition(case.state) if line is None else _take(case, line, actor, circumstances, given)


def leads_to(action: str, state: str) -> str | None:
    """The state that an action leads to from a state; None where it stays, or a request or a hold says which."""
    line = _LINES.get((action, state))  # pyright: ignore[reportArgumentType, reportCallIssue] any text may be asked
    return line.to_state if line else None


def may_take(case: CaseState, action: str, state: str, actor: Actor, catalogue: Catalogue) -> bool | None:
    """Whether who acts may take this action from this state of the case; None where no such action leaves it."""
    line = _LINES.get((action, state))  # pyright: ignore[reportArgumentType, reportCallIssue] any text may be asked
    if line is None:
        return None
    return _may_act(case, actor, exits_of(catalogue)[line.exit_code].by if line.exit_code else line.roles)


def _take(
    case: CaseState, line: Transition, actor: Actor, circumstances: Circumstances, given: Given
) -> CaseState | Refusal:
    """One line of the table: done at once, or asked for where the catalogue wants an approval."""
    way_out = exits_of(circumstances.catalogue)[line.exit_code] if line.exit_code else None
    if not _may_act(case, actor, way_out.by if way_out else line.roles):
        return forbidden()
    lacking = first_lacking(case, line, circumstances, given)
    if lacking is not None:
        return lacking
    if way_out is None:
        return perform(case, line, actor, circumstances, given)
    refusal = reason_refusal(given.reason, frozenset(reason.code for reason in way_out.reasons))
    if refusal is not None:
        return refusal
    if way_out.approved_by is None:
        return perform(case, line, actor, circumstances, given)
    return _ask(case, line, actor, circumstances, given)


def _ask(
    case: CaseState, line: Transition, actor: Actor, circumstances: Circumstances, given: Given
) -> CaseState | Refusal:
    if case.asked is not None:
        return Refusal(
            "late_transition",
            "已有一项申请待批,请先处理。",
            "Another request is open; it must be answered first.",
            state=case.state,
        )
    asked = Asked(
        action=line.action,
        reason=given.reason or "",
        by=actor.user_id,
        at=circumstances.now,
        until=given.until,
    )
    return replace(case, asked=asked)


def _answer(
    case: CaseState, action: str, actor: Actor, circumstances: Circumstances, given: Given
) -> CaseState | Refusal:
    """Approve, refuse or withdraw the open request; nobody approves what they asked for themselves."""
    asked = case.asked
    if asked is None or given.request != asked.action:
        return late_transition(case.state)
    line = _LINES[(asked.action, case.state)]
    if action == "withdraw":
        return replace(case, asked=None) if actor.user_id == asked.by else forbidden()
    if not _may_act(case, actor, _approvers(line, circumstances.catalogue)):
        return forbidden()
    if actor.user_id == asked.by:
        return Refusal("own_work", "不能审批自己的申请。", "Nobody approves their own request.")
    if action == "refuse":
        return replace(case, asked=None)
    return perform(case, line, actor, circumstances, replace(given, until=asked.until))


def _approvers(line: Transition, catalogue: Catalogue) -> tuple[str, ...]:
    return exits_of(catalogue)[line.exit_code or ""].approved_by or ()


def _may_act(case: CaseState, actor: Actor, roles: tuple[str, ...]) -> bool:
    """A handler acts for the organisation that leads, not for one that assists."""
    fitting = actor.roles.intersection(roles)
    if fitting - {"department_handler"} or not fitting:
        return bool(fitting)
    return case.organisation is not None and case.organisation.id in actor.organisation_ids


def _closes_itself(ruling: Ruling) -> bool:
    return not ruling.dispatch
