"""Conflicts drawn for a terminal of 80 columns or more: Chinese first, colours where the terminal has them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.item_type import Field
from server.cli.field_values import describe_value, printable
from server.usecases.conflict_views import Detail, Line, Page, Settled, Sides, Written
from server.usecases.conflicts import Done

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_KINDS = {
    "update_update": "改/改 update/update",
    "update_delete": "改/删 update/delete",
    "delete_update": "删/改 delete/update",
}
_TAKES = {"server": "服务器 server", "incoming": "离线 incoming", "merge": "合并 merge"}
_ID_SHOWN = 8


def print_list(page: Page, now: datetime) -> None:
    """A line a conflict, oldest first."""
    if not page.conflicts:
        Console().print("没有冲突 / No conflicts.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编号\nid", no_wrap=True, min_width=_ID_SHOWN)
    table.add_column("冲突\nkind", no_wrap=True, min_width=13)
    table.add_column("事项\nitem type", ratio=4, overflow="fold")
    table.add_column("网格\ngrid", no_wrap=True, min_width=15)
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
    console.print(_heading(detail))
    console.print(_three_ways(detail, fields))
    console.print(Text(_footing(detail)), soft_wrap=True)


def print_done(done: Done) -> None:
    """What was done, or would be."""
    verb = "将会 / would be" if done.dry_run else "已完成 / done"
    state = "已处理 settled" if done.state == "resolved" else "重新打开 open again"
    lines = [f"{verb}: 冲突 conflict {str(done.conflict)[:_ID_SHOWN]} {state}; 版本 version {done.version}"]
    changed = "、".join(f"{one.zh} {one.en}" for one in done.changed) or "无 none"
    lines.append(f"改动 / changed: {changed}")
    if done.deleted:
        lines.append("事项已删除 / the item is deleted")
    if done.restored:
        lines.append("事项已恢复 / the item is restored")
    if done.moved:
        lines.append(f"移至网格 / moved to grid: {done.grid or '—'}")
    Console().print(Text(printable("\n".join(lines))))


def _cells(line: Line, now: datetime) -> tuple[str | Text, ...]:
    return (
        Text(str(line.id)[:_ID_SHOWN], style="dim" if line.state == "resolved" else "bold"),
        _KINDS[line.kind].replace(" ", "\n"),
        Text(f"{line.type_zh} {line.type_en}"),
        line.grid or "—",
        Text("、".join(one.zh for one in line.fields)),
        _age(now - line.opened_at),
    )


def _heading(detail: Detail) -> Text:
    line = detail.conflict
    state = "未处理 open" if line.state == "open" else "已处理 settled"
    deleted = ", 已删除 deleted" if detail.item_deleted else ""
    text = Text()
    text.append(f"冲突 conflict {line.id}\n", style="bold")
    text.append(f"{_KINDS[line.kind]}, {state}, {_time(line.opened_at)}\n")
    text.append(f"{line.type_zh} {line.type_en} ({line.type}), 网格 grid {line.grid or '—'}\n")
    text.append(f"事项 item {line.item}, 版本 version {detail.item_version}{deleted}\n")
    text.append(f"{detail.reason_zh}\n{detail.reason_en}\n", style="italic")
    return text


def _three_ways(detail: Detail, fields: Mapping[str, Field]) -> Table:
    table = Table(expand=True, show_lines=True, header_style="bold")
    table.add_column("栏目\nfield", ratio=3, overflow="fold")
    table.add_column(_head("原值 base", detail.base), ratio=4, overflow="fold")
    table.add_column(_head("服务器 server", detail.server), ratio=4, overflow="fold")
    table.add_column(_head("离线 incoming", detail.incoming), ratio=4, overflow="fold")
    for sides in detail.fields:
        table.add_row(Text(f"{sides.zh}\n{sides.en}\n{sides.key}"), *_values(detail, sides, fields.get(sides.key)))
    return table


def _head(title: str, written: Written | None) -> Text:
    if written is None:
        return Text(title)
    version = f"v{written.version} " if written.version else ""
    lines = (title, f"{version}{printable(written.author)}", printable(written.device), _time(written.captured_at))
    return Text("\n".join(line for line in lines if line))


def _values(detail: Detail, sides: Sides, field: Field | None) -> tuple[Text, Text, Text]:
    gone = Text("删除 deleted", style="bold red")
    server = _side(field, sides.server, sides.server_changed, "yellow")
    incoming = _side(field, sides.incoming, sides.incoming_changed, "cyan")
    if sides.moved_on:
        server.append("\n又有改动 moved on", style="italic")
    if detail.conflict.kind == "delete_update":
        incoming = gone
    if detail.item_deleted:
        server = Text.assemble(gone, "\n", server)
    return Text(describe_value(field, sides.base), style="dim"), server, incoming


def _side(field: Field | None, value: Any, changed: bool, colour: str) -> Text:
    """The mark says without colour what the colour says: this side differs from the base."""
    words = describe_value(field, value)
    return Text(f"* {words}", style=f"bold {colour}") if changed else Text(words)


def _footing(detail: Detail) -> str:
    begin = str(detail.conflict.id)[:_ID_SHOWN]
    lines = ["* 与原值不同 differs from base"]
    if any(sides.masked for sides in detail.fields):
        lines += ["个人信息已遮盖 / masked; 查看 to see:"]
        lines += [f"onegrid conflict show {begin} --as … --reveal --reason …"]
    if detail.settled is None:
        lines += ["处理 / settle:"]
        lines += [f"onegrid conflict resolve {begin} --as … --take server|incoming|merge --reason …"]
    else:
        lines += [*_settled(detail.settled), "撤销 / undo:", f"onegrid conflict undo {begin} --as … --reason …"]
    return "\n".join(lines)


def _settled(settled: Settled) -> list[str]:
    return [
        f"{printable(settled.by)} {_time(settled.at)}: {_TAKES[settled.take]}, v{settled.version}",
        f"原因 / reason: {printable(settled.reason)}",
    ]


def _time(moment: datetime) -> str:
    return moment.astimezone(_CITY_TIME).strftime("%Y-%m-%d %H:%M")


def _age(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours // 24}d" if hours >= 24 else f"{hours}h" if hours else f"{int(age.total_seconds() // 60)}m"
