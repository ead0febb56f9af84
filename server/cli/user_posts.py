"""`onegrid user create`, `assign`, `unassign` and `leave`: who comes, who goes, and what each is posted to."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from server.cli.context import AsOption, DataOption, JsonOption, ReasonOption, acting_as, print_json, with_services
from server.cli.user_options import DryRunOption, GridOption, PersonArgument, RoleOption
from server.cli.user_tables import print_appointed, print_ended
from server.services import Services
from server.usecases.leaving import Ended, leave, unassign
from server.usecases.people import Appointed, PostWish, assign, create_user
from sync.roster import read_day

DivisionOption = Annotated[
    str | None,
    typer.Option("--division", metavar="CODE", help="12 位区划代码 / code of a division", show_default=False),
]
DepartmentOption = Annotated[
    str | None,
    typer.Option("--department", metavar="CODE", help="部门 / department of a handler", show_default=False),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="DAY", help="任职首日,不填即自现在 / first day, else from now", show_default=False),
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="DAY", help="任职末日(含)/ last day, inclusive", show_default=False)
]


def create(
    name: Annotated[str, typer.Option("--name", help="姓名 / name")],
    phone: Annotated[str, typer.Option("--phone", help="登录手机号 / login phone")],
    as_: AsOption,
    reason: ReasonOption,
    role: RoleOption = None,
    grid: GridOption = None,
    division: DivisionOption = None,
    department: DepartmentOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """新建人员 / take on a person, with a first post if --role is given.

    \b
    例 / Examples:
      onegrid user create --name 王芳 --phone 13800000021 --role grid_worker \\
          --grid 341182001001001 --as 13800000006 --reason "新入职 new"
      onegrid user create --name 李强 --phone 13800000022 --role department_handler \\
          --division 341182000000 --department gongan --from 2025-03-01 \\
          --as 13800000006 --reason "轮岗 rotation"
    """
    if role is None and (grid or division or department or from_ or to):
        raise typer.BadParameter("请同时写明角色 / name the role too", param_hint="--role")
    wish = _post(role, grid, division, department, from_, to) if role is not None else None

    async def work(services: Services) -> Appointed:
        return await create_user(services, await acting_as(services, as_), name, phone, wish, reason)

    done = with_services(data, work)
    print_json(done) if as_json else print_appointed(done)


def assign_(
    person: PersonArgument,
    role: Annotated[str, typer.Option("--role", metavar="CODE", help="角色 / role, such as grid_chief")],
    as_: AsOption,
    reason: ReasonOption,
    grid: GridOption = None,
    division: DivisionOption = None,
    department: DepartmentOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """任职 / give a person a post.

    \b
    例 / Example:
      onegrid user assign 13800000021 --role grid_chief --grid 341182001001001 \\
          --from 2025-03-01 --to 2025-08-31 --as 13800000006 --reason "代理 stand-in"
    """
    wish = _post(role, grid, division, department, from_, to)

    async def work(services: Services) -> Appointed:
        return await assign(services, await acting_as(services, as_), person, wish, reason)

    done = with_services(data, work)
    print_json(done) if as_json else print_appointed(done)


def unassign_(
    person: PersonArgument,
    assignment: Annotated[int, typer.Option("--assignment", metavar="N", help="任职编号,见 user show / its number")],
    as_: AsOption,
    reason: ReasonOption,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """免职 / end one assignment now; its access ends at once, its history stays.

    \b
    例 / Example:
      onegrid user unassign 13800000021 --assignment 42 --as 13800000006 \\
          --reason "调整 reorganised"
    """

    async def work(services: Services) -> Ended:
        return await unassign(services, await acting_as(services, as_), person, assignment, reason)

    done = with_services(data, work)
    print_json(done) if as_json else print_ended(done)


def leave_(
    person: PersonArgument,
    as_: AsOption,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """离岗 / let a person leave: all posts and sign-ins end at once.

    此前已完成、尚在手机中的工作仍可上传;手机不再得到任何数据。

    What was written before and is still on the phone may arrive; the phone is given nothing more. The telephone number
    is free for another account.

    \b
    例 / Example:
      onegrid user leave 13800000021 --as 13800000006 --reason "离职 left" --dry-run
    """

    async def work(services: Services) -> Ended:
        return await leave(services, await acting_as(services, as_), person, reason, dry_run=dry_run)

    done = with_services(data, work)
    print_json(done) if as_json else print_ended(done)


def _post(
    role: str, grid: str | None, division: str | None, department: str | None, first: str | None, last: str | None
) -> PostWish:
    return PostWish(
        role=role,
        grid=grid,
        division=division,
        department=department,
        first=_day(first, "--from"),
        last=_day(last, "--to"),
    )


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else read_day(text)
    except ValueError:
        raise typer.BadParameter("请写如 2025-03-01 / write it as 2025-03-01", param_hint=option) from None
