"""Plans of registry changes drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.field_values import printable
from server.cli.registry_tables import faults_table
from server.usecases.registry_reports import ApplyReport, Followed, GridChange, PlanReport, PostChange
from sync.registry_faults import Fault

KINDS: Final = {
    "new": "新设 new",
    "split": "拆分 split",
    "merge": "合并 merge",
    "renumber": "改号 renumber",
    "redraw": "重画 redraw",
    "move": "划归 move",
    "retire": "停用 retire",
}
_UNPLACED: Final = "待指定 to be named"


def print_plan(report: PlanReport, picture: Path | None) -> None:
    """What a plan would do, or every fault of it."""
    console = Console()
    if report.faults:
        _print_faults(console, report.faults)
        return
    console.print(_changes(report.changes))
    if report.items is not None:
        _print_items(console, report.items)
    if report.posts:
        console.print(_posts(report.posts))
    if report.behind:
        console.print(_behind(report))
    console.print(Text("\n".join(_summary(report, picture))), soft_wrap=True)


def print_applied(report: ApplyReport) -> None:
    """What was done, beside what was foretold."""
    console = Console()
    if report.faults:
        _print_faults(console, report.faults)
        return
    assert report.actual is not None
    console.print(Text(f"已发布编码库版本 / published: registry version {report.version}"))
    _print_items(console, report.actual)
    if not report.differences:
        console.print("与推演一致 / as foretold")
        return
    table = _table("与推演不同\nnot as foretold", "到\nto", "事项\ntype", "推演\nforetold", "实际\nactual")
    for one in report.differences:
        table.add_row(one.from_, one.to or _UNPLACED, one.type, str(one.predicted), str(one.actual))
    console.print(table)


def _print_faults(console: Console, faults: list[Fault]) -> None:
    console.print(faults_table(faults))
    count = len(faults)
    console.print(f"{count} 处问题,未写入任何内容 / {count} faults; nothing was written", soft_wrap=True)


def _changes(changes: list[GridChange]) -> Table:
    table = _table("操作\nchange", "原网格\nbefore", "新网格\nafter")
    for one in changes:
        table.add_row(KINDS[one.kind], "\n".join(one.before) or "—", "\n".join(one.after) or "—")
    return table


def _print_items(console: Console, items: Followed) -> None:
    if items.counts:
        table = _table("台账转出\nitems from", "转入\nto", "事项\ntype", "数量\nnumber")
        for one in items.counts:
            table.add_row(one.from_, one.to or _UNPLACED, one.type, str(one.items))
        console.print(table)
    words = f"查看 looked at {items.looked}, 转移 moved {items.moved}, 待指定 to be named {items.unplaced}"
    console.print(words, soft_wrap=True)


def _posts(posts: list[PostChange]) -> Table:
    """Those whom somebody may want to decide about are marked."""
    table = _table("任职\npost", "原网格\ngrid", "接着在\ngoes on in")
    for one in posts:
        who = Text(f"{printable(one.name)}\n{one.role}")
        table.add_row(who, one.grid, "\n".join(one.goes_on) or "— 请决定 to decide")
    return table


def _behind(report: PlanReport) -> Table:
    table = _table("手机\nphone", "持有人\nholder", "编码库\nregistry", "未传\nunsent")
    for one in report.behind:
        name, holder = Text(printable(one.name) or str(one.device)), Text(printable(one.user_name))
        table.add_row(name, holder, str(one.registry or "—"), str(one.unsent))
    return table


def _summary(report: PlanReport, picture: Path | None) -> list[str]:
    lines = [f"依据编码库版本 / for registry version {report.registry}"]
    if report.unstaffed:
        lines.append(f"无人任职的新网格 / new grids with nobody in them: {', '.join(report.unstaffed)}")
    for one in report.uncovered:
        place = f"{one.lon:.6f},{one.lat:.6f}"
        lines.append(f"{one.code} 有 {one.area_m2:,.0f} m² 将无网格 / will have no grid, {place}")
    if report.unplaced_items:
        shown = ", ".join(map(str, report.unplaced_items[:3]))
        lines.append(f"没有后继网格可容的台账,如 / no successor contains, as {shown}")
    lines.append(f"手机将重传约 / phones will be sent again about {report.bytes / 1e6:,.1f} MB")
    if report.conflicts is not None:
        told = report.conflicts
        lines.append(
            f"冲突 conflicts: 预计 expected {told.unplaced}, 已有 open {told.already_open}, "
            f"手机未传 unsent {told.unsent}"
        )
    if picture is not None:
        lines.append(f"地图已写入 / drawn in {printable(str(picture))}")
    return lines


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
