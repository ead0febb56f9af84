"""The small form of each action that is open on a case: what the table of cases says it needs, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from litestar.datastructures import FormMultiDict
from msgspec import ValidationError, convert

from schemas.forms import CompiledType
from schemas.offices import ActionView, CaseAction, CaseDetail, OrganisationView
from server.console.clock import BEIJING
from server.console.filters import Choice
from server.console.visit import Visit
from server.errors import CATALOGUE, Problem
from server.usecases import cases
from sync.access import division_prefix, may_hold
from sync.case_table import TRANSITIONS, Transition, exits_of

_FILLED_IN_HERE = ("note_needed", "organisation_unsuitable", "reason_needed", "parameter_invalid")
_AT_ONCE = ("accept", "sign", "verify", "resume", "escalate", "withdraw", "approve", "close")
_STRAIGHT_ON = ("accept", "dispatch", "sign", "handle", "verify", "close", "approve", "refuse", "withdraw")
_NOTED = ("handle", "dispatch", "decline", "send_back", "extend", "hold", "void", "refuse", "attach")


class ActionForm(NamedTuple):
    """One action. `at_once`: a button without questions. `blocked`: why it has to wait. `main`: the straight course."""

    action: str
    words: str
    main: bool
    at_once: bool
    blocked: str
    organisations: list[Choice]
    nearest: str
    reasons: list[Choice]
    note: str
    until: bool
    urgencies: list[Choice]
    waiver: bool
    request: str


async def action_forms(visit: Visit, compiled: CompiledType, detail: CaseDetail) -> list[ActionForm]:
    """The forms of what this person may do, the straight course first."""
    offices = await _offices(visit, compiled, detail) if _asks_for_office(detail) else []
    forms = [_form(visit, compiled, detail, action, offices) for action in detail.actions]
    return sorted(forms, key=lambda form: not form.main)


def read_action(form: FormMultiDict) -> CaseAction:
    """The action that was sent. Raises Problem `parameter_invalid`."""
    given: dict[str, Any] = {key: str(value).strip() for key, value in form.multi_items()}
    names = ("action", "from", "organisation", "reason", "note", "urgency", "waiver", "request")
    try:
        fields = {key: given[key] for key in names if given.get(key)}
        if given.get("until"):
            fields["until"] = datetime.fromisoformat(given["until"]).replace(tzinfo=BEIJING)
        return convert(fields, CaseAction)
    except (ValueError, ValidationError):
        raise Problem("parameter_invalid") from None


def _form(
    visit: Visit,
    compiled: CompiledType,
    detail: CaseDetail,
    action: ActionView,
    offices: Sequence[OrganisationView],
) -> ActionForm:
    name, request = action.action, detail.case.request
    line = _line(name, detail.case.state)
    needs = line.needs if line else ()
    reasons = _reasons(visit, line)
    waiver = action.lacks == "evidence_not_verified" and "photos" in needs
    asks = bool(reasons) or waiver or {"note", "organisation", "until", "urgency"} & set(needs)
    return ActionForm(
        action=name,
        words=visit.say(f"action.{name}"),
        main=name in _STRAIGHT_ON,
        at_once=name in _AT_ONCE and not asks,
        blocked=_blocked(visit, action.lacks) if not waiver else "",
        organisations=[_office(visit, one) for one in offices] if "organisation" in needs else [],
        nearest=_nearest(detail, offices),
        reasons=reasons,
        note="needed" if "note" in needs else "optional" if name in _NOTED else "",
        until="until" in needs,
        urgencies=[Choice(one, visit.urgency(one)) for one in compiled.type.urgency.allowed]
        if "urgency" in needs
        else [],
        waiver=waiver,
        request=request.action if request and line is None else "",
    )


def _line(action: str, state: str) -> Transition | None:
    return next((line for line in TRANSITIONS if line.action == action and state in line.from_states), None)


def _reasons(visit: Visit, line: Transition | None) -> list[Choice]:
    if line is None or line.exit_code is None:
        return []
    way_out = exits_of(visit.services.catalogue.source)[line.exit_code]
    return [Choice(one.code, visit.either(one.zh, one.en)) for one in way_out.reasons]


def _blocked(visit: Visit, lacks: str | None) -> str:
    if lacks is None or lacks in _FILLED_IN_HERE:
        return ""
    return visit.either(CATALOGUE[lacks].zh, CATALOGUE[lacks].en)


def _asks_for_office(detail: CaseDetail) -> bool:
    return any(one.action in ("dispatch", "attach") for one in detail.actions)


async def _offices(visit: Visit, compiled: CompiledType, detail: CaseDetail) -> list[OrganisationView]:
    """The offices above the item's grid that may hold a case of this type."""
    code = detail.case.code or ""
    return [
        one
        for one in await cases.organisations(visit.services, visit.caller, None)
        if code.startswith(division_prefix(one.division)) and may_hold(compiled.type, one.department)
    ]


def _office(visit: Visit, one: OrganisationView) -> Choice:
    return Choice(str(one.id), visit.either(one.name_zh, one.name_en))


def _nearest(detail: CaseDetail, offices: Sequence[OrganisationView]) -> str:
    """The office that is suggested: the nearest one of the case's own department."""
    own = [one for one in offices if one.department == detail.case.department]
    nearest: UUID | None = max(own, key=lambda one: len(division_prefix(one.division))).id if own else None
    return str(nearest) if nearest else ""
