"""`onegrid conflict list`, `show` and `stats`: looking at conflicts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from schemas.forms import CompiledType
from server.cli.conflict_counts import print_counts
from server.cli.conflict_options import (
    AuthorOption,
    DivisionOption,
    IdArgument,
    KindOption,
    OlderOption,
    StateOption,
    TypeOption,
    Wanted,
    WhyOption,
    read_ids,
    read_reason,
)
from server.cli.conflict_tables import print_detail, print_list
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.services import Services
from server.usecases.conflict_counts import Counts, count_conflicts
from server.usecases.conflict_views import Detail, Page, list_conflicts, reveal_conflict, show_conflict


def list_(
    as_: AsOption,
    state: StateOption = "open",
    kind: KindOption = None,
    division: DivisionOption = None,
    item_type: TypeOption = None,
    older_than: OlderOption = None,
    author: AuthorOption = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多行数 / at most so many")] = 50,
    after: Annotated[
        str | None, typer.Option(help="上一页末尾给出的位置 / where the page before ended", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出冲突 / list the conflicts that you may settle, oldest first.

    只列栏目名称;内容用 show 查看。

    Only the names of fields are listed; `show` shows their values.

    \b
    例 / Examples:
      onegrid conflict list --as 13800000005 --older-than 3d
      onegrid conflict list --as 13800000005 --division 341182001000 --type 0101
      onegrid conflict list --as 13800000005 --author 13800000001
      onegrid conflict list --as 13800000005 --state resolved --json
    """
    now = datetime.now(UTC)
    wanted = Wanted(
        state=state, kind=kind, division=division, item_type=item_type, older_than=older_than, author=author
    )
    wanted.check()

    async def work(services: Services) -> Page:
        caller = await acting_as(services, as_)
        return await list_conflicts(services, caller, await wanted.filter(services, now), limit=limit, after=after)

    page = with_services(data, work)
    print_json(page) if as_json else print_list(page, now)


def show(
    id_: IdArgument,
    as_: AsOption,
    reveal: Annotated[bool, typer.Option("--reveal", help="显示个人信息,须写明原因 / show personal values")] = False,
    reason: WhyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """三方对照 / show base, server and incoming side by side.

    每一方都写明作者、设备和估计的采集时间;与原值不同处着色,删去的划线。
    个人信息默认遮盖;--reveal 显示全部,须写 --reason,并记入审计。

    Each side says who wrote it, on which device, and when by estimate. What differs from the base is coloured, what was
    taken out struck through. Personal values are masked; --reveal shows them, needs --reason and is audited.

    \b
    例 / Examples:
      onegrid conflict show 1a2b3c --as 13800000005
      onegrid conflict show 1a2b3c --as 13800000005 --reveal \\
          --reason "核对姓名 to compare the names"
    """
    ids, why = read_ids(id_), read_reason(reason) if reveal else None

    async def work(services: Services) -> tuple[Detail, CompiledType]:
        caller = await acting_as(services, as_)
        shown = reveal_conflict(services, caller, ids, why) if why else show_conflict(services, caller, ids)
        detail = await shown
        return detail, services.catalogue.types[detail.conflict.type]

    detail, compiled = with_services(data, work)
    print_json(detail) if as_json else print_detail(detail, compiled.fields)


def stats(
    as_: AsOption,
    state: StateOption = "open",
    kind: KindOption = None,
    division: DivisionOption = None,
    item_type: TypeOption = None,
    older_than: OlderOption = None,
    author: AuthorOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """统计冲突 / count the conflicts that you may settle.

    按种类、事项、社区和已等时间;已处理的还按处理方式。

    By kind, item type, community and age; settled ones also by what was taken.

    \b
    例 / Examples:
      onegrid conflict stats --as 13800000005
      onegrid conflict stats --as 13800000005 --division 341182001000
      onegrid conflict stats --as 13800000005 --state all --json
    """
    now = datetime.now(UTC)
    wanted = Wanted(
        state=state, kind=kind, division=division, item_type=item_type, older_than=older_than, author=author
    )
    wanted.check()

    async def work(services: Services) -> Counts:
        caller = await acting_as(services, as_)
        return await count_conflicts(services, caller, await wanted.filter(services, now), now)

    counts = with_services(data, work)
    print_json(counts) if as_json else print_counts(counts, now)
