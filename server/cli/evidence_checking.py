"""`onegrid evidence check`: photos looked at again."""

from __future__ import annotations

from typing import Annotated

import typer

from server.cli.case_options import DryRunOption
from server.cli.conflict_options import DivisionOption, read_division
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
from server.cli.evidence_options import ItemOption, read_item, read_photo
from server.cli.evidence_tables import print_recheck
from server.services import Services
from server.usecases.photo_rechecks import FAILED, Looked, Recheck, RecheckOrder, recheck


def check(
    as_: AsOption,
    reason: ReasonOption,
    sha256: Annotated[
        str | None,
        typer.Argument(
            metavar="SHA256",
            help="一张照片,或其前 6 位以上 / one photo, or its first 6 digits or more",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Looked, typer.Option("--state", help="等待核验的,或已核验的 / that wait for their check, or passed it")
    ] = "stored",
    item: ItemOption = None,
    division: DivisionOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """再次核对照片,一次最多 500 张 / look at photos once more, up to 500 at once.

    \b
    stored    字节已到而未核验的:立即核验,结果同后台任务
    verified  已核验的:对象存储中的字节是否仍是该照片;只报告,不改状态
    只限可查看事项的照片。有不合格、缺失或不符的,退出码为 1。

    Stored: bytes that came and wait are checked at once, as the job does it. Verified: whether the object store still
    holds the very bytes; that is told and changes no state. Only photos of items that you may read. Exit status 1 if
    one was refused, is missing or differs.

    \b
    例 / Examples:
      onegrid evidence check --as 13800000005 --reason "久未核验 long waiting" \\
          --dry-run
      onegrid evidence check 3f2a91 --state verified --as 13800000005 \\
          --reason "存储迁移后 after moving the store"
      onegrid evidence check --state verified --division 341182001001 \\
          --as 13800000005 --reason "抽查 a sample" --json
    """
    order = RecheckOrder(
        state=state,
        why=need_reason(reason),
        one=read_photo(sha256) if sha256 is not None else None,
        items=read_item(item),
        division=read_division(division),
        dry_run=dry_run,
    )

    async def work(services: Services) -> Recheck:
        return await recheck(services, await acting_as(services, as_), order)

    done = with_services(data, work)
    print_json(done) if as_json else print_recheck(done)
    if any(one.found in FAILED for one in done.photos):
        raise typer.Exit(1)
