"""Putting a backup into an empty database, and the proof that what comes out is what went in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import structlog

from server.db import backup_keys, backups, installation
from server.db.backup_rules import LEFT_OUT
from server.db.database import Connection
from server.db.integrity import dangling
from server.errors import Problem
from server.sealing import Unsealable, unseal
from server.services import Services
from server.storage import backup_files, pg_tools
from server.storage.backup_files import BackupFolder, Manifest
from server.storage.key_file import KeyFile

log = structlog.get_logger()

_SAMPLE = 100


class NoRoom(Exception):
    """The database server lets us make no other database to try a backup in."""


async def put_in(url: str, backup: BackupFolder, manifest: Manifest) -> None:
    """Restore a backup's rows into an empty database, without keys. Raises ToolFailed."""
    await pg_tools.restore(url, "pre-data", backup.dump)
    await pg_tools.restore(url, "data", backup.dump)
    connection = await backups.connect(url)
    try:
        for table, columns in manifest.apart.items():
            await backups.copy_in(connection, table, columns, backup_files.read_table(backup.table(table)))
    finally:
        await connection.close()
    await pg_tools.restore(url, "post-data", backup.dump)


async def prove(services: Services, backup: BackupFolder, manifest: Manifest, key_file: Path, into: str | None) -> None:
    """Restore a backup with its keys, compare the rows, open some items.

    `into`: an empty database, which is emptied again; else one is made beside the present one and dropped. Raises
    NoRoom where that is not allowed, Problem `backup_unproved` where something differs.
    """
    async with _elsewhere(services.settings.database_url, into) as url:
        await put_in(url, backup, manifest)
        connection = await backups.connect(url)
        try:
            keys = KeyFile(key_file, installation.master_keys(services.settings))
            await backup_keys.load(connection, keys.frames())
            await _compare(services, connection, manifest)
        finally:
            await connection.close()


async def _compare(services: Services, connection: Connection, manifest: Manifest) -> None:
    keys = {rule.table for rule in LEFT_OUT if not rule.columns}
    for table, rows in manifest.tables.items():
        if table not in keys and await backups.count_rows(connection, table) != rows:
            raise Problem(
                "backup_unproved",
                detail_zh=f"试恢复后表 {table} 的行数不符,备份未采用。",
                detail_en=f"Restored as a proof, table {table} has another number of rows; the backup was not taken.",
            )
    if found := await dangling(connection):
        log.error("backup_dangling", references=found)
        raise Problem("backup_unproved")
    for row in await backups.sample_of_items(connection, _SAMPLE):
        try:
            unseal(services.keyring.open_key(row["id"].bytes, row["wrapped"]), row["id"].bytes, row["sealed"])
        except Unsealable as error:
            raise Problem("backup_unproved") from error


@asynccontextmanager
async def _elsewhere(url: str, into: str | None) -> AsyncGenerator[str]:
    if into is not None:
        await need_empty(into)
        try:
            yield into
        finally:
            await backups.empty(into)
        return
    connection = await backups.connect(url)
    name = f"onegrid_proof_{uuid4().hex[:12]}"
    try:
        await _create(connection, name)
        yield beside(url, name)
    finally:
        await backups.drop_database(connection, name)
        await connection.close()


async def _create(connection: Connection, name: str) -> None:
    try:
        await backups.create_database(connection, name)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError) as error:
        raise NoRoom from error


async def need_room(url: str) -> None:
    """The same, but what a restore left that was cut off is removed: it serves nobody, and holds nothing of its own."""
    connection = await backups.connect(url)
    try:
        left = await backups.is_unfinished(connection)
    finally:
        await connection.close()
    await (backups.empty(url) if left else need_empty(url))


async def need_empty(url: str) -> None:
    """Raises Problem `restore_target_used` for a database that holds anything."""
    connection = await backups.connect(url)
    try:
        if await backups.tables_of(connection):
            raise Problem("restore_target_used")
    finally:
        await connection.close()


def beside(url: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
