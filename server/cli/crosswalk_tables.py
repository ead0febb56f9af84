"""Legacy codes drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.field_values import EMPTY, printable
from server.cli.registry_tables import faults_table
from server.usecases.crosswalk import CodeMeaning, CodeRow, CrosswalkReport, GridName

_ANSWERS = {
    "one": "对应一个网格 / one grid",
    "several": "对应多个网格,由位置判定 / several grids, of which a position chooses",
    "ambiguous": "只属其中之一,须由位置或人工判定 / one of these; a position or a person decides",
    "retired": "已停用,没有后继 / retired without a successor",
    "unknown": "查无此编码 / not known",
}
_SENSES = {"covers": "覆盖\ncovers", "one_of": "其一\none of", "retired": "停用\nretired"}


def print_report(report: CrosswalkReport) -> None:
    """What an import did or would do, or every fault that kept it from it."""
    console = Console()
    if report.faults:
        console.print(faults_table(report.faults))
    console.print(Text("\n".join(_summary(report))), soft_wrap=True)


def print_rows(rows: list[CodeRow]) -> None:
    """A line a row, by department and code."""
    if not rows:
        Console().print("没有对照 / No rows.")
        return
    Console().print(_rows_table(rows))


def print_meaning(meaning: CodeMeaning) -> None:
    """The answer, the grids, and the rows that say it."""
    console = Console()
    heading = f"{printable(meaning.department)} {printable(meaning.legacy_code)}, {meaning.day}: "
    console.print(Text(heading + _ANSWERS[meaning.answer]), soft_wrap=True)
    if meaning.grids:
        console.print(_grids_table(meaning.grids))
    if meaning.rows:
        console.print(_rows_table(meaning.rows))


def _summary(report: CrosswalkReport) -> list[str]:
    lines: list[str] = []
    if report.encoding == "gb18030":
        lines.append("表格按 GB18030 读取,请核对 / the table was read as GB 18030: check it")
    if report.faults:
        count = len(report.faults)
        return [*lines, f"{count} 处问题,未写入任何内容 / {count} faults; nothing was written"]
    lines.append(f"对照 crosswalk: {report.rows} 行 rows")
    lines.append(f"  新增 new {report.new}, 变更 changed {report.changed}, 不变 unchanged {report.unchanged}")
    if report.left_out:
        lines.append(f"文件未列、保持不变 / not in the file, left as they are: {report.left_out}")
    return [*lines, _outcome(report)]


def _outcome(report: CrosswalkReport) -> str:
    if report.version is not None:
        return f"已发布编码库版本 / published: registry version {report.version}"
    if report.dry_run:
        return "试运行,未写入 / dry run, nothing was written"
    return "没有变化,未发布新版本 / nothing changed, no new version"


def _rows_table(rows: list[CodeRow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("部门\ndepartment", no_wrap=True)
    table.add_column("旧编码\nlegacy code", overflow="fold", ratio=3)
    table.add_column("有效期\nvalid", no_wrap=True)
    table.add_column("意义\nsense", no_wrap=True)
    table.add_column("地点\nplace", overflow="fold", ratio=3)
    for row in rows:
        valid = f"{row.valid_from}\n{row.valid_to or '至今 still'}"
        place = f"{row.place or EMPTY}\n{row.place_zh or ''}"
        table.add_row(
            row.department, Text(printable(row.legacy_code)), valid, _SENSES[row.sense], Text(printable(place))
        )
    return table


def _grids_table(grids: list[GridName]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("网格\ngrid", no_wrap=True)
    table.add_column("名称\nname", overflow="fold")
    for grid in grids:
        table.add_row(grid.code, Text(printable(grid.name)))
    return table
