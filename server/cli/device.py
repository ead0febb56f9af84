"""`onegrid device`: the phones of the field."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from schemas.accounts import CodesRequest, NewCode
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
from server.cli.device_directives import update, wipe
from server.cli.device_ids import IdArgument, device_ids
from server.cli.device_tables import print_code, print_device, print_devices, print_revoked
from server.services import Services
from server.settings import Settings
from server.usecases.devices import (
    DeviceDetail,
    DevicesPage,
    DevicesWish,
    find_device,
    list_devices,
    replace_device,
    revoke_device,
    show_device,
)
from server.usecases.enrolment import issue_codes
from sync.access import division_prefix

app = typer.Typer(help="外勤手机 / phones of the field", no_args_is_help=True)
app.command()(wipe)
app.command()(update)

_DIVISION = re.compile(r"[0-9]{4,12}")
_GRID = re.compile(r"[0-9]{15}")

UrlOption = Annotated[
    str, typer.Option("--url", help="手机访问服务器的地址 / address of the server for phones", show_default=False)
]


@app.callback()
def devices() -> None:
    """外勤手机 / phones of the field."""


@app.command()
def enrol(
    user: Annotated[str, typer.Option("--user", metavar="PHONE|ID", help="手机归谁使用 / whose phone it will be")],
    as_: AsOption,
    reason: ReasonOption,
    url: UrlOption = "",
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """生成一次性注册码,并在终端显示二维码 / make a one-time enrolment code and show it as a QR code.

    在 App 中扫码,或手工输入服务器地址与注册码。每码只能注册一台手机;到期前未使用即作废。

    Scan it with the app, or type address and code by hand. A code enrols one phone, and ends unused after
    ONEGRID_ENROL_CODE_HOURS. The phone that scans it is then signed in as --user.

    例 / Example:

    onegrid device enrol --user 13800000001 --as 13800000006 --reason "新手机 new phone" --url https://grid.example
    """
    why = need_reason(reason)

    async def work(services: Services) -> tuple[NewCode, str]:
        caller = await acting_as(services, as_)
        codes = await issue_codes(services, caller, CodesRequest(user=user), why)
        return codes[0], url or _address(services.settings)

    _answer_code(with_services(data, work), as_json)


@app.command(name="list")
def list_(
    as_: AsOption,
    user: Annotated[
        str | None, typer.Option("--user", metavar="PHONE|ID", help="持有人 / holder", show_default=False)
    ] = None,
    division: Annotated[
        str | None, typer.Option(metavar="CODE", help="区划代码 / code of a division", show_default=False)
    ] = None,
    grid: Annotated[
        str | None, typer.Option(metavar="CODE", help="网格编码 / code of a grid", show_default=False)
    ] = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="只列已停用的 / only revoked ones")] = False,
    silent_for: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=1, max=3650, help="多少天未同步 / no exchange for days", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多行数 / at most so many")] = 50,
    cursor: Annotated[
        str | None, typer.Option(help="上一页末尾给出的位置 / where the page before ended", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """列出设备 / list the phones of your people, by the names of their holders.

    \b
    管理员看本区划,社区和网格长看本团队,安全管理员看全市。
    「未传」是手机自己上次报告的未上传变更数。

    An administrator sees his division, a community or a grid chief their team, a security administrator the city.
    "unsent" is what the phone itself said at its last exchange.

    \b
    例 / Examples:
      onegrid device list --as 13800000006 --silent-for 7
      onegrid device list --as 13800000006 --grid 341182001001001
      onegrid device list --as 13800000006 --revoked --json
    """
    wish = DevicesWish(holder=user, place=_place(division, grid), revoked=revoked, silent_days=silent_for)

    async def work(services: Services) -> DevicesPage:
        return await list_devices(services, await acting_as(services, as_), wish, cursor, limit)

    page = with_services(data, work)
    print_json(page) if as_json else print_devices(page, datetime.now(UTC))


@app.command()
def show(id_: IdArgument, as_: AsOption, as_json: JsonOption = False, data: DataOption = None) -> None:
    """查看一台设备 / show one phone.

    例 / Example:

    onegrid device show 1a2b3c --as 13800000006
    """
    ids = device_ids(id_)

    async def work(services: Services) -> DeviceDetail:
        caller = await acting_as(services, as_)
        return await show_device(services, caller, await find_device(services, caller, ids))

    detail = with_services(data, work)
    print_json(detail) if as_json else print_device(detail)


@app.command()
def revoke(
    id_: IdArgument, as_: AsOption, reason: ReasonOption, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """停用设备 / revoke a phone, such as a lost one.

    \b
    停用后手机不再得到任何数据;它之后上传的内容留在隔离区,不丢失。
    停用不能撤销:要继续使用,请重新注册(enrol 或 replace)。

    From then on it is given no data; what it still sends is kept in the quarantine and not applied. It is for good: to
    go on using the phone, enrol it again (enrol, or replace).

    例 / Example:

    onegrid device revoke 1a2b3c --as 13800000006 --reason "手机遗失 phone lost"
    """
    ids, why = device_ids(id_), need_reason(reason)

    async def work(services: Services) -> DeviceDetail:
        caller = await acting_as(services, as_)
        return await revoke_device(services, caller, await find_device(services, caller, ids), why)

    detail = with_services(data, work)
    print_json(detail) if as_json else print_revoked(detail)


@app.command()
def replace(
    id_: IdArgument,
    as_: AsOption,
    reason: ReasonOption,
    url: UrlOption = "",
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """换机 / revoke a phone and make an enrolment code for the same person.

    \b
    旧机立即停用;用此码注册的新机会记录它替换了哪一台。
    旧机未上传的内容请先同步,否则之后只能进入隔离区。

    The old phone is revoked at once, and the one enrolled with the code records which it replaces. Let the old one
    synchronise before: what it sends afterwards goes to the quarantine.

    例 / Example:

    onegrid device replace 1a2b3c --as 13800000006 --reason "换新手机 new phone" --url https://grid.example
    """
    ids, why = device_ids(id_), need_reason(reason)

    async def work(services: Services) -> tuple[NewCode, str]:
        caller = await acting_as(services, as_)
        code = await replace_device(services, caller, await find_device(services, caller, ids), why)
        return code, url or _address(services.settings)

    _answer_code(with_services(data, work), as_json)


def _answer_code(made: tuple[NewCode, str], as_json: bool) -> None:
    code, address = made
    if as_json:
        print_json({"code": code.code, "user": code.user, "expires_at": code.expires_at, "url": address})
    else:
        print_code(code, address)


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls_cert else 'http'}://{host}:{settings.port}"


def _place(division: str | None, grid: str | None) -> str | None:
    if division is not None and grid is not None:
        raise typer.BadParameter("--division 与 --grid 只写其一 / give one of both", param_hint="--grid")
    if grid is not None and not _GRID.fullmatch(grid):
        raise typer.BadParameter("请写 15 位网格编码 / give a grid code of 15 digits", param_hint="--grid")
    if division is not None and not _DIVISION.fullmatch(division):
        raise typer.BadParameter("请写 4 至 12 位代码 / give a code of 4 to 12 digits", param_hint="--division")
    return division_prefix(division) if division and len(division) == 12 else division or grid
