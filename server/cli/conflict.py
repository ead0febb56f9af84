"""`onegrid conflict`: what two people changed at once, settled by a third."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import typer

from schemas.forms import CompiledType
from server.cli.conflict_tables import print_detail, print_done, print_list
from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.cli.field_values import parse_value
from server.db.conflicts import ConflictFilter
from server.services import Services
from server.usecases.conflict_access import SHORTEST_PREFIX, id_range
from server.usecases.conflict_views import Detail, Page, list_conflicts, reveal_conflict, show_conflict
from server.usecases.conflicts import Done, Order, resolve_conflict, undo_resolution
from sync.access import division_prefix
from sync.resolve import Choice, Side, Take

app = typer.Typer(no_args_is_help=True)

_AGE = re.compile(r"([0-9]{1,4})([mhd])")
_AGE_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
Kind = Literal["update_update", "update_delete", "delete_update"]
_DIVISION = re.compile(r"[0-9]{4,15}")


IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="冲突编号,或其前 6 位以上 / id of the conflict, or its first 6 digits or more"),
]
WhyOption = Annotated[
    str | None, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited", show_default=False)
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="只看结果,不写入 / show the result, write nothing")]


@app.callback()
def conflict() -> None:
    """处理冲突 / settle what two people changed at once.

    \b
    手机离线时的修改,若与他人已保存的内容冲突,会先搁置,由能查看该事项且有
    审批角色的人决定:网格长、社区、街道、县市网格中心、部门处置员。
    系统管理员不能查看内容,也不能处理冲突。

    An edit made offline that disagrees with what others saved is parked until somebody decides: a grid chief, an
    office of the area, or a handler of the department that holds the case. System administrators see no content and
    settle nothing.

    \b
    例 / Examples:
      onegrid conflict list --as 13800000005
      onegrid conflict show 1a2b3c --as 13800000005
      onegrid conflict resolve 1a2b3c --take incoming --as 13800000005 \\
          --reason "电话核实 confirmed by phone"
      onegrid conflict undo 1a2b3c --as 13800000005 --reason "看错人 wrong person"
    """


@app.command(name="list")
def list_(
    as_: AsOption,
    state: Annotated[Literal["open", "resolved", "all"], typer.Option(help="状态 / state")] = "open",
    kind: Annotated[Kind | None, typer.Option(help="种类 / kind", show_default=False)] = None,
    division: Annotated[
        str | None, typer.Option(help="行政区划或网格编码 / code of a division or grid", show_default=False)
    ] = None,
    item_type: Annotated[
        str | None, typer.Option("--type", metavar="CODE", help="事项 / item type, such as 0101", show_default=False)
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="早于 / opened before: 30m, 12h, 3d", show_default=False)
    ] = None,
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
      onegrid conflict list --as 13800000005 --state resolved --json
    """
    now = datetime.now(UTC)
    wanted = ConflictFilter(
        state=None if state == "all" else state,
        kind=kind,
        item_type=item_type,
        division_prefix=_division(division),
        opened_before=_before(older_than, now),
    )

    async def work(services: Services) -> Page:
        caller = await acting_as(services, as_)
        return await list_conflicts(services, caller, wanted, limit=limit, after=after)

    page = with_services(data, work)
    print_json(page) if as_json else print_list(page, now)


