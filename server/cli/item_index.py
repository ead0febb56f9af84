"""`onegrid item index`: what items are found by, worked out anew."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from server.cli.context import (
    AsOption,
    DataOption,
    JsonOption,
    ReasonOption,
    acting_as,
    need_reason,
    print_json,
    with_services,
)
from server.services import Services
from server.usecases.indexing import Indexed, index_items


def index(
    as_: AsOption,
    reason: ReasonOption,
    missing: Annotated[bool, typer.Option("--missing", help="只补缺少的 / only items that have no index yet")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """重建查找索引 / work out anew what items are found by.

    \b
    升级前已有的事项须先建索引才能被查到;系统管理员可用,不显示任何内容。
    可随时中断后再次运行;服务器不必停止。

    Items that were there before an upgrade are found only after this. For administrators; shows nothing of any item.
    It may be interrupted and run again, and the server goes on meanwhile.

    \b
    例 / Example:
      onegrid item index --missing --as 13800000006 --reason "升级后 after the upgrade"
    """
    why = need_reason(reason)

    async def work(services: Services) -> Indexed:
        return await index_items(services, await acting_as(services, as_), why, missing_only=missing)

    indexed = with_services(data, work)
    print_json(indexed) if as_json else Console().print(f"已处理 / done: {indexed.items} 件 items")
