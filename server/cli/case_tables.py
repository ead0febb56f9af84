"""Cases drawn for a terminal of 80 columns or more: Chinese first, times of the city."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.offices import CasesPage, CaseStepView, CaseSummary, OrganisationView
from server.cli.case_words import (
    DEADLINES,
    ID_SHOWN,
    local,
    role_words,
    state_words,
    step_words,
    type_words,
    urgency_words,
    waited_words,
)
from server.cli.field_values import EMPTY, printable
from server.errors import CATALOGUE
from server.usecases.case_orders import Stepped
from server.usecases.case_views import CaseView, NextStep
from server.usecases.cases import next_deadline

_FILLED_IN = ("note_needed", "organisation_unsuitable", "reason_needed", "parameter_invalid")


def print_cases(page: CasesPage, now: datetime) -> None:
    """A line a case, the most urgent first."""
    console = Console()
    if not page.cases:
        console.print("没有案件 / No cases.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编号,网格\nid, grid", no_wrap=True, min_width=ID_SHOWN)
    table.add_column("事项\nitem type", ratio=1, overflow="fold")
    table.add_column("状态,单位\nstate, with", ratio=1, overflow="fold")
    table.add_column("到期\ndue", no_wrap=True, min_width=16)
    for one in page.cases:
        table.add_row(*_cells(one, now))
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --after {page.next}", soft_wrap=True)


def _cells(one: CaseSummary, now: datetime) -> tuple[str | Text, ...]:
    due = next_deadline(one)
    state = [state_words(one.state), _office(one.organisation)]
    if one.request:
        state.append(f"待批 asked: {step_words(one.request.action)}")
    late = one.overdue or (due is not None and due < now)
    return (
        Text(f"{str(one.item)[:ID_SHOWN]}\n{one.code or EMPTY}"),
        Text(f"{type_words(one.type)}\n{urgency_words(one.urgency)}"),
        Text("\n".join(state)),
        Text("\n".join([local(due) if due else EMPTY, *(["超期 overdue"] if late else [])])),
    )


def print_case(view: CaseView) -> None:
    """Where it stands, how it came there, and how it may go on."""
    console, case = Console(), view.case
    console.print(Text(_heading(case)), soft_wrap=True)
    for name, due in (("accept", case.accept_by), ("respond", case.respond_by), ("handle", case.handle_by)):
        if due is not None:
            late = "  超期 overdue" if name in case.overdue else ""
            console.print(Text(f"  {DEADLINES[name]}: {local(due)}{late}"), soft_wrap=True)
    if case.request is not None:
        console.print(Text(_request(case)), soft_wrap=True)
    if view.waiver is not None:
        console.print(Text(f"免交照片的原因 photos waived: {printable(view.waiver)}"), soft_wrap=True)
    for step in view.steps:
        console.print(Text(_history(step)), soft_wrap=True)
    _print_next(console, view.next)
    if view.masked:
        console.print(Text("说明已遮盖 / notes are masked: --reveal --reason …", style="italic"))


def print_stepped(done: Stepped) -> None:
    """What a step did, or would do, and how the case may go on."""
    said = "将会 would be done" if done.dry_run else "已完成 done"
    console, case = Console(), done.view.case
    console.print(Text(f"{said}: {step_words(done.action)}  {case.item}"), soft_wrap=True)
    console.print(Text(f"{state_words(done.before)} → {state_words(case.state)}"), soft_wrap=True)
    if done.asked:
        console.print(Text(_request(case)), soft_wrap=True)
    due = next_deadline(case)
    console.print(Text(f"单位 with: {_office(case.organisation)}  到期 due: {local(due) if due else EMPTY}"))
    _print_next(console, done.view.next)


def _heading(case: CaseSummary) -> str:
    assisting = ", ".join(_office(one) for one in case.assisting)
    lines = [
        f"{type_words(case.type)}  {case.item}",
        f"{state_words(case.state)}, {urgency_words(case.urgency)}, 网格 grid {case.code or EMPTY}",
        f"单位 with: {_office(case.organisation)}" + (f"; 协办 assisting: {assisting}" if assisting else ""),
        f"起算 opened: {local(case.opened_at)}" + (f", 结案 closed: {local(case.closed_at)}" if case.closed_at else ""),
    ]
    if case.escalated_to:
        lines.append(f"已升级至 escalated to: {case.escalated_to}")
    return "\n".join(lines)


def _office(office: OrganisationView | None) -> str:
    if office is None:
        return EMPTY
    return f"{office.name_zh} {office.department}@{office.division}"


def _request(case: CaseSummary) -> str:
    asked = case.request
    assert asked is not None
    until = f", 至 until {local(asked.until)}" if asked.until else ""
    return f"待批 asked for: {step_words(asked.action)} ({asked.reason}), {local(asked.at)}{until}"


def _history(step: CaseStepView) -> str:
    who = printable(step.actor_name) if step.actor_name else "系统 system"
    lines = [f"{local(step.at)} {step_words(step.action)}: {who} → {state_words(step.to_state)}"]
    if waited := waited_words(step.detail.get("waited_for")):
        lines.append(f"   {waited}")
    if step.organisation_zh:
        lines.append(f"   单位 with: {step.organisation_zh}")
    if step.reason:
        lines.append(f"   原因 reason: {step.reason}")
    if step.note is not None:
        lines.append(f"   说明 note: {printable(step.note)}")
    return "\n".join(lines)


def _print_next(console: Console, steps: list[NextStep]) -> None:
    if not steps:
        console.print("没有下一步 / nothing may be done next")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("下一步\nnext", ratio=3, overflow="fold")
    table.add_column("由谁\nby whom", ratio=3, overflow="fold")
    table.add_column("须有\nneeds", ratio=4, overflow="fold")
    table.add_column("", no_wrap=True, min_width=6)
    for one in steps:
        table.add_row(Text(f"{one.zh} {one.action}"), Text(_who(one)), Text(_needs(one)), "您 you" if one.yours else "")
    console.print(table)


def _who(step: NextStep) -> str:
    lines = [role_words(code) for code in step.who] or ["申请人 who asked"]
    if step.approved_by:
        lines += ["批准 approved by:", *[role_words(code) for code in step.approved_by]]
    return "\n".join(lines)


def _needs(step: NextStep) -> str:
    lines = [f"{zh} {en}" for zh, en in zip(step.needs_zh, step.needs_en, strict=True)]
    if step.lacks and step.lacks not in _FILLED_IN:
        lines.append(f"现在不能 not yet: {CATALOGUE[step.lacks].zh}")
    return "\n".join(lines)
