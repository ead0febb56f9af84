"""The catalogue and its versions drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.forms import CompiledCatalogue, CompiledType
from server.cli.field_values import EMPTY, printable
from server.usecases.catalogue_usage import CatalogueUsage
from server.usecases.publishing_catalogue import Publication, Touched
from sync.catalogue_diff import Difference, Version, breaking

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_WHAT = {"added": "新增 added", "removed": "删除 removed", "renamed": "改名 renamed", "changed": "修改 changed"}
_EFFECTS = {
    "none": "",
    "asked": "旧版停用后须填 asked once the old version is accepted no more",
    "kept": "旧值另存 old values are kept beside the form",
    "refused": "旧版上传不再接受 what old apps send is refused",
}
_STANDINGS = {
    "current": "现行 current",
    "accepted": "仍接受 accepted",
    "kept": "已停用 kept only",
    "unknown": "未知 unknown",
}
_LONGEST = 60


def print_types(catalogue: CompiledCatalogue) -> None:
    """A line an item type."""
    console = Console()
    older = ", ".join(sorted(catalogue.accepted - {catalogue.version})) or EMPTY
    console.print(f"版本 version {catalogue.version}, 仍接受 also accepted: {older}", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("代码\ncode", "事项\nitem type", "种类\nkind", "字段\nfields"):
        table.add_column(heading, overflow="fold")
    for one in catalogue.types.values():
        item = one.type
        table.add_row(item.code, f"{item.name_zh} {item.name_en}", item.kind, str(len(item.fields)))
    console.print(table)


def print_form(compiled: CompiledType) -> None:
    """A line a field."""
    console, item = Console(), compiled.type
    console.print(Text(f"{item.code} {item.name_zh} {item.name_en}\n{item.description}"), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("字段\nfield", "名称\nlabel", "类型\ntype", "必填\nrequired", "敏感\nsensitivity"):
        table.add_column(heading, overflow="fold")
    for field in item.fields:
        asked = "是 yes" if field.required else ""
        table.add_row(field.key, f"{field.label_zh} {field.label_en}", field.type, asked, field.sensitivity)
    console.print(table)


def print_differences(old: Version, new: Version, found: list[Difference]) -> None:
    """A line a difference; what older apps notice is said."""
    console = Console()
    _print_differences(console, old.name, new.name, found)


def print_publication(told: Publication, *, stderr: bool = False) -> None:
    """What stands against it, what it changes, whom it touches, and whether it was published."""
    console = Console(stderr=stderr)
    for one in told.faults:
        console.print(Text(f"{one.code} {printable(one.place)}\n   {one.zh}\n   {one.en}"), soft_wrap=True)
    if told.version is not None and told.touched is not None:
        _print_differences(console, told.before, printable(told.version), told.differences)
        console.print(Text(_touched(told.touched)), soft_wrap=True)
    said = "已发布 published" if told.published else "未发布 not published"
    console.print(Text(f"{said}: {printable(told.version or EMPTY)}"), soft_wrap=True)


def _touched(touched: Touched) -> str:
    return (
        f"涉及 touches: 事项 item types {len(touched.types)}, 台账 items {touched.items}, "
        f"单位 offices {touched.offices}, "
        f"手机 phones {touched.phones}, 其中版本不再接受 of these too old to be taken: {touched.behind}"
    )


def _print_differences(console: Console, old: str, new: str, found: list[Difference]) -> None:
    noticed = len(breaking(found))
    console.print(
        f"{old} → {new}: {len(found)} 处差异 differences, 其中影响旧版应用 noticed by older apps: {noticed}",
        highlight=False,
    )
    for one in found:
        place = " ".join(part for part in (one.part, one.type, one.field, one.attribute) if part)
        values = f": {_value(one.before)} → {_value(one.after)}" if one.attribute else ""
        effect = f"  [{_EFFECTS[one.effect]}]" if one.effect != "none" else ""
        console.print(Text(f"{_WHAT[one.what]} {printable(place)}{values}{effect}"), soft_wrap=True)


def print_usage(found: CatalogueUsage) -> None:
    """A line a version."""
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("版本\nversion")
    table.add_column("状态\nstanding")
    table.add_column("手机\ndevices", justify="right")
    table.add_column("最近\nlast seen")
    table.add_column("变更\nchanges", justify="right")
    table.add_column("最近\nlast change")
    for one in found.versions:
        version = printable(one.version) if one.version else "未报告 not said"
        seen = (str(one.devices), _day(one.last_exchange), str(one.changes), _day(one.last_change))
        table.add_row(version, _STANDINGS[one.standing] if one.version else EMPTY, *seen)
    console.print(table)
    if found.held:
        console.print(f"因版本不受支持而隔离 held for their version: {found.held}", highlight=False)


def _value(value: Any) -> str:
    if value is None:
        return EMPTY
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _day(moment: datetime | None) -> str:
    return moment.astimezone(_CITY_TIME).strftime("%Y-%m-%d") if moment else EMPTY
