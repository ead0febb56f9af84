"""`onegrid user list` and `show`: who there is."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from server.cli.context import AsOption, DataOption, JsonOption, acting_as, print_json, with_services
from server.cli.user_options import GridOption, PersonArgument, RoleOption
from server.cli.user_tables import print_people, print_person
from server.errors import Problem
from server.services import Services
from server.usecases.people_views import PeoplePage, PeopleWish, PersonDetail, list_people, show_person
from sync.access import division_prefix

_DIVISION = re.compile(r"[0-9]{4,15}")

RevealOption = Annotated[bool, typer.Option("--reveal", help="显示完整手机号,须写明原因 / show phone numbers in full")]
WhyOption = Annotated[
    str | None, typer.Option("--reason", help="原因(会记入审计)/ why; it is audited", show_default=False)
]


def list_(
    as_: AsOption,
    division: Annotated[
        str | None, typer.Option("--division", help="区划代码或其开头 / code of a division", show_default=False)
    ] = None,
    role: RoleOption = None,
    grid: GridOption = None,
    left: Annotated[bool, typer.Option("--left", help="已离岗的人 / those who have left")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多行数 / at most so many")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="上一页末尾给出的位置 / where the page before ended", show_default=False)
    ] = None,
    reveal: RevealOption = False,
    reason: WhyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出人员 / list the people of your area by name.

    \b
    例 / Examples:
      onegrid user list --role grid_chief --division 341182001000 --as 13800000006
      onegrid user list --left --json --as 13800000006
    """
    wish = PeopleWish(left=left, role=role, division=_division(division), grid=grid)
    why = _why(reveal, reason)

    async def work(services: Services) -> PeoplePage:
        return await list_people(services, await acting_as(services, as_), wish, cursor, limit, why)

    page = with_services(data, work)
    print_json(page) if as_json else print_people(page)


def show(
    person: PersonArgument,
    as_: AsOption,
    reveal: RevealOption = False,
    reason: WhyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """一人的全部任职与手机 / one person with all assignments ever, and the devices.

    已离岗的人只能按用户编号查找。

    Who has left is found by id alone.

    \b
    例 / Examples:
      onegrid user show 13800000021 --as 13800000006
      onegrid user show 13800000021 --reveal --reason "回电 to call back" --as 13800000006
    """
    why = _why(reveal, reason)

    async def work(services: Services) -> PersonDetail:
        return await show_person(services, await acting_as(services, as_), person, why)

    detail = with_services(data, work)
    print_json(detail) if as_json else print_person(detail)


def _division(code: str | None) -> str | None:
    if code is None:
        return None
    if not _DIVISION.fullmatch(code):
        raise typer.BadParameter("请写 4 至 12 位代码 / give a code of 4 to 12 digits", param_hint="--division")
    return division_prefix(code) if len(code) == 12 else code


def _why(reveal: bool, reason: str | None) -> str | None:
    if not reveal:
        return None
    if not (reason or "").strip():
        raise Problem("reason_needed", field="--reason")
    return reason
