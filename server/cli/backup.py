"""`onegrid backup`: a backup of the database and its keys, proved by restoring it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from server.cli.context import DataOption, JsonOption, print_json, with_services
from server.cli.progress import progress
from server.settings import read
from server.usecases.backing_up import BackupWish, Made, back_up

ToOption = Annotated[
    Path | None,
    typer.Option("--to", metavar="DIR", help="存放备份的文件夹 / folder of backups", show_default="DATA/backups"),
]
KeepOption = Annotated[
    int | None,
    typer.Option("--keep", metavar="N", min=1, help="只保留最近几份 / how many stay, the newest", show_default="all"),
]
VerifyOption = Annotated[
    str | None,
    typer.Option(
        "--verify-into",
        metavar="URL",
        help="在此空数据库中试恢复,用后清空 / an empty database to prove the backup in; emptied again",
        show_default=False,
    ),
]


def backup(
    to: ToOption = None,
    keep: KeepOption = None,
    verify_into: VerifyOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """备份数据库与密钥,并试恢复一次 / back up the database and its keys, and prove that it restores.

    \b
    服务器不必停止。每份备份是一个文件夹:数据库(不含密钥)、对象清单、manifest.json;
    密钥另存于旁边的 keys-*.onegrid,每次覆盖,以主密钥加密:被清除的事项不会随备份回来。
    备份会恢复到一个临时库中逐表核对;核对通过后,手机才会放手已备份的变更集。
    请把该文件夹复制到别处,并另行保管 keys.json(主密钥)。照片不在其中,由对象存储自行保管。

    The server goes on meanwhile. A backup is a folder: the database without its keys, a list of the objects, and
    manifest.json. The keys lie beside it in keys-*.onegrid, replaced each time and encrypted under the master key, so
    that nothing erased comes back. It is restored into a database of its own and compared; only then phones let go of
    what it holds. Copy the folder to another place, and keep keys.json (the master key) apart from it. Photos are not
    in it: the object store keeps them.

    \b
    例 / Examples:
      onegrid backup --keep 14
      onegrid backup --to /mnt/backups --data /srv/onegrid --json
    """
    folder = to or (data or Path(read("data", os.environ))) / "backups"
    wish = BackupWish(folder=folder.absolute(), keep=keep, verify_into=verify_into)
    with progress(quiet=as_json) as teller:
        made = with_services(data, lambda services: back_up(services, wish, teller))
    print_json(made) if as_json else sys.stdout.write(_told(made))


def _told(made: Made) -> str:
    lines = [
        f"已备份 / backed up: {made.path}",
        f"{made.rows} 行 rows, {made.bytes} 字节 bytes; 对象 objects: {made.objects}",
        _PROOFS[made.proof].format(devices=made.devices),
        *(f"已删除 / removed: {name}" for name in made.pruned),
        *(
            f"密钥文件用旧主密钥加密,未整理 / under a former master key, left as it is: {name}"
            for name in made.unopened
        ),
    ]
    return "\n".join(lines) + "\n"


_PROOFS = {
    "restored": "已试恢复并核对 / restored and compared; 可放手的手机 phones that may let go: {devices}",
    "read": (
        "只读回核对,未试恢复:数据库不允许另建库,请用 --verify-into。手机仍保留全部变更集。\n"
        "Read again but not restored, for no other database may be made here: give --verify-into. Phones keep all."
    ),
}
