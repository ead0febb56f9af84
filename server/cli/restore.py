"""`onegrid restore`: a backup becomes the database, in a new epoch."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace

from server import logs
from server.cli.context import JsonOption, ReasonOption, need_reason, print_json
from server.cli.progress import progress
from server.db import backups
from server.embedded import postgres
from server.embedded.services import running
from server.embedded.words import StartError
from server.settings import REQUIRED, Settings, read, variable
from server.usecases.backup_proof import beside
from server.usecases.restoring import (
    Checked,
    Restored,
    RestoreWish,
    check_backup,
    described,
    settle_witness,
    take_place,
)
from server.usecases.restoring import restore as restore_into

_RESTORING = "onegrid_restoring"


class Done(Struct, frozen=True, kw_only=True):
    """What was restored; `kept`: the name under which the replaced database goes on."""

    restored: Restored
    kept: str | None
    witness: bool


def restore(
    backup: Annotated[
        Path, typer.Argument(metavar="BACKUP", exists=True, file_okay=False, help="备份文件夹 / its folder")
    ],
    reason: ReasonOption,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys", dir_okay=False, exists=True, help="密钥文件 / key file [keys-*.onegrid]", show_default=False
        ),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url", metavar="URL", help="外部空数据库 / an empty external database", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查,不写入 / check, write nothing")] = False,
    as_json: JsonOption = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="已停止的数据文件夹 / data folder of a stopped server", show_default="onegrid-data"
        ),
    ] = None,
) -> None:
    """恢复一份备份,开始新纪元 / restore a backup and begin a new epoch.

    \b
    自带数据库:先停止服务器。备份恢复为新库后改名换入,原库改名保留(onegrid_before_…)。
    外部数据库:给出 --database-url(一个空库),完成后把 ONEGRID_DATABASE_URL 指向它。
    密钥取旁边最新的密钥文件:备份之后清除的事项不会回来。原库仍可读时,备份之后的清除和停用一并重做。
    手机下次连接时自动核对,补交此库缺少的内容,不必重新注册。
    备份之后的注册、任职、停用、办件等,若原库不可读,便无从知晓,请对照审计与台账补做。

    Embedded database: stop the server first. The backup is restored beside the present database and takes its name;
    that one is kept as onegrid_before_... External: give --database-url, an empty database, and afterwards let
    ONEGRID_DATABASE_URL name it. Keys come from the newest key file beside the backup, so nothing erased since comes
    back; where the old database can still be read, what was erased and revoked since is done again. Phones compare when
    they next connect and send again what is missing; none is enrolled anew. What happened at desks after the backup
    (enrolments, appointments, revocations, cases) is lost with the old database.

    \b
    例 / Examples:
      onegrid restore onegrid-data/backups/onegrid-backup-20260401T020000.000Z --dry-run --reason "演练 drill"
      onegrid restore /mnt/onegrid-backup-20260401T020000.000Z --data /srv/onegrid --reason "磁盘损坏 disk failure"
    """
    why = need_reason(reason)
    logs.configure("warning", "console")
    with _settings(data, database_url) as settings:
        if dry_run:
            checked = described(*check_backup(settings, backup, keys))
            print_json(checked) if as_json else sys.stdout.write(_checked(checked))
            return
        wish = RestoreWish(backup=backup, keys=keys, reason=why, into=settings.database_url)
        done = asyncio.run(_restore(settings, wish, embedded=database_url is None, quiet=as_json))
    print_json(done) if as_json else sys.stdout.write(_told(done))


@contextmanager
def _settings(data: Path | None, database_url: str | None) -> Generator[Settings]:
    """Settings of the external services, or of the embedded ones, which run for as long as the block does."""
    if database_url is not None:
        needed = [name for name in REQUIRED if name != "database_url"]
        yield replace(Settings.from_env(os.environ, required=needed), database_url=database_url)
        return
    if os.environ.get(variable("database_url")):
        raise StartError(
            "ONEGRID_DATABASE_URL 指向外部数据库：请用 --database-url 给出一个空库",
            "ONEGRID_DATABASE_URL names an external database: give an empty one with --database-url",
        )
    with running(data or Path(read("data", os.environ)), Settings.from_env(os.environ, required=())) as environ:
        yield Settings.from_env({name: value for name, value in os.environ.items() if value} | environ)


async def _restore(settings: Settings, wish: RestoreWish, *, embedded: bool, quiet: bool) -> Done:
    with progress(quiet=quiet) as teller:
        if not embedded:
            restored = await restore_into(settings, wish, teller)
            return Done(restored=restored, kept=None, witness=await settle_witness(settings))
        maintenance, fresh = beside(settings.database_url, "postgres"), beside(settings.database_url, _RESTORING)
        await backups.create_afresh(maintenance, _RESTORING)
        into = replace(settings, database_url=fresh)
        restored = await restore_into(into, replace(wish, into=fresh, replaces=settings.database_url), teller)
        kept = f"onegrid_before_{datetime.now(UTC):%Y%m%dt%H%M%S}"
        await take_place(maintenance, postgres.NAME, _RESTORING, kept)
    return Done(restored=restored, kept=kept, witness=await settle_witness(settings))


def _checked(found: Checked) -> str:
    return (
        f"备份可用 / the backup can be restored: {found.name}\n"
        f"时间 made: {_moment(found.at)}  密钥 keys: {_moment(found.keys_at)}\n"
        f"{found.rows} 行 rows; 对象 objects: {found.objects}; 表结构 schema: {found.schema}\n"
    )


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _told(done: Done) -> str:
    restored = done.restored
    lines = [
        f"已恢复 / restored: {restored.backup.name}  新纪元 epoch: {restored.epoch}",
        f"重新清除 erased again: {restored.erased}  重新停用 revoked again: {restored.revoked}",
        _photos(restored),
    ]
    if done.kept:
        lines.append(f"原数据库保留为 / the replaced database is kept as: {done.kept}")
    if not restored.learnt:
        lines.append(_UNKNOWN)
    if not done.witness:
        lines.append("对象存储未应答,下次启动将再开始一个纪元 / no object store: the next start begins one more epoch")
    return "\n".join(lines) + "\n"


def _photos(restored: Restored) -> str:
    if restored.missing_photos is None:
        return "照片未核对:对象存储未应答 / photos were not looked for: the object store did not answer"
    return f"照片 photos: {restored.photos}  缺少 missing: {restored.missing_photos}"


_UNKNOWN = (
    "原数据库不可读:最近一份密钥文件之后的清除,以及备份之后的注册、任职、停用,无从知晓,请补做。\n"
    "The replaced database could not be read: what was erased after the newest key file, and whoever was enrolled, "
    "appointed or revoked after the backup, is not known here. Do it again."
)
