"""Restoring a backup: into a database of its own, with the newest keys, as a new epoch.

    check -> mark -> rows -> migrate -> keys -> epoch -> erase what has no key any more -> photos that are missing
    -> take the mark off

What was erased after the backup has no key in the newest key file, so it is erased here too, before anybody sees it.
The database that is replaced, where it can still be read, tells what was erased and revoked after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from server.db import audit, backup_keys, backups, epochs, installation, items, migrate
from server.db.database import Database, Transaction
from server.errors import Problem
from server.services import Services, open_services
from server.settings import Settings
from server.storage import pg_tools
from server.storage.backup_files import BackupFolder, Manifest, NoBackup
from server.storage.key_file import KeyFile, KeysUnreadable, OtherMasterKey, key_file
from server.storage.objects import StoredObject, StoreUnavailable
from server.usecases.backup_proof import need_room, put_in
from server.usecases.epochs import begin_epoch
from server.usecases.erasure import Order, erase_locked
from server.usecases.evidence import photo_key
from server.usecases.telling import Teller
from server.usecases.witness import renew_witness

_BATCH = 200
_FIRST = UUID(int=0)


class RestoreWish(Struct, frozen=True, kw_only=True):
    """`into`: the address of an empty database; `replaces`: the one that it takes the place of, if there is one."""

    backup: Path
    keys: Path | None
    reason: str
    into: str
    replaces: str | None = None


class Checked(Struct, frozen=True, kw_only=True):
    """A backup that may be restored: when it and its keys were made, its epoch, schema and size."""

    name: str
    at: datetime
    keys_at: datetime
    epoch: str
    schema: str
    rows: int
    objects: int


class Restored(Struct, frozen=True, kw_only=True):
    """What a restore brought.

    `erased`: items that were erased after the backup and now are again; `closed`: raw sets and salvage that went with
    them; `revoked`: devices revoked after the backup, again; `learnt`: whether the replaced database told of them;
    `missing_photos`: photos that the database knows and the object store has not, None where it could not be asked.
    """

    backup: Checked
    epoch: str
    erased: int
    closed: int
    revoked: int
    learnt: bool
    photos: int
    missing_photos: int | None


class _Known(Struct, frozen=True):
    """What the replaced database knows and no backup can."""

    erased: list[UUID]
    revoked: list[UUID]


def check_backup(settings: Settings, backup: Path, keys: Path | None) -> tuple[BackupFolder, Manifest, KeyFile]:
    """Read all of a backup and its keys, and tell whether this program may restore them.

    `keys`: the key file, by default the one of its epoch beside the backup. Raises Problem: backup_unusable,
    backup_newer, backup_keys_unusable, backup_other_key.
    """
    folder = BackupFolder(backup)
    try:
        manifest = folder.manifest()
        folder.check(manifest)
    except NoBackup as error:
        raise Problem(
            "backup_unusable", detail_zh=f"备份不可用:{error}", detail_en=f"The backup cannot be used: {error}"
        ) from error
    if manifest.schema > installation.head_revision():
        raise _newer(manifest)
    opened = _open_keys(settings, keys or key_file(backup.absolute().parent, manifest.epoch))
    if opened.about.at < manifest.at or opened.about.epoch != manifest.epoch:
        raise Problem("backup_keys_unusable")
    return folder, manifest, opened


def _newer(manifest: Manifest) -> Problem:
    wrote, here = (manifest.program, manifest.schema), (version("onegrid"), installation.head_revision())
    return Problem(
        "backup_newer",
        detail_zh="备份由 onegrid {}(表结构 {})写入,本程序为 {}(表结构 {})。请安装该版本或更新版本后再恢复。".format(
            *wrote, *here
        ),
        detail_en="onegrid {} (schema {}) wrote this backup, and this is {} (schema {}). Install that version or a "
        "later one, and restore with it.".format(*wrote, *here),
    )


def _open_keys(settings: Settings, path: Path) -> KeyFile:
    try:
        return KeyFile(path, installation.master_keys(settings))
    except OtherMasterKey as error:
        raise Problem("backup_other_key") from error
    except (KeysUnreadable, OSError) as error:
        raise Problem("backup_keys_unusable") from error


def described(folder: BackupFolder, manifest: Manifest, keys: KeyFile) -> Checked:
    """What may be told of a backup before it is restored."""
    return Checked(
        name=folder.name,
        at=manifest.at,
        keys_at=keys.about.at,
        epoch=manifest.epoch,
        schema=manifest.schema,
        rows=sum(manifest.tables.values()),
        objects=manifest.objects,
    )


async def restore(settings: Settings, wish: RestoreWish, teller: Teller) -> Restored:
    """Restore into `wish.into`, which serves nobody yet and, cut off, never will. The replaced database is only read.

    A backup of an older program is brought to the present schema before its keys are there and its epoch begins.

    Raises Problem as `check_backup` does, and restore_target_used, restore_failed.
    """
    teller.phase("检查备份", "checking the backup")
    folder, manifest, keys = await asyncio.to_thread(check_backup, settings, wish.backup, wish.keys)
    await need_room(wish.into)
    await backups.begin_restore(wish.into)
    teller.phase("写入数据", "putting the rows in")
    try:
        await put_in(wish.into, folder, manifest)
        teller.phase("升级表结构,装入密钥", "bringing the schema up, loading the keys")
        await asyncio.to_thread(migrate.upgrade, wish.into)
        await _load_keys(wish.into, keys)
    except (pg_tools.ToolFailed, asyncpg.PostgresError, KeysUnreadable) as error:
        raise Problem(
            "restore_failed", detail_zh=f"恢复失败:{error}", detail_en=f"The restore failed: {error}"
        ) from error
    known = await _ask(wish.replaces)
    async with open_services(replace(settings, database_url=wish.into)) as services:
        return await _settle(services, wish, described(folder, manifest, keys), known, teller)


async def _load_keys(url: str, keys: KeyFile) -> None:
    connection = await backups.connect(url)
    try:
        await backup_keys.load(connection, keys.frames())
    finally:
        await connection.close()


async def _ask(url: str | None) -> _Known | None:
    """None where there is no other database, or it cannot be read any more."""
    if url is None:
        return None
    try:
        connection = await backups.connect(url)
        try:
            return _Known(*await backups.erased_and_revoked(connection))
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None


async def _settle(
    services: Services, wish: RestoreWish, backup: Checked, known: _Known | None, teller: Teller
) -> Restored:
    teller.phase("清除此后已清除的内容", "erasing what was erased since")
    epoch, revoked = await services.database.write(partial(_begin, wish=wish, backup=backup, known=known))
    erased = await _erase(services, wish.reason, teller)
    closed = await services.database.write(lambda tx: backups.close_without_key(tx.connection))
    teller.phase("核对照片", "looking for the photos")
    photos, missing = await _missing_photos(services)
    await services.database.write(lambda tx: backups.end_restore(tx.connection))
    return Restored(
        backup=backup,
        epoch=epoch.id,
        erased=erased,
        closed=closed,
        revoked=len(revoked),
        learnt=known is not None,
        photos=photos,
        missing_photos=missing,
    )


async def _begin(
    tx: Transaction, wish: RestoreWish, backup: Checked, known: _Known | None
) -> tuple[epochs.Epoch, Sequence[UUID]]:
    """The epoch and the record of it; what the replaced database knows is done again."""
    revoked: list[UUID] = []
    if known is not None:
        await backups.forget_keys(tx.connection, known.erased)
        revoked = await backups.revoke_again(tx.connection, known.revoked)
    detail = {"backup": backup.name, "at": backup.at.isoformat(), "keys_at": backup.keys_at.isoformat()}
    epoch = await begin_epoch(tx, "restored", wish.reason, detail)
    acts = [
        audit.Act(
            actor_id=None,
            action="device.revoked",
            subject_kind="device",
            subject_id=str(device),
            reason=wish.reason,
            detail={"again": True},
        )
        for device in revoked
    ]
    await audit.record_all(tx.connection, acts)
    return epoch, revoked


async def _erase(services: Services, reason: str, teller: Teller) -> int:
    """Items without a key become what erased items are; how many there were."""
    erased, last = 0, _FIRST
    while True:
        async with services.database.read() as connection:
            found = await backups.items_without_key(connection, last, _BATCH)
        if not found:
            return erased
        order = Order(by=None, reason=reason, at=datetime.now(UTC))
        await services.database.write(partial(_erase_batch, services=services, found=found, order=order))
        erased, last = erased + len(found), found[-1]
        teller.step()


async def _erase_batch(tx: Transaction, services: Services, found: list[UUID], order: Order) -> None:
    """Bytes of photos that are still there were another item's too, which a phone may yet bring: they stay a while.

    So what would remove them after the commit is never called.
    """
    quiet = Transaction(tx.connection)
    rows = await items.lock_items(tx.connection, found, wholly=True)
    await erase_locked(quiet, services, [[row] for row in rows], order)
    spared = order.at + timedelta(days=services.settings.offline_lease_days)
    await backups.spare_erased_photos(tx.connection, spared)


async def _missing_photos(services: Services) -> tuple[int, int | None]:
    """How many photos the database counts on, and how many of them the object store does not have."""
    async with services.database.read() as connection:
        wanted = {photo_key(row["sha256"], row["size"]) for row in await backups.photos(connection)}
    number = len(wanted)

    def take(found: StoredObject) -> None:
        wanted.discard(found.key)

    try:
        await services.objects.each(take)
    except StoreUnavailable:
        return number, None
    return number, len(wanted)


async def settle_witness(settings: Settings) -> bool:
    """Let the witness tell of the restored database, so that its next start finds nothing new. False: no store."""
    async with open_services(settings) as services:
        try:
            await renew_witness(services.database, services.objects, services.keyring)
        except StoreUnavailable:
            return False
    return True


async def take_place(maintenance: str, name: str, restored: str, kept: str | None) -> None:
    """Let the database `restored` have this name; what had it goes on as `kept`. Both at once.

    `maintenance`: another database of the server. Nobody may be connected to either; raises asyncpg errors if somebody
    is.
    """
    database = await Database.connect(maintenance, size=1)
    try:
        await database.write(lambda tx: backups.swap(tx.connection, name, restored, kept))
    finally:
        await database.close()
