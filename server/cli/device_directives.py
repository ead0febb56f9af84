"""`onegrid device wipe` and `update`: what a phone is asked to do itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

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
from server.cli.device_ids import IdArgument, device_ids
from server.cli.device_tables import print_directed
from server.services import Services
from server.usecases.devices import DeviceDetail, find_device
from server.usecases.directives import ask_for_update, wipe_device
from server.usecases.sessions import Caller


def wipe(
    id_: IdArgument, as_: AsOption, reason: ReasonOption, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """停用设备并要求其清除数据 / revoke a phone and have it erase what it holds.

    \b
    尚未停用的先停用。手机下次同步时先上传未传的变更(进入隔离区),再清除本机数据,然后回报。
    手机不再联网则无从清除;是否已清除见 device show。

    It is revoked, if it was not. At its next exchange it first sends what it has not sent, which goes to the
    quarantine, then erases what it holds and says so. A phone that is never online again cannot be made to;
    `device show` says whether it has.

    例 / Example:

    onegrid device wipe 1a2b3c --as 13800000006 --reason "手机被盗 phone stolen"
    """
    _direct(wipe_device, id_, as_, reason, as_json, data)


def update(
    id_: IdArgument, as_: AsOption, reason: ReasonOption, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """要求设备更新应用 / have a phone ask its user to update the app.

    手机下次同步时得知,更新后回报 / It is told at its next exchange, and says so once it is updated.

    例 / Example:

    onegrid device update 1a2b3c --as 13800000006 --reason "表单换版 new forms"
    """
    _direct(ask_for_update, id_, as_, reason, as_json, data)


def _direct(
    ask: Callable[[Services, Caller, UUID, str], Awaitable[DeviceDetail]],
    id_: str,
    as_: str,
    reason: str,
    as_json: bool,
    data: Path | None,
) -> None:
    ids, why = device_ids(id_), need_reason(reason)

    async def work(services: Services) -> DeviceDetail:
        caller = await acting_as(services, as_)
        return await ask(services, caller, await find_device(services, caller, ids), why)

    detail = with_services(data, work)
    print_json(detail) if as_json else print_directed(detail)
