"""`onegrid user first`, `password` and `unlock`: how people get in."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from server.cli.context import AsOption, DataOption, JsonOption, ReasonOption, acting_as, print_json, with_services
from server.cli.user_options import PersonArgument
from server.cli.user_tables import print_password, print_unlocked
from server.services import Services
from server.usecases.credentials import NewPassword, reset_password, unlock
from server.usecases.founding import found


def first(
    name: Annotated[str, typer.Option("--name", help="姓名 / name")],
    phone: Annotated[str, typer.Option("--phone", help="登录手机号 / login phone")],
    reason: ReasonOption,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """第一位安全管理员 / make the first security administrator of a new installation.

    仅当尚无安全管理员时可用;密码只显示这一次。

    Only while there is none; the password is shown this once. He then appoints the administrators.

    \b
    例 / Example:
      onegrid user first --name 周明 --phone 13800000031 --reason "启用 first use"
    """
    done = with_services(data, lambda services: found(services, name, phone, reason))
    print_json(done) if as_json else print_password(done)


def password(
    person: PersonArgument, as_: AsOption, reason: ReasonOption, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """重设密码 / make a fresh password; it is shown this once.

    此人在办公端的登录随即失效,手机不受影响。

    Sign-ins at offices end; phones stay signed in.

    \b
    例 / Example:
      onegrid user password 13800000005 --as 13800000031 --reason "忘记密码 forgotten"
    """

    async def work(services: Services) -> NewPassword:
        return await reset_password(services, await acting_as(services, as_), person, reason)

    done = with_services(data, work)
    print_json(done) if as_json else print_password(done)


def unlock_(
    person: PersonArgument, as_: AsOption, reason: ReasonOption, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """解锁 / let a person try the password again.

    \b
    例 / Example:
      onegrid user unlock 13800000005 --as 13800000031 --reason "本人核实 verified in person"
    """

    async def work(services: Services) -> UUID:
        return await unlock(services, await acting_as(services, as_), person, reason)

    user = with_services(data, work)
    print_json({"user": user}) if as_json else print_unlocked(user)
