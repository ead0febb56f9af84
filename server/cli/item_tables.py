"""Items drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.forms import CompiledType
from schemas.offices import ItemsPage, ItemSummary, ItemView, RevisionView
from schemas.searching import HitsPage
from server.cli.context import catalogue_in_use
from server.cli.field_values import EMPTY, describe_value, printable
from server.masking import HIDDEN
from server.usecases.exporting import Exported

_CITY_TIME = ZoneInfo("Asia/Shanghai")


def print_items(page: ItemsPage) -> None:
    """A line an item."""
    _print_lines([(one, "") for one in page.items], page.next)


def print_hits(page: HitsPage) -> None:
    """A line an item, with what may be shown of its first text."""
    _print_lines([(one.item, one.title) for one in page.hits], page.next)


def print_item(view: ItemView, *, revealed: bool) -> None:
    """Its form, and its revisions."""
    console, item = Console(), view.item
    compiled = catalogue_in_use().types[item.type]
    title = f"{_type(item.type)}  {item.id}\n网格 grid {item.code or EMPTY}, 版本 version {item.version}"
    console.print(Text(f"{title}, {printable(view.author_name or EMPTY)} {_time(item.received_at)}"), soft_wrap=True)
    if view.alias is not None:
        console.print(Text(alias_line(view.alias)), soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(ratio=2, overflow="fold")
    table.add_column(ratio=3, overflow="fold")
    for key, field in compiled.fields.items():
        value = item.fields.get(key)
        words = HIDDEN if value == HIDDEN else describe_value(field, value)
        table.add_row(Text(f"{field.label_zh} {field.label_en}", style="dim"), Text(words))
    console.print(table)
    for one in view.history:
        console.print(Text(_revision(compiled, one)), soft_wrap=True)
    if not revealed:
        console.print(Text("个人信息已遮盖 / masked: --reveal --reason …", style="italic"))


def alias_line(alias: UUID) -> str:
    """That another id was asked for."""
    return f"所查的已并入此事项 linked into this one: {alias}"


def print_exported(exported: Exported, path: str) -> None:
    """What the file holds."""
    what = "已批准 approved only" if exported.approved_only else "含未批准 unapproved too"
    values = "含个人信息 personal values shown" if exported.revealed else "个人信息已遮盖 masked"
    text = f"{_type(exported.type)}: {exported.items} 件 items, {what}, {values}\n{printable(path)}"
    Console().print(Text(text), soft_wrap=True)


def _print_lines(lines: list[tuple[ItemSummary, str]], following: str | None) -> None:
    console = Console()
    if not lines:
        console.print("没有事项 / No items.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编号\nid", no_wrap=True, min_width=36)
    table.add_column("事项\nitem", ratio=1, overflow="fold")
    table.add_column("网格\ngrid", no_wrap=True, min_width=15)
    table.add_column("接收\nreceived", no_wrap=True, min_width=10)
    for item, title in lines:
        what = "\n".join(one for one in (_type(item.type), printable(title)) if one)
        table.add_row(str(item.id), Text(what), item.code or EMPTY, _time(item.received_at).replace(" ", "\n"))
    console.print(table)
    if following:
        console.print(f"还有更多 / more: --after {following}", soft_wrap=True)


def _revision(compiled: CompiledType, one: RevisionView) -> str:
    names = "、".join(compiled.fields[key].label_zh if key in compiled.fields else key for key in one.fields)
    who = printable(one.author_name or EMPTY)
    line = f"v{one.version} {one.op} {_time(one.received_at)} {who}: {names or EMPTY}"
    return f"{line}\n   {_skew(one.skew)}" if one.skew is not None else line


def _skew(seconds: int) -> str:
    zh, en = ("快", "ahead") if seconds > 0 else ("慢", "behind")
    return f"手机时钟{zh} the phone's clock was {en}: {timedelta(seconds=abs(seconds))}"


def _type(code: str) -> str:
    compiled = catalogue_in_use().types.get(code)
    return f"{code} {compiled.type.name_zh} {compiled.type.name_en}" if compiled else code


def _time(moment: datetime) -> str:
    return moment.astimezone(_CITY_TIME).strftime("%Y-%m-%d %H:%M")
