"""`onegrid retention`: how long the catalogue keeps personal values, and erasing what is due."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from server.cli.context import (
    AsOption,
    DataOption,
    JsonOption,
    acting_as,
    catalogue_in_use,
    need_reason,
    print_json,
    with_services,
)
from server.cli.progress import progress
from server.services import Services
from server.usecases.retention import Rule, Run, Wish, count_due, run_for, show_rules
from server.usecases.telling import Teller

app = typer.Typer(no_args_is_help=True)

_CITY_TIME = ZoneInfo("Asia/Shanghai")


@app.callback()
def retention() -> None:
    """个人信息的保存期限 / how long personal values are kept.

    期限由事项目录规定,每夜自动执行:事件自办结起算,台账自登记注销起算。

    The catalogue says how long, counted from the end of an event's case or the deletion of a record; what is due is
    erased every night by itself.
    """


@app.command()
def show(as_json: JsonOption = False, data: DataOption = None) -> None:
    """各事项的期限,及现在和 90 天内到期的数量 / the rule of each type, with what is due now and within 90 days.

    例 / Example: onegrid retention show
    """
    rules = with_services(data, lambda services: show_rules(services, datetime.now(UTC)))
    print_json(rules) if as_json else _print_rules(rules)


@app.command()
def run(
    as_: AsOption,
    reason: Annotated[str, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只列数量,不写入 / show how many, write nothing")] = False,
    item_type: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="CODE", help="只限这些事项 / these item types alone", show_default=False),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="按此日计算 / as of this day", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """清除到期内容,不可恢复 / erase what is due, for good.

    \b
    分批进行,可随时中断后再次运行;未办结的案件永不清除。
    仅系统管理员和市级网格中心可用。

    Goes in batches; a run that was cut off is run again. An open case is never touched. For administrators and the
    city's centre.

    \b
    例 / Examples:
      onegrid retention run --as 13800000015 --dry-run --at 2026-12-31
      onegrid retention run --as 13800000015 --type 0203 --reason "按目录执行 by the catalogue"
    """
    now = datetime.now(UTC)
    types = tuple(item_type) if item_type else None
    moment = _begin_of(at.date()) if at else now
    why = reason if dry_run else need_reason(reason)

    async def work(services: Services, teller: Teller) -> Run:
        caller = await acting_as(services, as_)
        wish = Wish(types=types, at=moment, by=caller.user_id, reason=why)
        return await count_due(services, wish) if dry_run else await run_for(services, caller, wish, now, teller)

    with progress(quiet=as_json) as teller:
        done = with_services(data, lambda services: work(services, teller))
    print_json(done) if as_json else _print_run(done)


def _begin_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=_CITY_TIME)


def _print_rules(rules: list[Rule]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("事项\nitem type", ratio=4, overflow="fold")
    table.add_column("规则\nrule", ratio=6, overflow="fold")
    table.add_column("到期\ndue", no_wrap=True, justify="right")
    table.add_column("90 天内\n90 days", no_wrap=True, justify="right")
    for one in rules:
        table.add_row(_name(one.type), f"{one.zh}\n{one.en}", str(one.due), str(one.soon))
    Console().print(table)


def _print_run(done: Run) -> None:
    out = Console()
    if not done.due:
        out.print("没有到期内容 / Nothing is due.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("事项\nitem type", overflow="fold")
    table.add_column("社区\ncommunity", no_wrap=True)
    table.add_column("到期\ndue", no_wrap=True, justify="right")
    for one in done.due:
        table.add_row(_name(one.type), one.division or "—", str(one.items))
    out.print(table)
    if not done.dry_run:
        erased = f"已清除 erased: {done.erased}  连同合并项 linked: {done.linked}"
        out.print(f"{erased}  删除照片 photos removed: {done.photos_removed}", highlight=False)
    if done.more:
        out.print("尚有未处理,请再次运行 / there is more: run it again")


def _name(code: str) -> str:
    compiled = catalogue_in_use().types[code]
    return f"{code} {compiled.type.name_zh} {compiled.type.name_en}"
