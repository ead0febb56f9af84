"""Conflicts drawn for a terminal of 80 columns or more: Chinese first, colours where the terminal has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.item_type import Field
from server.cli.claim_tables import claim_parts
from server.cli.conflict_parts import kind_parts
from server.cli.conflict_words import ID_SHOWN, KINDS, TAKES, age_words, time_words
from server.cli.field_values import printable
from server.cli.three_way import three_ways
from server.usecases.conflict_views import Detail, Line, Page, Settled, takes_of
from server.usecases.settling import Done
from sync.disputes import Take


def print_list(page: Page, now: datetime) -> None:
    """A line a conflict, oldest first."""
    if not page.conflicts:
        Console().print("没有冲突 / No conflicts.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编号\nid", no_wrap=True, min_width=ID_SHOWN)
    table.add_column("冲突\nkind", no_wrap=True, min_width=13)
    table.add_column("事项\nitem type", ratio=4, overflow="fold")
    table.add_column("网格,作者\ngrid, author", overflow="fold", width=15)
    table.add_column("栏目\nfields", ratio=4, overflow="fold")
    table.add_column("已等\nopen", no_wrap=True, justify="right", min_width=4)
    for line in page.conflicts:
        table.add_row(*_cells(line, now))
    console = Console()
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --after {page.next}", soft_wrap=True)


def print_detail(detail: Detail, fields: Mapping[str, Field]) -> None:
    """Who wrote what when, both sides beside the base, and how to go on."""
    console = Console()
    draw_detail(console, detail, fields)
    console.print(Text(_footing(detail)), soft_wrap=True)


def draw_detail(console: Console, detail: Detail, fields: Mapping[str, Field]) -> None:
    """Who wrote what when, and both sides beside the base."""
    console.print(_heading(detail))
    for part in claim_parts(detail.claim, fields) if detail.claim else kind_parts(detail, fields):
        console.print(part)
    if detail.fields:
        console.print(three_ways(detail, fields))


def print_done(done: Done, console: Console | None = None) -> None:
    """What was done, or would be; on stdout, if no console is named."""
    verb = "将会 / would be" if done.dry_run else "已完成 / done"
    state = "已处理 settled" if done.state == "resolved" else "重新打开 open again"
    lines = [f"{verb}: 冲突 conflict {str(done.conflict)[:ID_SHOWN]} {state}; 版本 version {done.version}"]
    changed = "、".join(f"{one.zh} {one.en}" for one in done.changed) or "无 none"
    lines.append(f"改动 / changed: {changed}")
    if done.deleted:
        lines.append("事项已删除 / the item is deleted")
    if done.restored:
        lines.append("事项已恢复 / the item is restored")
    if done.linked:
        lines.append(f"并入 / one with: {done.linked}; 改为引用它的 repointed: {done.repointed}")
    if done.step:
        lines.append(f"案件状态 / the case is now: {done.step}")
    if done.together:
        lines.append(f"一并处理 / together with: {', '.join(str(one)[:ID_SHOWN] for one in done.together)}")
    if done.moved:
        lines.append(f"移至网格 / moved to grid: {done.grid or '—'}")
    (console or Console()).print(Text(printable("\n".join(lines))))


def _cells(line: Line, now: datetime) -> tuple[str | Text, ...]:
    return (
        Text(str(line.id)[:ID_SHOWN], style="dim" if line.state == "resolved" else "bold"),
        KINDS[line.kind].replace(" ", "\n"),
        Text(f"{line.type_zh} {line.type_en}"),
        Text(f"{line.grid or '—'}\n{printable(line.author)}"),
        Text("、".join(one.zh for one in line.fields)),
        age_words(now - line.opened_at),
    )


def _heading(detail: Detail) -> Text:
    line = detail.conflict
    state = "未处理 open" if line.state == "open" else "已处理 settled"
    deleted = ", 已删除 deleted" if detail.item_deleted else ""
    text = Text()
    text.append(f"冲突 conflict {line.id}\n", style="bold")
    text.append(f"{KINDS[line.kind]}, {state}, {time_words(line.opened_at)}\n")
    text.append(f"{line.type_zh} {line.type_en} ({line.type}), 网格 grid {line.grid or '—'}\n")
    text.append(f"事项 item {line.item}, 版本 version {detail.item_version}{deleted}\n")
    text.append(f"{detail.reason_zh}\n{detail.reason_en}\n", style="italic")
    return text


def _footing(detail: Detail) -> str:
    begin = str(detail.conflict.id)[:ID_SHOWN]
    lines = ["* 与原值不同 differs from base"] if detail.fields else []
    masked = (*detail.fields, *detail.content, *(detail.claim.content if detail.claim else ()))
    if any(one.masked for one in masked) or (detail.step is not None and detail.step.masked):
        lines += ["个人信息已遮盖 / masked; 查看 to see:"]
        lines += [f"onegrid conflict show {begin} --as … --reveal --reason …"]
    if detail.settled is None:
        lines += ["处理 / settle:"]
        lines += [f"onegrid conflict resolve {begin} --as … {how} --reason …" for how in _ways(takes_of(detail))]
    else:
        lines += _settled(detail.settled)
        if detail.settled.by is not None:
            lines += ["撤销 / undo:", f"onegrid conflict undo {begin} --as … --reason …"]
    return "\n".join(lines)


def _ways(takes: Sequence[Take]) -> list[str]:
    """How to say what may be taken."""
    sides = [take for take in takes if take not in ("grid", "link")]
    named = {"grid": "--grid CODE", "link": "--link ITEM"}
    return ([f"--take {'|'.join(sides)}"] if sides else []) + [named[take] for take in takes if take in named]


def _settled(settled: Settled) -> list[str]:
    who = printable(settled.by or "系统 system")
    lines = [f"{who} {time_words(settled.at)}: {TAKES[settled.take]}, v{settled.version}"]
    return lines + ([f"原因 / reason: {printable(settled.reason)}"] if settled.reason else [])
