"""A case as the command line shows it: masked unless revealed, with what may be done next, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.offices import CaseDetail, CaseStepView, CaseSummary
from server.db import audit
from server.masking import HIDDEN
from server.services import Services
from server.usecases.cases import case_detail, find_case
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.case_table import NEEDS, TRANSITIONS, TableRow, exits_of, state_table

ANSWER_WORDS = {"approve": "同意申请", "refuse": "不同意申请", "withdraw": "撤回申请"}


class NextStep(Struct, frozen=True, kw_only=True):
    """A step that leaves the case's state. `who` and `approved_by`: role codes; `by`: the one person, if it is one.

    `codes`: the reasons to choose from. `yours`: whether it is open to who looks, and `lacks` the code of what it still
    needs then.
    """

    action: str
    zh: str
    to_state: str
    who: list[str]
    by: UUID | None = None
    approved_by: list[str]
    needs_zh: list[str]
    needs_en: list[str]
    codes: list[str]
    yours: bool
    lacks: str | None


class CaseView(Struct, frozen=True, kw_only=True):
    """A case with its history and its next steps. `masked`: notes and waiver are there and hidden."""

    case: CaseSummary
    steps: list[CaseStepView]
    waiver: str | None
    next: list[NextStep]
    masked: bool


async def show_case(services: Services, caller: Caller, ids: tuple[UUID, UUID]) -> CaseView:
    """The one case with an id in this range, what people wrote hidden. Raises Problem: not_found, parameter_invalid."""
    detail = await case_detail(services, caller, await find_case(services, caller, ids))
    return case_view(services, detail)


async def reveal_case(services: Services, caller: Caller, ids: tuple[UUID, UUID], reason: str) -> CaseView:
    """The same with everything; that it was asked for and why is on record before it is shown.

    Raises Problem as `show_case` does, and reason_needed.
    """
    told, item_id = checked_reason(reason), await find_case(services, caller, ids)
    detail = await case_detail(services, caller, item_id)
    shown = {"notes": sum(step.note is not None for step in detail.steps), "waiver": detail.waiver is not None}
    await services.database.write(
        lambda tx: audit.record(
            tx.connection, caller.user_id, "case.reveal", "item", str(item_id), told, shown, caller.request_id
        )
    )
    return case_view(services, detail, revealed=True)


def case_view(services: Services, detail: CaseDetail, *, revealed: bool = False) -> CaseView:
    """A case that the caller may see, as it is shown."""
    written = detail.waiver is not None or any(step.note is not None for step in detail.steps)
    masked = written and not revealed
    return CaseView(
        case=detail.case,
        steps=[_masked(step) for step in detail.steps] if masked else detail.steps,
        waiver=HIDDEN if masked and detail.waiver is not None else detail.waiver,
        next=list(next_steps(services, detail)),
        masked=masked,
    )


def _masked(step: CaseStepView) -> CaseStepView:
    return replace(step, note=HIDDEN) if step.note is not None else step


def next_steps(services: Services, detail: CaseDetail) -> Iterator[NextStep]:
    """What may be done in this state, whoever does it: what the table of cases says, and the answers to a request."""
    case, mine = detail.case, {one.action: one.lacks for one in detail.actions}
    direct = services.catalogue.types[case.type].type.dispatch_by == "direct"
    for row in state_table(services.catalogue.source):
        # What has to be approved is asked for one at a time.
        blocked = case.request is not None and row.approved_by
        past_the_desk = NEEDS["direct_type"][0] in row.needs_zh and not direct
        if row.from_state == case.state and not blocked and not past_the_desk:
            yield _step(services, mine, row)
    yield from _answers(services, detail, mine)


def _step(services: Services, mine: dict[str, str | None], row: TableRow) -> NextStep:
    return NextStep(
        action=row.action,
        zh=row.zh,
        to_state=row.to_state,
        who=list(row.who),
        approved_by=list(row.approved_by),
        needs_zh=list(row.needs_zh),
        needs_en=list(row.needs_en),
        codes=[code for code, _, _ in reason_codes(services, row.action)],
        yours=row.action in mine,
        lacks=mine.get(row.action),
    )


def _answers(services: Services, detail: CaseDetail, mine: dict[str, str | None]) -> Iterator[NextStep]:
    asked = detail.case.request
    if asked is None:
        return
    (row,) = [
        one
        for one in state_table(services.catalogue.source)
        if (one.action, one.from_state) == (asked.action, detail.case.state)
    ]
    for action, zh in ANSWER_WORDS.items():
        withdraws = action == "withdraw"
        yield NextStep(
            action=action,
            zh=zh,
            to_state=row.to_state if action == "approve" else detail.case.state,
            who=[] if withdraws else list(row.approved_by),
            by=asked.by if withdraws else None,
            approved_by=[],
            needs_zh=[],
            needs_en=[],
            codes=[],
            yours=action in mine,
            lacks=mine.get(action),
        )


def reason_codes(services: Services, action: str) -> list[tuple[str, str, str]]:
    """The reasons of the catalogue that a step must name one of: code, zh, en; none where it is no exit."""
    codes = {line.exit_code for line in TRANSITIONS if line.action == action and line.exit_code}
    exits = exits_of(services.catalogue.source)
    return [(reason.code, reason.zh, reason.en) for code in codes for reason in exits[code].reasons]
