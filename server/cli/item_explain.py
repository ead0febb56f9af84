"""`onegrid item explain`: why an item lies in its grid."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.text import Text

from server.cli.context import AsOption, DataOption, JsonOption, acting_as, catalogue_in_use, print_json, with_services
from server.cli.field_values import EMPTY, printable
from server.cli.item_tables import alias_line
from server.services import Services
from server.usecases.explaining import Explained, explain_item

_CITY_TIME = ZoneInfo("Asia/Shanghai")


def explain(
    item: Annotated[UUID, typer.Argument(metavar="ID", help="事项编号 / id of the item")],
    as_: AsOption,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """事项为何属于该网格 / why an item lies in its grid.

    逐版说明:当时写的编码、此后的沿革、由什么确定,或为何须由人指定。

    Revision by revision: the code as it was written, what became of that grid since, and what decided, or why a person
    has to.

    \b
    例 / Example:
      onegrid item explain 0198f3a2-6c1b-7d20-9b1e-3f0c5a7d9e11 --as 13800000005
    """

    async def work(services: Services) -> Explained:
        return await explain_item(services, await acting_as(services, as_), item)

    explained = with_services(data, work)
    print_json(explained) if as_json else print_explained(explained)


def print_explained(explained: Explained) -> None:
    """Two lines a revision, one in each language."""
    console = Console()
    kind = catalogue_in_use().types[explained.type].type
    title = f"{explained.type} {kind.name_zh} {kind.name_en}  {explained.item}\n网格 grid {explained.code or EMPTY}"
    console.print(Text(title), soft_wrap=True)
    if explained.alias is not None:
        console.print(Text(alias_line(explained.alias)), soft_wrap=True)
    for one in explained.revisions:
        head = f"v{one.version} {one.op} {one.at.astimezone(_CITY_TIME):%Y-%m-%d %H:%M}"
        console.print(Text(f"{head}\n   {printable(one.zh)}\n   {printable(one.en)}"), soft_wrap=True)
    if not explained.revisions:
        console.print("没有留存的推导 / nothing was stored about it.")
    if explained.conflict is not None:
        console.print(f"待处理 to be settled: onegrid conflict show {explained.conflict}", soft_wrap=True)
