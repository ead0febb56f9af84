"""Backups: one snapshot of the database, what the object store holds, and the keys; then the proof that they restore.

    snapshot -> dump and tables apart -> objects -> keys -> restored elsewhere and compared -> named -> safe numbers

Only a backup that was restored and compared raises the numbers up to which phones may let go of what they sent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from server.db import audit, backups, epochs
from server.db.backup_rules import LEFT_OUT
from server.db.database import Connection, Transaction
from server.embedded.words import StartError
from server.errors import Problem
from server.services import Services
from server.storage import backup_files, pg_tools
from server.storage.backup_files import BackupFolder, Manifest, whole_backups
from server.storage.key_file import KeyFileWriter
from server.storage.objects import StoredObject
from server.usecases.backup_keys import tidy_keys, write_keys
from server.usecases.backup_proof import NoRoom, prove
from server.usecases.telling import Teller
from server.usecases.witness import face_witness

Proof = Literal["restored", "read"]
"""How far a backup was tried: restored into an empty database and compared, or only read again."""


class BackupWish(Struct, frozen=True, kw_only=True):
    """`keep`: how many backups stay, None for all; `verify_into`: an empty database to restore into as a proof."""

    folder: Path
    keep: int | None = None
    verify_into: str | None = None


class Made(Struct, frozen=True, kw_only=True):
    """A finished backup. `devices`: how many may let go of more than before; `pruned`: the older ones that went.

    `unopened`: key files of former epochs that no known master key opens, and that stayed as they were.
    """

    path: str
    at: datetime
    epoch: str
    rows: int
    bytes: int
    objects: int
    proof: Proof
    devices: int
    pruned: list[str]
    unopened: list[str]


async def back_up(services: Services, wish: BackupWish, teller: Teller) -> Made:
    """Make a backup, prove it, and only then let phones rely on it.

    Raises Problem: backup_running, backup_failed, backup_unproved; StartError where the programs are too old.
    """
    now = datetime.now(UTC)
    draft = backup_files.begin(wish.folder, now)
    try:
        async with backups.alone(services.settings.database_url):
            return await _make(services, wish, draft, now, teller)
    except backups.BackupRunning as error:
        raise Problem("backup_running") from error
    except pg_tools.ToolFailed as error:
        raise Problem(
            "backup_failed", detail_zh=f"备份失败:{error}", detail_en=f"The backup failed: {error}"
        ) from error
    finally:
        draft.discard()


async def _make(services: Services, wish: BackupWish, draft: BackupFolder, now: datetime, teller: Teller) -> Made:
    async with backups.snapshot(services.settings.database_url) as connection:
        held, epoch = await backups.read_held(connection), await epochs.current(connection)
        _check_version(held.postgres)
        await _write_rows(services, connection, held, draft, teller)
    objects, object_bytes = await _write_objects(services, draft, teller)
    manifest = Manifest(
        format=backup_files.FORMAT,
        program=version("onegrid"),
        at=now,
        postgres=held.postgres,
        schema=held.schema,
        epoch=epoch.id,
        epoch_seq=epoch.seq,
        tables=held.tables,
        apart=held.apart,
        objects=objects,
        object_bytes=object_bytes,
        parts=draft.parts(),
    )
    teller.phase("写入密钥文件", "writing the key files")
    keys = await write_keys(services, wish.folder)
    try:
        proof = await _prove(services, wish, draft, manifest, keys, teller)
        keys.publish()
    finally:
        keys.discard()
    whole, pruned = draft.finish(manifest), _prune(wish)
    unopened = await tidy_keys(services, wish.folder, {one.manifest().epoch for one in whole_backups(wish.folder)})
    devices = await services.database.write(lambda tx: _rely(tx, held, manifest, proof))
    await face_witness(services.database, services.objects, services.keyring)
    return Made(
        path=str(whole.path),
        at=now,
        epoch=epoch.id,
        rows=sum(held.tables.values()),
        bytes=sum(part.size for part in manifest.parts),
        objects=objects,
        proof=proof,
        devices=devices,
        pruned=pruned,
        unopened=unopened,
    )


def _check_version(postgres: int) -> None:
    if postgres // 10_000 > pg_tools.NEWEST:
        raise StartError(
            f"数据库为 PostgreSQL {postgres // 10_000}，自带的 pg_dump 只到 {pg_tools.NEWEST}，请升级本程序，"
            "或按 docs/operations.md 用数据库自己的工具备份",
            f"the database is PostgreSQL {postgres // 10_000} and the pg_dump here knows {pg_tools.NEWEST}: upgrade "
            "this program, or back up with the database's own tools as docs/operations.md says",
        )


async def _write_rows(
    services: Services, connection: Connection, held: backups.Held, draft: BackupFolder, teller: Teller
) -> None:
    teller.phase("导出数据库", "dumping the database")
    left_out = [rule.table for rule in LEFT_OUT]
    await pg_tools.dump(services.settings.database_url, held.snapshot, left_out, draft.dump)
    for table, columns in held.apart.items():
        await backup_files.write_table(draft.table(table), backups.copy_out(connection, table, columns))


async def _write_objects(services: Services, draft: BackupFolder, teller: Teller) -> tuple[int, int]:
    """A line for every object; how many there are, and their bytes. The objects themselves stay where they are."""
    teller.phase("列出照片", "listing the photos")
    sizes: list[int] = []
    with backup_files.private_zstd(draft.objects) as out:

        def take(found: StoredObject) -> None:
            sizes.append(found.size)
            out.write(msgspec.json.encode({"key": found.key, "size": found.size, "etag": found.etag}) + b"\n")
            teller.step()

        await services.objects.each(take)
    return len(sizes), sum(sizes)


async def _prove(
    services: Services, wish: BackupWish, draft: BackupFolder, manifest: Manifest, keys: KeyFileWriter, teller: Teller
) -> Proof:
    teller.phase("校验备份", "proving the backup")
    draft.check(manifest)
    try:
        await prove(services, draft, manifest, keys.path, wish.verify_into)
    except NoRoom:
        return "read"
    return "restored"


async def _rely(tx: Transaction, held: backups.Held, manifest: Manifest, proof: Proof) -> int:
    devices = await backups.raise_safe_numbers(tx.connection, held.numbers) if proof == "restored" else 0
    detail = {"epoch": manifest.epoch, "proof": proof, "devices": devices}
    await audit.record(tx.connection, None, "backup.made", "backup", manifest.at.isoformat(), None, detail)
    return devices


def _prune(wish: BackupWish) -> list[str]:
    if wish.keep is None:
        return []
    old = whole_backups(wish.folder)[wish.keep :]
    for one in old:
        one.discard()
    return [one.name for one in old]
