"""`onegrid conflict resolve` and `undo`: settling conflicts, one or many, and taking settlements back."""

from __future__ import annotations

from uuid import UUID

from server.cli.conflict_bulk import resolve_where, undo_whole
from server.cli.conflict_choice import FieldOption, GridOption, LinkOption, SetOption, TakeOption, Typed, read_choice
from server.cli.conflict_options import (
    DryRunOption,
    OneArgument,
    RunOption,
    Said,
    WhereOption,
    WhyOption,
    one_of,
    read_ids,
    read_reason,
    read_where,
)
from server.cli.conflict_tables import print_done
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.services import Services
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.settling import Done


def resolve(
    as_: AsOption,
    id_: OneArgument = None,
    where: WhereOption = None,
    take: TakeOption = None,
    grid: GridOption = None,
    link: LinkOption = None,
    field: FieldOption = None,
    set_: SetOption = None,
    reason: WhyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """处理 / settle a conflict, or many alike: a new revision, with who and why.

    \b
    --take server    保留服务器现有内容 / keep the item as it is now
    --take incoming  采纳离线修改;离线删除则删除,已删除的则恢复
                     take the parked edit: deletes, or restores what was deleted
                     重复:删除后来的一个;案件操作:由现在的状态再做一次
                     a duplicate: delete the second; a step of a case: take it
                     from the present state
    --take merge     逐栏决定 / decide by field, with --field and --set;
                     每个冲突栏都须指定 / every field in conflict must be named
    --grid CODE      编码冲突:指定所属网格 / a conflict about a code: name the grid
    --link ITEM      重复:并入该事项;引用它的改为引用该事项,手机以后送来的修改
                     也记到该事项 / a duplicate: it and ITEM are one; what refers
                     to it refers to ITEM, and later edits of it go there

    尚未列入的新事项,server 为不采纳(删除),incoming 为列入;同一变更集须整体
    处理的,一并采纳或不采纳。

    Of a new item that is held, server drops it and incoming takes it in. What belongs to an all-or-nothing set is taken
    or dropped together.

    VALUE:多选用逗号分隔,是否写 true/false,位置写 JSON;留空则清除该栏。

    VALUE: options of a set are separated by commas, yes/no is true/false, a position is JSON; nothing clears a field.

    --where 处理所有符合的未决冲突,条件:kind、division、type、older-than、author。
    每个冲突各自提交;中断后重新运行同一命令即从未处理的继续。不能处理的列出
    原因,不影响其他。每批有编号,可用 undo --run 整批撤销。

    --where settles all open conflicts that fit. Each is committed by itself; the same command again goes on with what
    is still open. What cannot be settled is told with its reason and holds up nothing else. A run has an id, by which
    undo --run takes all of it back.

    \b
    例 / Examples:
      onegrid conflict resolve 1a2b3c --take server --as 13800000005 \\
          --reason "以户口本为准 as in the household register"
      onegrid conflict resolve 1a2b3c --take merge --as 13800000005 \\
          --field name=incoming --set phone=13900001234 \\
          --reason "当面核实 checked in person" --dry-run
      onegrid conflict resolve 1a2b3c --grid 341182001001002 --as 13800000005 \\
          --reason "按门牌核对 as on the door plate"
      onegrid conflict resolve 1a2b3c --as 13800000005 \\
          --link 019b0000-0000-7000-8000-000000000001 \\
          --reason "同一户 the same household"
      onegrid conflict resolve --where kind=update_update,type=0101,older-than=3d \\
          --take server --as 13800000005 \\
          --reason "逾期未核实 not checked in time" --dry-run
    """
    why, typed = read_reason(reason), read_choice(take, grid, link, field or [], set_ or [])
    said = Said(as_=as_, why=why, dry_run=dry_run, as_json=as_json, data=data)
    if one_of(id_, where, "--where") == "--where":
        resolve_where(read_where(where or ""), typed, said)
    else:
        _resolve_one(read_ids(id_ or ""), typed, said)


def _resolve_one(ids: tuple[UUID, UUID], typed: Typed, said: Said) -> None:
    async def work(services: Services) -> Done:
        caller = await acting_as(services, said.as_)
        choice = await typed.choice(services, caller, ids)
        return await resolve_conflict(services, said.order(caller, ids), choice)

    _answer(with_services(said.data, work), said.as_json)


def undo(
    as_: AsOption,
    id_: OneArgument = None,
    run: RunOption = None,
    reason: WhyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """撤销 / take a settlement, or a whole run of them, back: the conflict is open again.

    \b
    只恢复处理时改动的栏目;若此后又有人改动这些栏目或删除了事项,
    则不能撤销。

    Brings back exactly the fields that the settlement changed; refused if one of them was changed again since, or the
    item deleted.

    \b
    例 / Examples:
      onegrid conflict undo 1a2b3c --as 13800000005 --reason "看错人 wrong person"
      onegrid conflict undo --run 4d5e6f --as 13800000005 \\
          --reason "条件写错 wrong condition"
    """
    said = Said(as_=as_, why=read_reason(reason), dry_run=dry_run, as_json=as_json, data=data)
    if one_of(id_, run, "--run") == "--run":
        undo_whole(read_ids(run or "", "--run"), said)
    else:
        _undo_one(read_ids(id_ or ""), said)


def _undo_one(ids: tuple[UUID, UUID], said: Said) -> None:
    async def work(services: Services) -> Done:
        return await undo_resolution(services, said.order(await acting_as(services, said.as_), ids))

    _answer(with_services(said.data, work), said.as_json)


def _answer(done: Done, as_json: bool) -> None:
    print_json(done) if as_json else print_done(done)
