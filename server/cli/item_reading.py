"""`onegrid item list`, `search` and `show`: what is there, as the person that is acted for may see it."""

from __future__ import annotations

import sys
from typing import Annotated
from uuid import UUID

import typer

from schemas.offices import ItemsPage, ItemView
from schemas.searching import LARGEST_PAGE, HitsPage, SearchWish
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.cli.item_tables import print_hits, print_item, print_items
from server.db.reading import ItemFilter
from server.errors import Problem
from server.services import Services
from server.usecases import reading
from server.usecases.item_page import revealed_item
from server.usecases.item_search import search_items

TypeOption = Annotated[
    str | None, typer.Option("--type", metavar="CODE", help="事项 / item type, such as 0101", show_default=False)
]
DivisionOption = Annotated[
    str | None,
    typer.Option("--division", metavar="CODE", help="12 位区划代码 / code of a division", show_default=False),
]
LimitOption = Annotated[int, typer.Option(min=1, max=LARGEST_PAGE, help="最多行数 / at most so many")]
AfterOption = Annotated[
    str | None, typer.Option("--after", help="上一页末尾给出的位置 / where the page before ended", show_default=False)
]
_FROM_STDIN = "-"


def list_(
    as_: AsOption,
    item_type: TypeOption = None,
    division: DivisionOption = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出可查看的事项,新的在前 / list the items that you may read, the newest first.

    只列类型、网格、状态,不列填报内容 / type, grid and state, nothing that was filled in.

    \b
    例 / Examples:
      onegrid item list --as 13800000005 --type 0401
      onegrid item list --as 13800000005 --division 341182001001 --json
    """

    async def work(services: Services) -> ItemsPage:
        caller = await acting_as(services, as_)
        narrowed = ItemFilter(type=item_type, division=reading.area(division_code(division)))
        return await reading.list_items(services, caller, narrowed, after, limit)

    page = with_services(data, work)
    print_json(page) if as_json else print_items(page)


def search(
    as_: AsOption,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="要查找的文字 / text to look for", show_default=False)
    ] = None,
    phone: Annotated[str | None, typer.Option(help="电话 / a telephone number", show_default=False)] = None,
    national_id: Annotated[
        str | None, typer.Option("--national-id", help="证件号码 / an identity number", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option(help="人员姓名 / a person's name", show_default=False)] = None,
    surname: Annotated[
        str | None, typer.Option(help="姓氏,须同时写社区 / a surname, with a community", show_default=False)
    ] = None,
    plate: Annotated[str | None, typer.Option(help="车牌 / a vehicle plate", show_default=False)] = None,
    item_type: TypeOption = None,
    division: DivisionOption = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """查找可查看的事项 / find items that you may read.

    \b
    文字至少两个字,只查未标为个人信息的内容;电话、证件、姓名、车牌须完整;
    所写条件须同时符合。按个人信息查找会记入审计(不记所查的值)。
    个人信息可写「-」,改从标准输入逐行读取,不留在命令历史中。

    Text of two characters or more is looked for in what nobody marked as personal; numbers, names and plates are
    compared whole. Everything given must hold. Searching by personal values is audited, without the value. Write `-`
    for a value to have it read from standard input, a line each, so that the shell keeps no trace of it.

    \b
    例 / Examples:
      onegrid item search 琅琊 --as 13800000005 --type 0103
      onegrid item search --surname 王 --division 341182001001 --as 13800000005
      onegrid item search --phone - --as 13800000005 --json
    """
    wish = SearchWish(
        text=text,
        national_id=_given(national_id),
        phone=_given(phone),
        name=_given(name),
        surname=_given(surname),
        plate=_given(plate),
        type=item_type,
        division=division_code(division),
        cursor=after,
        limit=limit,
    )

    async def work(services: Services) -> HitsPage:
        return await search_items(services, await acting_as(services, as_), wish)

    page = with_services(data, work)
    print_json(page) if as_json else print_hits(page)


def show(
    item: Annotated[UUID, typer.Argument(metavar="ID", help="事项编号 / id of the item")],
    as_: AsOption,
    reveal: Annotated[bool, typer.Option("--reveal", help="显示个人信息,须写明原因 / show personal values")] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """一件事项及其经过 / an item and what happened to it.

    个人信息默认遮盖;--reveal 显示全部,须写 --reason,并记入审计。

    Personal values are masked; --reveal shows them, needs --reason and is audited.

    \b
    例 / Examples:
      onegrid item show 0198f3a2-6c1b-7d20-9b1e-3f0c5a7d9e11 --as 13800000005
      onegrid item show 0198f3a2-6c1b-7d20-9b1e-3f0c5a7d9e11 --as 13800000005 \\
          --reveal --reason "上门核对 to check at the door"
    """
    if reveal and not (reason or "").strip():
        raise typer.BadParameter("请写明原因,会记入审计 / say why; it is audited", param_hint="--reason")

    async def work(services: Services) -> ItemView:
        caller = await acting_as(services, as_)
        if reveal:
            return await revealed_item(services, caller, item, reason)
        return await reading.masked_item(services, caller, item)

    view = with_services(data, work)
    print_json(view) if as_json else print_item(view, revealed=reveal)


def division_code(code: str | None) -> str | None:
    """A code of 12 digits; raises BadParameter for anything else."""
    if code is not None and not (len(code) == 12 and code.isascii() and code.isdigit()):
        raise typer.BadParameter("请写 12 位区划代码 / give a code of 12 digits", param_hint="--division")
    return code


def _given(value: str | None) -> str | None:
    if value != _FROM_STDIN:
        return value
    line = sys.stdin.readline().strip()
    if not line:
        raise Problem("search_empty")
    return line
