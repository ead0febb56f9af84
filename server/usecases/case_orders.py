"""A step of a case as somebody types it: carried out as `cases.act` does; a refusal says what is open instead."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct, ValidationError, convert

from schemas.offices import CaseAction, CaseDetail
from server.errors import Problem
from server.services import Services
from server.usecases.case_views import ANSWER_WORDS, CaseView, case_view, reason_codes
from server.usecases.cases import act, case_detail, find_case, organisations
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.case_table import ANSWERS, TRANSITIONS

STEPS = (*dict.fromkeys(line.action for line in TRANSITIONS), *ANSWERS)
"""The names of all steps, in the order of the table."""
STEP_WORDS = {line.action: line.zh for line in reversed(TRANSITIONS)} | ANSWER_WORDS

_CODE_NEEDED = ("reason_needed", "reason_unknown")


class Office(Struct, frozen=True):
    """An organisation by department, and by its division unless the nearest one is meant."""

    department: str
    division: str | None = None


class CaseOrder(Struct, frozen=True, kw_only=True):
    """Which step of which case, and why. `ids`: a range; `leaves`: the state that it must be in, if that is said.

    `given`: what a `CaseAction` takes beside. A request is answered as it is found, unless `given` names it.
    """

    ids: tuple[UUID, UUID]
    step: str
    why: str
    leaves: str | None = None
    office: Office | None = None
    given: dict[str, Any] = {}
    dry_run: bool = False


class Stepped(Struct, frozen=True, kw_only=True):
    """A case after a step, or as it would be. `before`: the state that it left; `asked`: it waits for approval now."""

    action: str
    before: str
    asked: bool
    dry_run: bool
    view: CaseView


async def take_step(services: Services, caller: Caller, order: CaseOrder) -> Stepped:
    """Take one step. Raises Problem as `cases.act` does; what it refuses says which steps are open to the caller."""
    told, item_id = checked_reason(order.why), await find_case(services, caller, order.ids)
    found = await case_detail(services, caller, item_id)
    action = await _completed(services, caller, order, found)
    try:
        after = await act(services, caller, item_id, action, why=told, dry_run=order.dry_run)
    except Problem as problem:
        if problem.code == "not_found":
            raise
        now = await case_detail(services, caller, item_id)
        raise _taught(services, problem, action.action, now) from problem
    return Stepped(
        action=action.action,
        before=action.from_state,
        asked=found.case.request is None and after.case.request is not None,
        dry_run=order.dry_run,
        view=case_view(services, after),
    )


async def _completed(services: Services, caller: Caller, order: CaseOrder, found: CaseDetail) -> CaseAction:
    """The action with what the case as it is found says: its state, its request, its offices."""
    filled: dict[str, Any] = {"action": order.step, "from": order.leaves or found.case.state}
    if order.step in ANSWERS and found.case.request is not None:
        filled["request"] = found.case.request.action
    if order.office is not None:
        filled |= await _office(services, caller, order.office)
    try:
        return convert(filled | order.given, CaseAction)
    except ValidationError as error:
        field = str(error).rpartition("$.")[2].strip("`") or None
        raise Problem("parameter_invalid", field=field) from None


async def _office(services: Services, caller: Caller, office: Office) -> dict[str, Any]:
    if office.division is None:
        return {"department": office.department}
    return {"organisation": await _office_id(services, caller, office)}


async def _office_id(services: Services, caller: Caller, office: Office) -> UUID:
    offices = await organisations(services, caller, office.department)
    chosen = next((one.id for one in offices if one.division == office.division), None)
    if chosen is None:
        known = [f"{one.department}@{one.division}" for one in offices]
        raise Problem(
            "organisation_unsuitable",
            field="organisation",
            detail_zh=f"没有这个单位,可选:{'、'.join(known) or '无'}。",
            detail_en=f"There is no such organisation; there are: {', '.join(known) or 'none'}.",
        )
    return chosen


def _taught(services: Services, problem: Problem, action: str, found: CaseDetail) -> Problem:
    """The refusal with what would do: a reason's code, or another step."""
    if problem.code in _CODE_NEEDED:
        codes = reason_codes(services, action)
        zh = f"请用 --code 写明原因代码:{'、'.join(f'{code} {words}' for code, words, _ in codes)}。"
        en = f"Give one of these with --code: {', '.join(f'{code} ({words})' for code, _, words in codes)}."
    else:
        zh, en = _open_steps(found)
    field = "--code" if problem.code in _CODE_NEEDED else problem.field
    return Problem(problem.code, field=field, detail_zh=f"{problem.zh}{zh}", detail_en=f"{problem.en} {en}")


def _open_steps(found: CaseDetail) -> tuple[str, str]:
    names = [one.action for one in found.actions]
    worded = "、".join(f"{STEP_WORDS[name]} {name}" for name in names)
    zh = f"案件现为 {found.case.state},您可办理:{worded or '无'}。"
    return zh, f"The case is {found.case.state}; open to you: {', '.join(names) or 'nothing'}."
