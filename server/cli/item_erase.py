"""`onegrid item erase`: what a person asked to have removed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from schemas.forms import CompiledType
from server.cli.context import (
    AsOption,
    DataOption,
    JsonOption,
    ReasonOption,
    acting_as,
    catalogue_in_use,
    need_reason,
    print_json,
    with_services,
)
from server.services import Services
from server.usecases.erasure import Erased, erase_item

_COUNTED = {
    "linked": "合为一项的其他事项 items linked with it",
    "revisions": "历史版本 revisions",
    "conflicts": "冲突 conflicts",
    "conflicts_closed": "其中关闭 of these closed",
    "notices_closed": "撤回通知 notices withdrawn",
    "photos": "照片 photos",
    "photos_removed": "其中删除 of these removed",
    "change_sets": "原始变更集 raw change sets",
    "forked_sets": "重号变更集 forked sets",
    "quarantined": "隔离区 in quarantine",
    "streams": "同步流 streams",
}


def erase(
    item: Annotated[UUID, typer.Argument(metavar="ID", help="事项编号 / id of the item")],
    as_: AsOption,
    reason: ReasonOption,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只看结果,不写入 / show the result, write nothing")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 / do not ask again")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """彻底清除一个事项的内容,不可恢复 / erase what is known of an item, for good.

    \b
    销毁该事项的密钥,清空其现状、历史、冲突、批注、照片和原始上报;手机上也会消失。
    只留下类型、网格、时间、办理过程和不涉及个人的统计数值。
    与之合为一项的事项(重复合并)一并清除。
    案件未办结时不能清除。社区、街道、县级和市级网格中心可清除其可查看的事项。

    Destroys the item's key, and blanks its head, history, conflicts, notes, photos and raw reports; phones drop it.
    What stays is type, grid, times, the steps of review and case, and values that are counted and tell of nobody.
    What was linked with it as a duplicate is erased with it, whichever of them is named.
    Refused while its case is open. Offices of community, street, county and city erase what they may read.

    \b
    例 / Examples:
      onegrid item erase 0198f3a2-6c1b-7d20-9b1e-3f0c5a7d9e11 --as 13800000005 \\
          --reason "本人申请删除 asked for by the person" --dry-run
      onegrid item erase 0198f3a2-6c1b-7d20-9b1e-3f0c5a7d9e11 --as 13800000005 \\
          --reason "本人申请删除 asked for by the person" --yes
    """
    why = need_reason(reason)
    if not (dry_run or yes):
        _ask(_run(data, as_, item, why, dry_run=True))
    erased = _run(data, as_, item, why, dry_run=dry_run)
    print_json(erased) if as_json else _print(erased)


def _run(data: Path | None, as_: str, item: UUID, reason: str, *, dry_run: bool) -> Erased:
    async def work(services: Services) -> Erased:
        return await erase_item(
            services, await acting_as(services, as_), item, reason, datetime.now(UTC), dry_run=dry_run
        )

    return with_services(data, work)


def _ask(tried: Erased) -> None:
    """Show what would go, and go on only if a person at a terminal says so."""
    if not sys.stdin.isatty():
        message = (
            "清除不可恢复,请加 --yes,或先用 --dry-run 查看 / erasing is for good: add --yes, or look with --dry-run"
        )
        raise typer.BadParameter(message, param_hint="--yes")
    _print(tried, Console(stderr=True))
    typer.confirm("确认清除,不可恢复 / erase this for good?", abort=True, err=True)


def _print(erased: Erased, console: Console | None = None) -> None:
    out = console or Console()
    compiled = catalogue_in_use().types.get(erased.type)
    title = f"{erased.type} {compiled.type.name_zh} {compiled.type.name_en}" if compiled else erased.type
    said = "将清除 would be erased" if erased.dry_run else "已清除 erased"
    out.print(f"{said}: {title}  {erased.item}", highlight=False, soft_wrap=True)
    out.print(f"网格 grid: {erased.grid or '—'}", highlight=False)
    if erased.linked:
        out.print(f"连同 with: {'、'.join(map(str, erased.linked))}", highlight=False, soft_wrap=True)
    out.print(f"保留 kept: {_kept(erased, compiled)}", highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, words in _COUNTED.items():
        table.add_row(words, str(getattr(erased.tally, name)))
    out.print(table)


def _kept(erased: Erased, compiled: CompiledType | None) -> str:
    names = (
        [f"{compiled.fields[key].label_zh} {compiled.fields[key].label_en}" for key in erased.kept] if compiled else []
    )
    return "、".join(names) or "—"
