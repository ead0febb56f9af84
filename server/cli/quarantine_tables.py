"""The quarantine drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli.context import catalogue_in_use
from server.cli.field_values import EMPTY, describe_value, printable
from server.errors import CATALOGUE
from server.masking import HIDDEN
from server.usecases.quarantine_discard import Discarded
from server.usecases.quarantine_release import Released
from server.usecases.quarantine_views import HeldChange, QuarantineDetail, QuarantineLine, QuarantinePage

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_STATES = {"held": "隔离中 held", "released": "已放行 released", "discarded": "已丢弃 discarded"}
_KINDS = {
    "quarantined": "待处理 quarantined",
    "rejected": "不成立 rejected",
    "forked": "编号重复 forked",
    "salvaged": "留存 salvaged",
}


def print_held(page: QuarantinePage) -> None:
    """A line for each."""
    console = Console()
    if not page.held:
        console.print("隔离区为空 / Nothing is held.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("编号\nid", no_wrap=True, min_width=13)
    table.add_column("来自\nfrom", ratio=1, overflow="fold")
    table.add_column("原因\nwhy", ratio=2, overflow="fold")
    table.add_column("接收\nreceived", no_wrap=True, min_width=10)
    for one in page.held:
        source = f"{printable(one.holder_name)}\n{str(one.device)[:13]} {_place(one)}"
        why = f"{_KINDS[one.outcome]}: {one.code}\n{one.zh}\n{one.en}"
        table.add_row(str(one.id)[:13], Text(source), Text(why), _time(one.received_at).replace(" ", "\n"))
    console.print(table)
    if page.next:
        console.print(f"还有更多 / more: --after {page.next}", soft_wrap=True)


def print_detail(detail: QuarantineDetail) -> None:
    """Where it came from, why it is held, what it says, and what was done about it."""
    console = Console()
    console.print(Text(_described(detail.line)), soft_wrap=True)
    if detail.unopened:
        words = CATALOGUE[detail.unopened]
        console.print(Text(f"无法打开 cannot be opened: {words.zh} / {words.en}"), soft_wrap=True)
    for one in detail.changes:
        _print_change(console, one)
    for one in detail.became:
        who = printable(one.by_name or EMPTY)
        console.print(Text(f"{_time(one.at)} {one.action} {who}: {printable(one.reason or EMPTY)}"), soft_wrap=True)


def print_released(found: Sequence[Released]) -> None:
    """What became of each."""
    console = Console()
    if not found:
        console.print("没有可放行的内容 / Nothing is held of it.")
    for one in found:
        if one.released:
            said = "将放行 would be released" if one.dry_run else "已放行 released"
            told = ", ".join(f"{outcome.outcome}{_of(outcome.code)}" for outcome in one.outcomes)
        else:
            said, told = "未放行 not released", f"{one.zh} / {one.en}"
        console.print(Text(f"{one.id}  {said}: {told}"), soft_wrap=True)


def print_discarded(done: Discarded, *, stderr: bool = False) -> None:
    """What is gone."""
    said = "将丢弃 would be discarded" if done.dry_run else "已丢弃 discarded"
    text = f"{said}\n{_described(done.line)}\n密钥哈希 keyed hash: {done.seal or EMPTY}"
    Console(stderr=stderr).print(Text(text), soft_wrap=True)


def _described(line: QuarantineLine) -> str:
    return (
        f"{line.id}  {_STATES[line.state]}\n"
        f"{_KINDS[line.outcome]}: {line.code}\n{line.zh}\n{line.en}\n"
        f"设备 device {line.device} {_place(line)}, {printable(line.holder_name)}, {_time(line.received_at)}"
    )


def _place(line: QuarantineLine) -> str:
    if line.no is None:
        return ""
    return f"#{line.no}" if line.index is None else f"#{line.no}.{line.index}"


def _print_change(console: Console, one: HeldChange) -> None:
    if one.code is not None:
        words = CATALOGUE[one.code]
        console.print(Text(f"[{one.index}] {words.zh} / {words.en}"), soft_wrap=True)
        return
    compiled = catalogue_in_use().types.get(one.type or "")
    name = f"{one.type} {compiled.type.name_zh} {compiled.type.name_en}" if compiled else printable(one.type or EMPTY)
    when = _time(one.written_at) if one.written_at else EMPTY
    console.print(
        Text(f"[{one.index}] {one.op} {name} {one.item}\n    网格 grid {one.grid or EMPTY}, {when}"), soft_wrap=True
    )
    if one.fields is None:
        console.print("    您的角色不能查看其内容 / your role does not read such an item")
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(ratio=2, overflow="fold")
    table.add_column(ratio=3, overflow="fold")
    for key, value in one.fields.items():
        field = compiled.fields.get(key) if compiled else None
        label = f"{field.label_zh} {field.label_en}" if field else printable(key)
        words = HIDDEN if value == HIDDEN else describe_value(field, value)
        table.add_row(Text(f"    {label}", style="dim"), Text(words))
    console.print(table)


def _of(code: str | None) -> str:
    return f" ({code})" if code else ""


def _time(moment: datetime) -> str:
    zoned = moment.astimezone(_CITY_TIME) if moment.tzinfo else moment
    return zoned.strftime("%Y-%m-%d %H:%M")
