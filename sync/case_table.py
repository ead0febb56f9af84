"""The table of case transitions: what may be done, in which states, by whom, and what it needs.

Exits of the catalogue (`case_exits`) name their own people and reasons, so the table only says which exit
an action is. An exit that somebody approves is first asked for, which changes nothing, and then approved or
refused.
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from schemas.catalogue import CaseExit, Catalogue
from sync.duties import SYSTEM

CaseStatus = Literal[
    "reported",
    "accepted",
    "not_accepted",
    "dispatched",
    "signed",
    "handled",
    "verified",
    "closed",
    "sent_back",
    "on_hold",
    "reopened",
    "void",
]
Need = Literal["review", "approval", "photos", "note", "organisation", "until", "urgency", "overdue", "direct_type"]

NEEDS: dict[Need, tuple[str, str]] = {
    "review": ("一般事项须先审核通过", "normal urgency: approved first"),
    "approval": ("审核已通过", "review approved"),
    "photos": ("所需照片已核验,或写明免交原因", "needed photos verified, or waived with a reason"),
    "note": ("说明", "a note"),
    "organisation": ("可读该事项的单位", "an organisation that may read the type"),
    "until": ("新的时限", "the new deadline"),
    "urgency": ("紧急程度", "an urgency of the type"),
    "overdue": ("已超期", "overdue"),
    "direct_type": ("直派事项", "a type sent straight to its department"),
}
WAITING: tuple[CaseStatus, ...] = ("reported", "accepted", "sent_back", "reopened")
WITH_DEPARTMENT: tuple[CaseStatus, ...] = ("dispatched", "signed")
UNHANDLED: tuple[CaseStatus, ...] = (*WAITING, *WITH_DEPARTMENT)
OPEN: tuple[CaseStatus, ...] = (*UNHANDLED, "handled", "verified", "on_hold")


class Transition(Struct, frozen=True, kw_only=True):
    """One line of the table.

    `to_state` None: the state stays, or it is the one a request names. `exit_code`: the exit of the
    catalogue whose people may act (`roles` stays empty) and whose reasons apply. `holder`: a department
    handler must belong to the organisation that holds the case, not to one that assists.
    """

    action: str
    zh: str
    from_states: tuple[CaseStatus, ...]
    to_state: CaseStatus | None = None
    roles: tuple[str, ...] = ()
    exit_code: str | None = None
    needs: tuple[Need, ...] = ()


TRANSITIONS: tuple[Transition, ...] = (
    Transition(
        action="accept",
        zh="立案",
        from_states=("reported",),
        to_state="accepted",
        roles=("dispatcher",),
        needs=("review",),
    ),
    Transition(
        action="decline",
        zh="不予立案",
        from_states=("reported", "accepted", "dispatched"),
        to_state="not_accepted",
        exit_code="not_accepted",
    ),
    Transition(
        action="dispatch",
        zh="派遣",
        from_states=("accepted", "sent_back", "reopened", "dispatched"),
        to_state="dispatched",
        roles=("dispatcher",),
        needs=("review", "organisation"),
    ),
    Transition(
        action="attach",
        zh="增加协办单位",
        from_states=WITH_DEPARTMENT,
        roles=("dispatcher", "department_handler"),
        needs=("organisation",),
    ),
    Transition(
        action="set_urgency",
        zh="调整紧急程度",
        from_states=UNHANDLED,
        roles=("dispatcher",),
        needs=("urgency",),
    ),
    Transition(
        action="sign",
        zh="签收",
        from_states=("dispatched",),
        to_state="signed",
        roles=("department_handler",),
    ),
    Transition(
        action="handle",
        zh="处置完毕",
        from_states=("signed",),
        to_state="handled",
        roles=("department_handler",),
    ),
    Transition(
        action="verify",
        zh="现场核实通过",
        from_states=("handled",),
        to_state="verified",
        roles=("grid_worker", "grid_chief"),
        needs=("photos",),
    ),
    Transition(
        action="redo",
        zh="核实未通过",
        from_states=("handled", "verified"),
        to_state="signed",
        roles=("grid_worker", "grid_chief", "dispatcher"),
        needs=("note",),
    ),
    Transition(
        action="close",
        zh="结案",
        from_states=("verified",),
        to_state="closed",
        roles=("dispatcher", "grid_chief"),
        needs=("approval", "photos"),
    ),
    Transition(
        action="close",
        zh="结案",
        from_states=("handled",),
        to_state="closed",
        roles=("dispatcher",),
        needs=("direct_type", "approval", "photos"),
    ),
    Transition(
        action="send_back",
        zh="回退",
        from_states=WITH_DEPARTMENT,
        to_state="sent_back",
        exit_code="sent_back",
    ),
    Transition(action="extend", zh="延期", from_states=WITH_DEPARTMENT, exit_code="extended", needs=("until",)),
    Transition(action="hold", zh="挂账", from_states=WITH_DEPARTMENT, to_state="on_hold", exit_code="on_hold"),
    Transition(
        action="resume",
        zh="恢复办理",
        from_states=("on_hold",),
        roles=("department_handler", "dispatcher", "street", "county_centre"),
    ),
    Transition(action="void", zh="作废", from_states=(*UNHANDLED, "on_hold"), to_state="void", exit_code="void"),
    Transition(
        action="reopen",
        zh="重新立案",
        from_states=("closed", "not_accepted"),
        to_state="reopened",
        roles=("dispatcher", "grid_chief", "community", "street", "county_centre"),
        needs=("note",),
    ),
    Transition(
        action="escalate",
        zh="督办升级",
        from_states=UNHANDLED,
        roles=(SYSTEM, "street", "county_centre"),
        needs=("overdue",),
    ),
)
ANSWERS = ("approve", "refuse", "withdraw")
"""What may be done with a request that is open, whatever the state."""


class TableRow(Struct, frozen=True):
    """A line for the documentation; `who` and `approved_by` are role codes."""

    action: str
    zh: str
    from_state: str
    to_state: str
    who: tuple[str, ...]
    approved_by: tuple[str, ...]
    needs_zh: tuple[str, ...]
    needs_en: tuple[str, ...]


def exits_of(catalogue: Catalogue) -> dict[str, CaseExit]:
    """The catalogue's exits by code."""
    return {one.code: one for one in catalogue.case_exits}


def state_table(catalogue: Catalogue) -> list[TableRow]:
    """The whole machine as rows, one per action and state it leaves."""
    exits = exits_of(catalogue)
    return [row for line in TRANSITIONS for row in _rows(line, exits)]


def _rows(line: Transition, exits: dict[str, CaseExit]) -> Iterator[TableRow]:
    out = exits.get(line.exit_code or "")
    needs = [NEEDS[need] for need in line.needs] + ([("原因代码", "a reason code")] if out else [])
    for state in line.from_states:
        yield TableRow(
            action=line.action,
            zh=line.zh,
            from_state=state,
            to_state=line.to_state or ("signed" if line.action == "resume" else state),
            who=out.by if out else line.roles,
            approved_by=(out.approved_by or ()) if out else (),
            needs_zh=tuple(zh for zh, _ in needs),
            needs_en=tuple(en for _, en in needs),
        )
