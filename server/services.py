"""Everything a request, a job or a command works with, opened and closed in one place."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import asyncpg

from schemas.forms import CompiledCatalogue, packaged
from server.db import installation
from server.db.database import Database
from server.db.job_queue import JobQueue
from server.db.registry import current_version, load_registry
from server.embedded.words import StartError
from server.memory import Memory
from server.passwords import PasswordDesk
from server.sealing import Keyring, Unsealable
from server.settings import Settings
from server.storage.objects import ObjectStore
from sync.registry import Registry

_REGISTRY_SECONDS = 2.0


class RegistryHolder:
    """The registry in memory, at most two seconds behind the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checked_at = float("-inf")
        self._loading = asyncio.Lock()
        self.registry = Registry(0, [])

    async def refresh(self) -> None:
        """Look whether a newer version was published, if the last look is too old; an empty registry always is."""
        if self.registry.version and monotonic() < self._checked_at + _REGISTRY_SECONDS:
            return
        async with self._loading:
            await self._reload()

    async def _reload(self) -> None:
        looked_at = monotonic()
        async with self._database.read() as connection:
            if await current_version(connection) != self.registry.version:
                self.registry = await load_registry(connection)
        self._checked_at = looked_at


@dataclass(frozen=True)
class Services:
    """What this process holds open."""

    settings: Settings
    database: Database
    keyring: Keyring
    objects: ObjectStore
    catalogue: CompiledCatalogue
    registry_holder: RegistryHolder = field(repr=False)
    passwords: PasswordDesk = field(repr=False)
    jobs: JobQueue = field(repr=False)
    memory: Memory = field(repr=False)

    @property
    def registry(self) -> Registry:
        """The current grids, as `registry_holder` last saw them."""
        return self.registry_holder.registry


@asynccontextmanager
async def open_services(settings: Settings, memory: Memory | None = None) -> AsyncGenerator[Services, None]:
    """Open the database and the object store for as long as the block runs.

    `memory`: one that the caller keeps; without it nothing is answered from memory. The root secret is opened with the
    master key. Raises StartError with one clear sentence if the database cannot be reached, has no schema, or belongs
    to another master key.
    """
    objects = ObjectStore.from_settings(settings)
    database = await _connect(settings)
    jobs = await JobQueue.connect(settings.database_url)
    memory = memory or Memory()
    database.when_moved(memory.moved)
    try:
        keyring = Keyring(await _claim(database, settings))
        holder = RegistryHolder(database)
        await holder.refresh()
        yield Services(settings, database, keyring, objects, packaged(), holder, PasswordDesk(), jobs, memory)
    finally:
        await jobs.close()
        await database.close()
        objects.close()


async def _connect(settings: Settings) -> Database:
    try:
        return await Database.connect(settings.database_url, size=settings.db_pool_size)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise StartError(
            f"无法连接数据库（{type(error).__name__}），请检查 ONEGRID_DATABASE_URL",
            f"the database cannot be reached ({type(error).__name__}): check ONEGRID_DATABASE_URL",
        ) from error


async def _claim(database: Database, settings: Settings) -> bytes:
    """The root secret."""
    epoch, masters = secrets.token_urlsafe(9), installation.master_keys(settings)
    try:
        root = await database.write(lambda tx: installation.claim(tx.connection, masters, epoch))
    except asyncpg.UndefinedTableError as error:
        raise StartError(
            "数据库尚未建表，请先运行 onegrid up", "the database has no schema yet: run onegrid up first"
        ) from error
    except installation.KeysMissing as error:
        raise StartError(
            "此数据库由备份恢复，但其密钥尚未恢复，请先恢复密钥文件",
            "this database was restored from a backup without its keys: restore the key file first",
        ) from error
    except Unsealable as error:
        raise StartError(
            "数据库中的根密钥已损坏，已封存的内容无法打开，请从备份恢复",
            "the root secret in the database is damaged, so nothing sealed could be opened: restore a backup",
        ) from error
    if root is None:
        raise StartError(
            "ONEGRID_MASTER_KEY 与此数据库不符，已封存的内容将无法打开，请换回此数据库所用的主密钥",
            "ONEGRID_MASTER_KEY is not the one of this database, so nothing sealed could be opened: "
            "set the key that it is used with",
        )
    return root.secret
