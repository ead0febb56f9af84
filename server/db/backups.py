"""What a backup reads and a restore writes: snapshots, counts, copies of tables, and what is blanked afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg

from server.db.backup_rules import LEFT_OUT, LeftOut
from server.db.database import Connection, Row, prepare_connection, to_json
from server.db.named import sql

# Any constant will do that no other lock of this program has.
_LOCK = 0x6F6E6562
_UNFINISHED = "onegrid_restore_unfinished"


class BackupRunning(Exception):
    """Another backup of this database is being made, or its master key is being changed."""


class Held(NamedTuple):
    """What the snapshot of a backup holds.

    `numbers`: the last number of each device, as rows of device_id, epoch and last_no; `postgres`: the server's version
    as a number; `tables`: the rows of each; `apart`: the columns of tables that are copied without what is left out.
    """

    snapshot: str
    postgres: int
    schema: str
    numbers: list[dict[str, Any]]
    tables: dict[str, int]
    apart: dict[str, list[str]]


async def connect(url: str) -> Connection:
    """A connection of one's own, for what takes longer than a pool should lend. Raises as asyncpg does."""
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC"})
    await prepare_connection(connection)
    return connection


@asynccontextmanager
async def alone(url: str) -> AsyncGenerator[None]:
    """Nobody else writes backups or key files of this database while the block runs. Raises BackupRunning."""
    connection = await connect(url)
    try:
        if not await connection.fetchval(sql("try_backup_lock"), _LOCK):
            raise BackupRunning
        yield
    finally:
        await connection.close()


@asynccontextmanager
async def snapshot(url: str) -> AsyncGenerator[Connection]:
    """One exported snapshot for as long as the block runs."""
    connection = await connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close()


async def read_held(connection: Connection) -> Held:
    """What the snapshot holds."""
    exported = await connection.fetchval(sql("export_snapshot"))
    version = await connection.fetchval("SHOW server_version_num")
    schema = await connection.fetchval(sql("schema_revision"))
    numbers = [dict(row) for row in await connection.fetch(sql("numbers_of_devices"))]
    tables = {table: await count_rows(connection, table) for table in await tables_of(connection)}
    apart = {one.table: await _columns_kept(connection, one) for one in LEFT_OUT if one.columns}
    return Held(str(exported), int(version or 0), str(schema), numbers, tables, apart)


async def swap(connection: Connection, name: str, restored: str, kept: str | None) -> None:
    """Give the database `restored` the name `name`; the one that has it goes on as `kept`, None if there is none."""
    if kept is not None:
        await connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{kept}"')
    await connection.execute(f'ALTER DATABASE "{restored}" RENAME TO "{name}"')


async def create_afresh(url: str, name: str) -> None:
    """An empty database of this name, in place of what an attempt that was cut off may have left."""
    connection = await connect(url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    finally:
        await connection.close()


async def begin_restore(url: str) -> None:
    """Mark an empty database as one that a restore is filling, so that nobody takes a part of it for the whole."""
    connection = await connect(url)
    try:
        await connection.execute(f'CREATE TABLE "{_UNFINISHED}" ()')
    finally:
        await connection.close()


async def end_restore(connection: Connection) -> None:
    """The restore is complete."""
    await connection.execute(f'DROP TABLE "{_UNFINISHED}"')


async def is_unfinished(connection: Connection) -> bool:
    """Whether a restore into this database was begun and never came to its end."""
    return bool(await connection.fetchval(sql("table_exists"), _UNFINISHED))


async def empty(url: str) -> None:
    """Drop everything that a restore put into this database."""
    connection = await connect(url)
    try:
        async with connection.transaction():
            await connection.execute("DROP SCHEMA public CASCADE")
            await connection.execute("CREATE SCHEMA public")
    finally:
        await connection.close()


async def tables_of(connection: Connection) -> list[str]:
    """Every table of the program, the one of the schema's version included."""
    return [row["tablename"] for row in await connection.fetch(sql("tables"))]


async def count_rows(connection: Connection, table: str) -> int:
    """How many rows a table of `tables_of` has."""
    return int(await connection.fetchval(f'SELECT count(*) FROM "{table}"') or 0)  # noqa: S608 - the name is a table's


async def _columns_kept(connection: Connection, rule: LeftOut) -> list[str]:
    rows = await connection.fetch(sql("columns"), rule.table)
    return [row["name"] for row in rows if row["name"] not in rule.columns]


async def copy_out(connection: Connection, table: str, columns: Iterable[str]) -> AsyncIterator[bytes]:
    """The rows of a table as `COPY` writes them, in parts."""
    query = f'SELECT {listed(columns)} FROM "{table}"'  # noqa: S608 - names of the schema
    async for part in copied(connection, query, "text"):
        yield part


async def copied(connection: Connection, query: str, form: Literal["text", "binary"]) -> AsyncIterator[bytes]:
    """What `COPY` gives for a query, handed on part by part while it runs."""
    parts: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)
    copying = asyncio.create_task(_fill(connection, query, form, parts))
    try:
        while (part := await parts.get()) is not None:
            yield part
        await copying
    finally:
        copying.cancel()
        await asyncio.wait({copying})


