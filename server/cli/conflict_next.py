"""`onegrid conflict next`: one conflict after the other, a key a decision."""

from __future__ import annotations

from datetime import UTC, datetime

from server.cli.conflict_options import (
    AuthorOption,
    DivisionOption,
    KindOption,
    OlderOption,
    TypeOption,
    Wanted,
    WhyOption,
)
from server.cli.conflict_walk import Walk, Walked
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.services import Services


def next_(
    as_: AsOption,
    kind: KindOption = None,
    division: DivisionOption = None,
    item_type: TypeOption = None,
    older_than: OlderOption = None,
    author: AuthorOption = None,
    reason: WhyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """逐个处理 / walk through the open conflicts, oldest first, one key a decision.

    \b
    s 服务器 server    i 离线 incoming    m 逐栏 by field    g 指定网格 grid
    l 合为一项 link
    k 跳过 skip        u 撤销上一个 undo the last            q 结束 quit
    r 显示被遮盖的内容 reveal what is masked

    每次处理须写原因;写了 --reason 则都用它。已处理的随即生效,可随时结束。

    Each decision asks for a reason, unless --reason gives one for all. What was decided stands at once, so that you may
    quit at any time. Where the input is no terminal, each key is a line.

    \b
    例 / Examples:
      onegrid conflict next --as 13800000005
      onegrid conflict next --as 13800000005 --kind duplicate \\
          --reason "电话核实 confirmed by phone"
    """
    wanted = Wanted(kind=kind, division=division, item_type=item_type, older_than=older_than, author=author)
    wanted.check()

    async def work(services: Services) -> Walked:
        caller = await acting_as(services, as_)
        filtered = await wanted.filter(services, datetime.now(UTC))
        return await Walk(services, caller, reason, aside=as_json).through(filtered)

    walked = with_services(data, work)
    if as_json:
        print_json(walked)
