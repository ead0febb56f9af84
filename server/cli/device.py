"""`onegrid device`: the phones of the field."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import urlencode

import segno
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
from server.services import Services
from server.settings import Settings
from server.usecases.enrolment import issue_codes

app = typer.Typer(help="外勤手机 / phones of the field", no_args_is_help=True)


@app.callback()
def devices() -> None:
    """外勤手机 / phones of the field."""


@app.command()
def enrol(
    user: Annotated[str, typer.Option("--user", metavar="PHONE|ID", help="手机归谁使用 / whose phone it will be")],
    as_: AsOption,
    reason: ReasonOption,
    url: Annotated[
        str, typer.Option("--url", help="手机访问服务器的地址 / address of the server for phones", show_default=False)
    ] = "",
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
    code, address = with_services(data, lambda services: _enrol(services, user, as_, why, url))
    if as_json:
        print_json({"code": code.code, "user": code.user, "expires_at": code.expires_at, "url": address})
    else:
        _show(code, address)


async def _enrol(services: Services, user: str, as_: str, reason: str, url: str) -> tuple[NewCode, str]:
    caller = await acting_as(services, as_)
    codes = await issue_codes(services, caller, CodesRequest(user=user), reason)
    return codes[0], url or _address(services.settings)


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls_cert else 'http'}://{host}:{settings.port}"


def _show(code: NewCode, address: str) -> None:
    segno.make(f"onegrid://enrol?{urlencode({'url': address, 'code': code.code})}").terminal(sys.stdout, compact=True)
    grouped = "-".join(code.code[i : i + 4] for i in range(0, len(code.code), 4))
    ends = code.expires_at.astimezone().isoformat(timespec="minutes")
    sys.stdout.write(f"服务器 / server: {address}\n注册码 / code:   {grouped}\n有效至 / until:  {ends}\n")
