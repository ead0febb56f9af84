"""`onegrid key`: the master key, never shown, and its rotation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

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
from server.embedded.folder import DataFolder
from server.errors import Problem
from server.services import Services
from server.settings import read, variable
from server.usecases.keys import KeyInUse, Rotated, master_key_in_use, rotate_master_key

BackupsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="存放备份的文件夹 / folder of backups [DATA/backups]", show_default=False, file_okay=False
    ),
]

app = typer.Typer(help="主密钥 / the master key", no_args_is_help=True)


@app.callback()
def key() -> None:
    """主密钥 / the master key, which opens the secret behind all keys of the installation."""


@app.command()
def show(as_json: JsonOption = False, data: DataOption = None) -> None:
    """主密钥的指纹与使用天数 / fingerprint and age of the master key; never the key itself.

    例 / Example: onegrid key show
    """
    found = with_services(data, master_key_in_use)
    print_json(found) if as_json else sys.stdout.write(_shown(found))


@app.command()
def rotate(
    as_: AsOption,
    reason: ReasonOption,
    backups: BackupsOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """更换主密钥 / put another master key in place of the present one.

    \b
    只改写一行,不重写数据;运行中的服务器不受影响。仅安全管理员可用。
    备份文件夹中的密钥文件一并改用新密钥,旧备份用新密钥即可恢复。
    自带数据文件夹:新密钥自动生成,写入 keys.json。
    外部密钥:先在所有服务器上把新密钥写入 ONEGRID_MASTER_KEY_NEXT,再运行本命令。
    中途断电可再次运行,它会把上次做完。

    One row is rewritten and no data; running servers go on. For the security administrator alone. The key files beside
    the backups are put under the new key too, so that older backups are restored with it. On a data folder
    the new key is drawn and kept in keys.json. Where the key is a setting, first set ONEGRID_MASTER_KEY_NEXT to the new
    one on every server, then run this. If it is interrupted, run it again: it finishes what was begun.

    \b
    例 / Example:
      onegrid key rotate --as 13800000016 --reason "每年更换 yearly"
    """
    why = need_reason(reason)
    kept = (backups or (data or Path(read("data", os.environ))) / "backups").absolute()
    if os.environ.get(variable("master_key")):
        _tell(_of_setting(data, as_, why, kept), as_json, _AFTER_SETTING)
    else:
        _tell(_of_folder(data, as_, why, kept), as_json, _AFTER_FOLDER)


def _of_setting(data: Path | None, as_: str, reason: str, backups: Path) -> Rotated:
    async def work(services: Services) -> Rotated:
        caller = await acting_as(services, as_)
        return await rotate_master_key(services, caller, lambda: _next_of(services), reason, backups)

    return with_services(data, work)


def _next_of(services: Services) -> bytes:
    new = services.settings.master_key_next
    if not new or new == services.settings.master_key:
        raise Problem("next_key_needed")
    return new


def _of_folder(data: Path | None, as_: str, reason: str, backups: Path) -> Rotated:
    """The new key is in the folder before the database knows it, and the old one leaves it only after that."""
    folder = DataFolder(data or Path(read("data", os.environ)))
    folder.connection()

    async def work(services: Services) -> Rotated:
        caller = await acting_as(services, as_)
        return await rotate_master_key(services, caller, folder.draw_next_key, reason, backups)

    with folder.changing_keys():
        rotated = with_services(data, work)
        folder.adopt_next_key()
    return rotated


_AFTER_SETTING = (
    "请在每台服务器上把 ONEGRID_MASTER_KEY 改为新密钥并删去 ONEGRID_MASTER_KEY_NEXT;不必立即重启。"
    "只有旧密钥的服务器将无法再启动。\n"
    "On every server now make the new key ONEGRID_MASTER_KEY and remove ONEGRID_MASTER_KEY_NEXT; a restart can wait. "
    "A server that has only the old key cannot start again.\n"
)
_AFTER_FOLDER = (
    "新密钥已写入 keys.json,无需重启。请备份 keys.json:以前的副本已打不开数据库。\n"
    "The new key is in keys.json and nothing needs a restart. Back keys.json up: earlier copies of it no longer open "
    "the database.\n"
)


def _tell(rotated: Rotated, as_json: bool, after: str) -> None:
    if as_json:
        print_json(rotated)
        return
    zh, en = ("上次的更换已完成", "the earlier rotation is finished") if rotated.finished else ("已更换", "changed")
    previous = f"{rotated.previous} → " if rotated.previous else ""
    sys.stdout.write(f"主密钥{zh} / master key: {en}\n指纹 / fingerprint: {previous}{rotated.fingerprint}\n")
    for name in rotated.unopened:
        sys.stdout.write(f"密钥文件打不开,仍用更早的主密钥 / not opened, still under a former master key: {name}\n")
    sys.stdout.write(after)


def _shown(found: KeyInUse) -> str:
    lines = f"指纹 / fingerprint: {found.fingerprint}\n启用 / since: {found.since.isoformat(timespec='minutes')}"
    lines += f" ({found.days} 天 / days)\n"
    if found.unfinished:
        lines += "更换尚未完成 / a rotation is not finished: onegrid key rotate\n"
    return lines
