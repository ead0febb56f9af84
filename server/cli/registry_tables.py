"""The registry drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.field_values import printable
from server.usecases.registry_import import ImportReport
from server.usecases.registry_views import GridDetail, GridPage, LabelView
from sync.registry_faults import Fault

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_KINDS = {"general": "全科 general", "temporary": "临时 temporary", "dedicated": "专属 dedicated"}


class Written(Struct, frozen=True, kw_only=True):
    """An export that was written to a file."""

    file: str
    format: str
    grids: int
    version: int


def print_grid(detail: GridDetail) -> None:
    """Everything about a grid, and its labels, newest first."""
    console = Console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(detail):
        table.add_row(Text(name, style="dim"), Text(printable(value)))
    console.print(table)
    console.print(_labels(detail.labels))


def print_grids(page: GridPage) -> None:
    """A line a grid."""
    if not page.grids:
        Console().print("没有网格 / No grids.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编码\ncode", no_wrap=True, min_width=15)
    table.add_column("种类\nkind", no_wrap=True, min_width=9)
    table.add_column("名称\nname", ratio=4, overflow="fold")
    table.add_column("社区\ncommunity", ratio=3, overflow="fold")
    table.add_column("边界\noutline", no_wrap=True)
    for one in page.grids:
        drawn = "合成\nsynthetic" if one.synthetic else ""
        community = f"{one.community_zh} {one.community_en}".strip()
        kind = _KINDS[one.kind].replace(" ", "\n")
        table.add_row(one.code, kind, Text(printable(one.name)), Text(printable(community)), drawn)
    console = Console()
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --cursor {page.next}", soft_wrap=True)


def print_written(written: Written) -> None:
    """How many grids went into the file."""
    words = (
        f"{written.grids} 个网格(编码库版本 {written.version})已写入 / grids of registry version {written.version} in"
    )
    Console().print(Text(f"{words} {printable(written.file)}"), soft_wrap=True)


def print_report(report: ImportReport) -> None:
    """What an import did or would do, or every fault that kept it from it."""
    console = Console()
    if report.faults:
        console.print(faults_table(report.faults))
    console.print(Text("\n".join(_summary(report))), soft_wrap=True)


def _lines(detail: GridDetail) -> list[tuple[str, str]]:
    state = "" if detail.current else " (已停用 retired)"
    drawn = "合成 synthetic" if detail.synthetic else "实测 surveyed"
    given = f", 原为 given as {detail.given_crs}" if detail.given_crs else ""
    first, last = detail.valid_from or "—", detail.valid_to or "—"
    return [
        ("编码 code", f"{detail.code}{state}"),
        ("印刷 printed", detail.printed),
        ("名称 name", detail.name),
        ("种类 kind", _KINDS[detail.kind]),
        ("区划 division", " < ".join(f"{one.name_zh} {one.name_en}".strip() for one in detail.divisions)),
        ("小区 compounds", "、".join(detail.compounds) or "—"),
        ("微网格 micro-grids", "\n".join(f"{one.code} {one.name}" for one in detail.micro_grids) or "—"),
        ("有效期 valid", f"{first} – {last}"),
        ("边界 outline", f"{drawn}{given}"),
        ("人员 team", ", ".join(f"{role} {count}" for role, count in sorted(detail.team.items())) or "—"),
        ("旧码 legacy codes", ", ".join(f"{one['department']}:{one['code']}" for one in detail.legacy_codes) or "—"),
        ("编号 id", str(detail.id)),
    ]


def _labels(labels: list[LabelView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("版本\nversions", no_wrap=True)
    table.add_column("发布\npublished", no_wrap=True)
    table.add_column("编码\ncode", no_wrap=True, min_width=15)
    table.add_column("名称\nname", ratio=3, overflow="fold")
    table.add_column("原因\nreason", ratio=3, overflow="fold")
    for one in labels:
        versions = f"{one.from_version} – {one.to_version or ''}"
        day = one.published_at.astimezone(_CITY_TIME).strftime("%Y-%m-%d")
        table.add_row(versions, day, one.code, Text(printable(one.name)), Text(printable(one.note)))
    return table


def _summary(report: ImportReport) -> list[str]:
    lines: list[str] = []
    if "gb18030" in report.encodings:
        lines.append("表格按 GB18030 读取,请核对名称 / a table was read as GB 18030: check the names")
    if report.faults:
        if sum(one.fault == "outside_community" for one in report.faults) > report.rows / 2:
            lines.append("大半网格在界外,请先核实 --crs / most grids lie outside: is --crs right?")
        count = len(report.faults)
        return [*lines, f"{count} 处问题,未写入任何内容 / {count} faults; nothing was written"]
    lines.append(f"网格 grids: {report.rows} 行 rows")
    lines.append(f"  新增 new {report.new}, 变更 changed {report.changed}, 不变 unchanged {report.unchanged}")
    if report.new_divisions or report.changed_divisions:
        lines.append(f"区划 divisions: 新增 new {report.new_divisions}, 变更 changed {report.changed_divisions}")
    if report.left_out:
        lines.append(f"文件未列、保持不变的网格 / not in the file, left as they are: {report.left_out}")
    return [*lines, _outcome(report)]


def _outcome(report: ImportReport) -> str:
    if report.version is not None:
        return f"已发布编码库版本 / published: registry version {report.version}"
    if report.dry_run:
        return "试运行,未写入 / dry run, nothing was written"
    return "没有变化,未发布新版本 / nothing changed, no new version"


def faults_table(faults: list[Fault]) -> Table:
    """A line a fault: where it is, and what to do about it."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("行\nrow", no_wrap=True, justify="right", min_width=3)
    table.add_column("编码\ncode", no_wrap=True, min_width=15)
    table.add_column("问题\nfault", ratio=2, overflow="fold")
    table.add_column("怎么办\nwhat to do", ratio=5, overflow="fold")
    for one in faults:
        words = Text.assemble(one.zh, "\n", (one.en, "dim"))
        row = str(one.row) if one.row is not None else "—"
        where = Text.assemble(one.fault, "\n", (one.field, "dim"))
        table.add_row(row, Text(printable(one.code)), where, words)
    return table
