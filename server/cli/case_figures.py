"""`onegrid case stats`: 处置率, 结案率 and 按期结案率."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.case_options import AfterOption, LimitOption, TypeOption
from server.cli.case_words import read_moment
from server.cli.conflict_options import DivisionOption, read_division
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.cli.field_values import EMPTY, printable
from server.db.case_figures import CountedBy, FiguresFilter
from server.services import Services
from server.usecases.case_figures import FiguresLine, FiguresPage, read_figures
from sync.case_figures import Figures

_WORDS: dict[CountedBy, str] = {
    "county": "县区 county",
    "street": "街道 street",
    "community": "社区 community",
    "grid": "网格 grid",
    "organisation": "单位 organisation",
    "worker": "上报人 reported by",
}


def stats(
    as_: AsOption,
    by: Annotated[CountedBy, typer.Option("--by", help="按什么统计 / counted by")] = "community",
    division: DivisionOption = None,
    item_type: TypeOption = None,
    begins: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="起算首日 / first day opened", show_default=False)
    ] = None,
    ends: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="起算末日 / last day opened", show_default=False)
    ] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """统计处置率、结案率、按期结案率 / how much was handled, closed, and closed in time.

    \b
    只计可查看的案件,超期多的在前;不予立案和作废的不计。
    处置率 = 已处置 / 已立案
    结案率 = 已结案 / 已立案
    按期结案率 = 按期处置并结案 / 应结案(已结案的,和过了处置期限的)
    当场办结的以采集时间计,不因断网而算超期;挂账的不算应结案。

    Cases that you may read are counted, the most overdue first; without those not accepted or void.

    \b
    handled  = handled / taken up
    closed   = closed / taken up
    in time  = handled within the limit and closed / due (closed, or past
               the limit of handling)

    What its author fixed on the spot counts by its capture, so that a dead network is nobody's fault; what is on hold
    is not due.

    \b
    例 / Examples:
      onegrid case stats --as 13800000006
      onegrid case stats --as 13800000006 --by organisation --from 2026-03-01
      onegrid case stats --as 13800000006 --by worker \\
          --division 341182001001 --json
    """
    first, last, prefix = read_moment(begins, "--from"), read_moment(ends, "--to"), read_division(division)
    narrowed = FiguresFilter(
        type=item_type, division=prefix, begins=first, ends=last + timedelta(days=1) if last else None
    )

    async def work(services: Services) -> FiguresPage:
        caller = await acting_as(services, as_)
        return await read_figures(services, caller, by, narrowed, datetime.now(UTC), after, limit)

    page = with_services(data, work)
    print_json(page) if as_json else _print(page)


def _print(page: FiguresPage) -> None:
    console = Console()
    if not page.lines:
        console.print("没有案件 / No cases.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column(f"{_WORDS[page.by]}\n", ratio=1, overflow="fold")
    for head in ("立案\ntaken up", "处置率\nhandled", "结案率\nclosed", "按期\nin time", "超期\noverdue"):
        table.add_column(head, justify="right", no_wrap=True, min_width=8)
    for one in page.lines:
        table.add_row(Text(_name(one)), *_cells(one.figures))
    table.add_row("合计 in all", *_cells(page.total), style="bold")
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --after {page.next}", soft_wrap=True)


def _name(line: FiguresLine) -> str:
    names = dict.fromkeys(one for one in (line.zh, line.en) if one)
    code = [line.key] if "-" not in line.key and line.key else []
    return printable(" ".join([*names, *code])) or EMPTY


def _cells(one: Figures) -> tuple[str, ...]:
    rates = (one.handling_rate, one.closing_rate, one.punctual_rate)
    shown = [EMPTY if rate is None else f"{rate:.1%}" for rate in rates]
    return (str(one.tally.taken_up), *shown, str(one.tally.overdue))