@app.command()
def show(
    id_: IdArgument,
    as_: AsOption,
    reveal: Annotated[bool, typer.Option("--reveal", help="显示个人信息,须写明原因 / show personal values")] = False,
    reason: WhyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """三方对照 / show base, server and incoming side by side.

    个人信息默认遮盖;--reveal 显示全部,须写 --reason,并记入审计。

    Personal values are masked; --reveal shows them, needs --reason and is audited.

    \b
    例 / Examples:
      onegrid conflict show 1a2b3c --as 13800000005
      onegrid conflict show 1a2b3c --as 13800000005 --reveal \\
          --reason "核对姓名 to compare the names"
    """
    ids, why = _ids(id_), _reason(reason) if reveal else None

    async def work(services: Services) -> tuple[Detail, CompiledType]:
        caller = await acting_as(services, as_)
        shown = reveal_conflict(services, caller, ids, why) if why else show_conflict(services, caller, ids)
        detail = await shown
        return detail, services.catalogue.types[detail.conflict.type]

    detail, compiled = with_services(data, work)
    print_json(detail) if as_json else print_detail(detail, compiled.fields)


@app.command()
def resolve(
    id_: IdArgument,
    as_: AsOption,
    take: Annotated[Take, typer.Option(help="采纳哪一方 / which side to take")],
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=server|incoming", help="合并时:该栏采纳哪一方 / in a merge: the side of a field"),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="合并时:该栏改为此值,空则清除 / in a merge: a value of your own"
        ),
    ] = None,
    reason: WhyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """处理 / settle a conflict: a new revision, with who and why.

    \b
    --take server    保留服务器现有内容 / keep the item as it is now
    --take incoming  采纳离线修改;离线删除则删除,已删除的则恢复
                     take the parked edit: deletes, or restores what was deleted
    --take merge     逐栏决定 / decide by field, with --field and --set;
                     每个冲突栏都须指定 / every field in conflict must be named

    VALUE:多选用逗号分隔,是否写 true/false,位置写 JSON;留空则清除该栏。

    VALUE: options of a set are separated by commas, yes/no is true/false, a position is JSON; nothing clears a field.

    \b
    例 / Examples:
      onegrid conflict resolve 1a2b3c --take server --as 13800000005 \\
          --reason "以户口本为准 as in the household register"
      onegrid conflict resolve 1a2b3c --take merge --as 13800000005 \\
          --field name=incoming --set phone=13900001234 \\
          --reason "当面核实 checked in person" --dry-run
    """
    ids, why = _ids(id_), _reason(reason)
    sides, typed = _sides(field or []), _pairs(set_ or [], "--set")
    if bool(sides or typed) != (take == "merge"):
        message = "合并须用 --field 或 --set,其他方式不可用 / merge, and only merge, goes with --field or --set"
        raise typer.BadParameter(message, param_hint="--take")
    if twice := sides.keys() & typed.keys():
        raise typer.BadParameter(f"每栏只写一次 / decide once: {', '.join(sorted(twice))}", param_hint="--set")

    async def work(services: Services) -> Done:
        caller = await acting_as(services, as_)
        values: dict[str, Any] = {}
        if typed:
            detail = await show_conflict(services, caller, ids)
            values = _values(services.catalogue.types[detail.conflict.type], typed)
        order = Order(actor=caller, ids=ids, reason=why, now=datetime.now(UTC), dry_run=dry_run)
        return await resolve_conflict(services, order, Choice(take, sides, values))

    _answer(with_services(data, work), as_json)


@app.command()
def undo(
    id_: IdArgument,
    as_: AsOption,
    reason: WhyOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """撤销 / take a settlement back and open the conflict again.

    \b
    只恢复处理时改动的栏目;若此后又有人改动这些栏目或删除了事项,
    则不能撤销。

    Brings back exactly the fields that the settlement changed; refused if one of them was changed again since, or the
    item deleted.

    \b
    例 / Example:
      onegrid conflict undo 1a2b3c --as 13800000005 --reason "看错人 wrong person"
    """
    ids, why = _ids(id_), _reason(reason)

    async def work(services: Services) -> Done:
        caller = await acting_as(services, as_)
        order = Order(actor=caller, ids=ids, reason=why, now=datetime.now(UTC), dry_run=dry_run)
        return await undo_resolution(services, order)

    _answer(with_services(data, work), as_json)


def _answer(done: Done, as_json: bool) -> None:
    print_json(done) if as_json else print_done(done)


def _ids(text: str) -> tuple[UUID, UUID]:
    try:
        return id_range(text)
    except ValueError:
        raise typer.BadParameter(
            f"请写冲突编号或其前 {SHORTEST_PREFIX} 位以上 / give the id or at least its first {SHORTEST_PREFIX} digits",
            param_hint="ID",
        ) from None


def _reason(text: str | None) -> str:
    if text is None or not text.strip():
        raise typer.BadParameter("请写明原因,会记入审计 / say why; it is audited", param_hint="--reason")
    return text


def _division(code: str | None) -> str | None:
    if code is None:
        return None
    if not _DIVISION.fullmatch(code):
        raise typer.BadParameter("请写 4 至 15 位编码 / give a code of 4 to 15 digits", param_hint="--division")
    return division_prefix(code) if len(code) == 12 else code


def _before(age: str | None, now: datetime) -> datetime | None:
    if age is None:
        return None
    matched = _AGE.fullmatch(age)
    if matched is None:
        raise typer.BadParameter("请写如 30m、12h、3d / write 30m, 12h or 3d", param_hint="--older-than")
    return now - timedelta(**{_AGE_UNITS[matched[2]]: int(matched[1])})


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals) or key in pairs:
            raise typer.BadParameter("请写 KEY=…,每栏一次 / write KEY=… once for a field", param_hint=option)
        pairs[key] = value
    return pairs


def _sides(texts: list[str]) -> dict[str, Side]:
    sides = _pairs(texts, "--field")
    if not set(sides.values()) <= {"server", "incoming"}:
        raise typer.BadParameter("请写 KEY=server 或 KEY=incoming / write server or incoming", param_hint="--field")
    return cast(dict[str, Side], sides)


def _values(compiled: CompiledType, typed: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, text in typed.items():
        try:
            values[key] = parse_value(compiled.fields.get(key), text)
        except ValueError:
            raise typer.BadParameter(f"{key} 不能是这样的值 / no such value for {key}", param_hint="--set") from None
    return values
