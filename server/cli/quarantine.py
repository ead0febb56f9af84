"""`onegrid quarantine`: what was kept and not applied: looking, releasing, discarding."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

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
from server.cli.quarantine_tables import print_detail, print_discarded, print_held, print_released
from server.db.quarantine import Kind, QuarantineFilter, State
from server.services import Services
from server.usecases.conflict_access import SHORTEST_PREFIX, id_range
from server.usecases.quarantine_discard import Discarded, discard
from server.usecases.quarantine_release import Released, ReleaseOrder, release, release_device
from server.usecases.quarantine_views import (
    QuarantineDetail,
    QuarantinePage,
    list_held,
    reveal_held,
    show_held,
)

app = typer.Typer(no_args_is_help=True)

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="编号,或其前 6 位以上 / its id, or the first 6 digits or more")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只看结果,不写入 / show the result, write nothing")]


@app.callback()
def quarantine() -> None:
    """隔离区:已收下而未采用的内容 / what was kept and not applied.

    \b
    越权、超期、停用设备上传、表单不符、编号重复、数据库恢复后手机带回的内容都在这里,一件不丢。
    系统管理员、安全管理员可看原因;负责该区域的人可看内容并放行。

    What came from outside its author's grids, too late, from a revoked device, does not fit its form, used a number
    again, or was brought back by a phone after a restore. Administrators see why; who settles an area's conflicts also
    sees what, and releases it.
    """


@app.command("list")
def list_(
    as_: AsOption,
    state: Annotated[State, typer.Option("--state", help="状态 / state")] = "held",
    kind: Annotated[Kind | None, typer.Option("--kind", help="种类 / kind", show_default=False)] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="原因代码,如 lease_exceeded / why, by its code", show_default=False)
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="ID", help="设备编号或其开头 / a device, or how its id begins", show_default=False
        ),
    ] = None,
    item: Annotated[
        UUID | None, typer.Option("--item", metavar="ID", help="事项编号 / an item", show_default=False)
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", help="上一页末尾给出的位置 / where the last page ended", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="最多几项 / how many at most")] = 50,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出隔离区内容及原因 / what is held and why, the oldest first.

    \b
    例 / Examples:
      onegrid quarantine list --as 13800000015
      onegrid quarantine list --as 13800000015 --device 0198f3 --kind quarantined --json
    """
    wish = QuarantineFilter(
        state=state, outcome=kind, code=code, devices=_ids(device, "--device") if device else None, item=item
    )

    async def work(services: Services) -> QuarantinePage:
        return await list_held(services, await acting_as(services, as_), wish, after, limit)

    page = with_services(data, work)
    print_json(page) if as_json else print_held(page)