async def _fill(connection: Connection, query: str, form: str, parts: asyncio.Queue[bytes | None]) -> None:
    try:
        await connection.copy_from_query(query, output=parts.put, format=form)
    except asyncio.CancelledError:
        raise
    except BaseException:
        await parts.put(None)
        raise
    await parts.put(None)


async def copy_in(connection: Connection, table: str, columns: Iterable[str], parts: AsyncIterator[bytes]) -> None:
    """Put rows back that `copy_out` gave."""
    await connection.copy_to_table(table, source=parts, columns=list(columns))


async def raise_safe_numbers(connection: Connection, numbers: list[dict[str, Any]]) -> int:
    """Note that a verified backup holds each device's sets up to these numbers; how many devices it changed."""
    told = await connection.execute(sql("raise_safe_numbers"), to_json(numbers))
    return int(told.split()[-1])


async def sample_of_items(connection: Connection, number: int) -> list[Row]:
    """Some items with sealed values and their keys: id, wrapped, sealed."""
    return await connection.fetch(sql("sample_of_items"), number)


async def items_without_key(connection: Connection, after: UUID, number: int) -> list[UUID]:
    """Items that nobody can open any more and that are not erased yet, in the order of ids."""
    return [row["id"] for row in await connection.fetch(sql("items_without_key"), after, number)]


async def close_without_key(connection: Connection) -> int:
    """Blank raw sets and salvage that nobody can open any more; how many there were."""
    told = [await connection.execute(sql(name)) for name in _CLOSED]
    return sum(int(one.split()[-1]) for one in told)


async def photos(connection: Connection) -> list[Row]:
    """sha256, size of photos whose bytes the database believes to be in the object store."""
    return await connection.fetch(sql("photos_of_database"))


async def photos_to_adopt(connection: Connection, number: int) -> list[Row]:
    """sha256, size of photos of items whose bytes nobody has brought yet, and author_id of one of the items."""
    return await connection.fetch(sql("photos_to_adopt"), number)


async def spare_erased_photos(connection: Connection, until: datetime) -> None:
    """Leave the bytes of photos that no item holds any more where they are until then."""
    await connection.execute(sql("spare_erased_photos"), until)


async def erased_and_revoked(connection: Connection) -> tuple[list[UUID], list[UUID]]:
    """The items that are erased and the devices that are revoked."""
    row = await connection.fetchrow(sql("erased_and_revoked"))
    assert row is not None
    return row["erased"], row["revoked"]


async def forget_keys(connection: Connection, item_ids: list[UUID]) -> None:
    """Let go of the keys of items that were erased after the key file was written."""
    await connection.execute(sql("forget_keys"), item_ids)


async def revoke_again(connection: Connection, device_ids: list[UUID]) -> list[UUID]:
    """Revoke devices that were revoked after the backup; those that it changed."""
    return [row["id"] for row in await connection.fetch(sql("revoke_again"), device_ids)]


def listed(names: Iterable[str]) -> str:
    """Columns as a statement names them."""
    return ", ".join(f'"{name}"' for name in names)


_CLOSED = ("close_sets_without_key", "close_forks_without_key", "close_salvage_without_key")


async def create_database(connection: Connection, name: str) -> None:
    """Make an empty database, from an untouched template: the usual one may hold what an operator put there."""
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')


async def drop_database(connection: Connection, name: str) -> None:
    """Remove a database that nobody uses, if it is there."""
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