@app.command()
def show(
    held: IdArgument,
    as_: AsOption,
    reveal: Annotated[bool, typer.Option("--reveal", help="显示个人信息,须写明原因 / show personal values")] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """一项的内容、原因和处理经过 / one of them: what it holds, why, and what was done about it.

    个人信息默认遮盖;--reveal 显示全部,须写 --reason,并记入审计。无权查看的事项不显示内容。

    Personal values are masked; --reveal shows them, needs --reason and is audited. Values of items that you may not
    read are not shown.

    \b
    例 / Examples:
      onegrid quarantine show 5f0c2a --as 13800000005
      onegrid quarantine show 5f0c2a --as 13800000005 --reveal --reason "核对 to compare"
    """
    ids = _ids(held, "ID")
    if reveal and not (reason or "").strip():
        raise typer.BadParameter("请写明原因,会记入审计 / say why; it is audited", param_hint="--reason")

    async def work(services: Services) -> QuarantineDetail:
        caller = await acting_as(services, as_)
        return await (reveal_held(services, caller, ids, reason or "") if reveal else show_held(services, caller, ids))

    detail = with_services(data, work)
    print_json(detail) if as_json else print_detail(detail)


@app.command("release")
def release_(
    as_: AsOption,
    reason: ReasonOption,
    held: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="编号,或其前 6 位以上 / its id, or the first 6 digits or more", show_default=False
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="ID", help="该设备的全部内容 / everything of a device", show_default=False),
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """放行:按现在的情况重新判定并采用 / release: decide it once more, as of now, and apply it.

    \b
    作者仍是原填写人,放行人和原因记入版本和审计。不再核对作者权限和离线期限;
    表单、引用、历史和冲突照常核对,与他人修改重叠时成为待处理的冲突。
    整个变更集放行时,仍不能采用的变更逐条留在隔离区。--device 按填写先后逐条放行。

    The author stays who wrote it; who released it and why is kept with the revision and audited. The author's authority
    and the lease are not asked again; form, references, history and conflicts are. Of a whole set, what is still not to
    be applied stays, change by change. --device releases all of a device in the order in which it was written.

    \b
    例 / Examples:
      onegrid quarantine release 5f0c2a --as 13800000005 --reason "本人补报 handed in late" --dry-run
      onegrid quarantine release --device 0198f3 --as 13800000014 --reason "遗失前填写 written before the loss"
    """
    why = need_reason(reason)
    if (held is None) == (device is None):
        raise typer.BadParameter("请写 ID 或 --device 之一 / give either ID or --device", param_hint="ID")
    found = with_services(data, lambda services: _release(services, as_, why, held, device, dry_run=dry_run))
    print_json(found if device else found[0]) if as_json else print_released(found)
    if not all(one.released for one in found):
        raise typer.Exit(1)


async def _release(
    services: Services, as_: str, why: str, held: str | None, device: str | None, *, dry_run: bool
) -> list[Released]:
    caller = await acting_as(services, as_)
    order = ReleaseOrder(actor=caller, reason=why, now=datetime.now(UTC), dry_run=dry_run)
    if device is None:
        return [await release(services, order, _ids(held or "", "ID"))]
    return await release_device(services, order, _ids(device, "--device"))


@app.command("discard")
def discard_(
    held: IdArgument,
    as_: AsOption,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问 / do not ask again")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """丢弃:清除内容,不可恢复 / discard: erase its bytes, for good.

    只留下何时来自哪台设备、原因,和一个可与副本核对的密钥哈希。

    What stays is when it came from which device, why, and a keyed hash by which a copy could be recognised.

    \b
    例 / Examples:
      onegrid quarantine discard 5f0c2a --as 13800000015 --reason "测试数据 test data" --dry-run
      onegrid quarantine discard 5f0c2a --as 13800000015 --reason "测试数据 test data" --yes
    """
    why, ids = need_reason(reason), _ids(held, "ID")
    if not (dry_run or yes):
        _ask(_discard(data, as_, ids, why, dry_run=True))
    done = _discard(data, as_, ids, why, dry_run=dry_run)
    print_json(done) if as_json else print_discarded(done)


def _discard(data: Path | None, as_: str, ids: tuple[UUID, UUID], why: str, *, dry_run: bool) -> Discarded:
    async def work(services: Services) -> Discarded:
        return await discard(services, await acting_as(services, as_), ids, why, dry_run=dry_run)

    return with_services(data, work)


def _ask(tried: Discarded) -> None:
    """Show what would go, and go on only if a person at a terminal says so."""
    if not sys.stdin.isatty():
        message = (
            "丢弃不可恢复,请加 --yes,或先用 --dry-run 查看 / discarding is for good: add --yes, or look with --dry-run"
        )
        raise typer.BadParameter(message, param_hint="--yes")
    print_discarded(tried, stderr=True)
    typer.confirm("确认丢弃,不可恢复 / discard this for good?", abort=True, err=True)


def _ids(text: str, hint: str) -> tuple[UUID, UUID]:
    try:
        return id_range(text)
    except ValueError:
        raise typer.BadParameter(
            f"请写编号或其前 {SHORTEST_PREFIX} 位以上 / give the id or at least its first {SHORTEST_PREFIX} digits",
            param_hint=hint,
        ) from None
