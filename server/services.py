"""Everything a request, a job or a command works with, opened and closed in one place."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from time import monotonic

import asyncpg
import structlog
from msgspec import json

from schemas.forms import CatalogueFaulty, CompiledCatalogue, compile_catalogue, packaged
from schemas.previous import PreviousCatalogue
from server.db import catalogues, installation
from server.db.database import Database
from server.db.job_queue import JobQueue
from server.db.registry import current_version, load_registry
from server.embedded.words import StartError
from server.logs import failure
from server.memory import Memory
from server.passwords import PasswordDesk
from server.sealing import Keyring, Unsealable
from server.settings import Settings
from server.storage.objects import ObjectStore
from sync.registry import Registry

log = structlog.get_logger()

_REGISTRY_SECONDS = 2.0
_CATALOGUE_SECONDS = 1.0
"""With the reading and compiling of a new one, it is not older than two."""


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
        await self.catch_up()

    async def catch_up(self) -> None:
        """Look at once."""
        async with self._loading:
            looked_at = monotonic()
            async with self._database.read() as connection:
                if await current_version(connection) != self.registry.version:
                    self.registry = await load_registry(connection)
            self._checked_at = looked_at


class CatalogueHolder:
    """The catalogue that was published here, if one was, at most two seconds behind the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checked_at = float("-inf")
        self._loading = asyncio.Lock()
        self._published: CompiledCatalogue | None = None

    async def published(self, *, at_once: bool = False) -> CompiledCatalogue | None:
        """The current one, or None where the one that comes with the program is in use.

        Looks whether another was published if the last look is too old, with `at_once` always. One that this program
        cannot read is passed over, but not at the first look: that raises CatalogueFaulty.
        """
        asked_at = monotonic()
        if at_once or asked_at >= self._checked_at + _CATALOGUE_SECONDS:
            async with self._loading:
                if self._checked_at < asked_at:
                    await self._look()
        return self._published

    async def _look(self) -> None:
        looked_at = monotonic()
        held = self._published and self._published.version
        async with self._database.read() as connection:
            changed = await catalogues.current_version(connection) != held
            documents = await catalogues.documents(connection) if changed else []
        if changed:
            await self._take(documents)
        self._checked_at = looked_at

    async def _take(self, documents: Sequence[bytes]) -> None:
        try:
            # It takes a good part of a second, in which others are served.
            self._published = await asyncio.to_thread(_compiled, *documents) if documents else None
        except CatalogueFaulty as faulty:
            if self._checked_at == float("-inf"):
                raise
            log.error("catalogue_unreadable", **failure(faulty))


@lru_cache(maxsize=2)
def _compiled(current: bytes, *previous: bytes) -> CompiledCatalogue:
    return compile_catalogue(current, [json.decode(one, type=PreviousCatalogue) for one in previous])


@dataclass(frozen=True)
class Services:
    """What this process holds open.

    `catalogue`: of one piece of work, from its beginning to its end; `at_present` gives the services for another one.
    """

    settings: Settings
    database: Database
    keyring: Keyring
    objects: ObjectStore
    catalogue: CompiledCatalogue
    catalogue_holder: CatalogueHolder = field(repr=False)
    registry_holder: RegistryHolder = field(repr=False)
    passwords: PasswordDesk = field(repr=False)
    jobs: JobQueue = field(repr=False)
    memory: Memory = field(repr=False)

    @property
    def registry(self) -> Registry:
        """The current grids, as `registry_holder` last saw them."""
        return self.registry_holder.registry

    async def at_present(self, *, at_once: bool = False) -> Services:
        """These with the current catalogue; `at_once`: not even by two seconds older."""
        published = await self.catalogue_holder.published(at_once=at_once)
        return self if published is None else replace(self, catalogue=published)


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
        database.when_outrun(holder.catch_up)
        await holder.refresh()
        services = Services(
            settings,
            database,
            keyring,
            objects,
            packaged(),
            CatalogueHolder(database),
            holder,
            PasswordDesk(),
            jobs,
            memory,
        )
        yield await _with_catalogue(services)
    finally:
        await jobs.close()
        await database.close()
        objects.close()


async def _with_catalogue(services: Services) -> Services:
    try:
        return await services.at_present()
    except CatalogueFaulty as faulty:
        first = faulty.faults[0]
        raise StartError(
            f"现行事项目录由较新的程序发布,本程序无法读取({first.path}: {first.zh}),请升级程序",
            f"the current catalogue was published by a newer program and cannot be read ({first.path}: {first.en}): "
            "upgrade this one",
        ) from faulty


async def _connect(settings: Settings) -> Database:
    try:
        return await Database.connect(settings.database_url, size=settings.db_pool_size)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise StartError(*_unreachable(error)) from error


def _unreachable(error: Exception) -> tuple[str, str]:
    """What is wrong with the way to the database, and what to look at."""
    kind = type(error).__name__
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        zh, en = "请检查 ONEGRID_DATABASE_URL 中的账号和密码", "check account and password in ONEGRID_DATABASE_URL"
    elif isinstance(error, asyncpg.InvalidCatalogNameError):
        zh, en = (
            "请检查 ONEGRID_DATABASE_URL 中的库名，或先新建该库",
            "check its name in ONEGRID_DATABASE_URL, or create it",
        )
    elif isinstance(error, OSError | TimeoutError | asyncpg.CannotConnectNowError):
        zh = "请确认 PostgreSQL 在运行，并检查 ONEGRID_DATABASE_URL 中的地址和端口"
        en = "see that PostgreSQL runs, and check host and port in ONEGRID_DATABASE_URL"
    else:
        zh, en = "请检查 ONEGRID_DATABASE_URL", "check ONEGRID_DATABASE_URL"
    return f"无法连接数据库（{kind}），{zh}", f"the database cannot be reached ({kind}): {en}"


async def _need_schema(database: Database) -> None:
    """What an older one lacks would be told in words of PostgreSQL; of a newer one this program may know enough."""
    async with database.read() as connection:
        schema, program = await installation.schema_of(connection), installation.head_revision()
    if schema < program:
        raise StartError(
            f"数据库的表结构 {schema} 比本程序的 {program} 旧，请先用旧版本备份，"
            "再运行 onegrid up（启动时自动升级，外部数据库亦然）",
            f"schema {schema} of the database is older than this program's {program}: back up with the former version, "
            "then run onegrid up, which brings it up, also in an external database",
        )


async def _claim(database: Database, settings: Settings) -> bytes:
    """The root secret."""
    epoch, masters = secrets.token_urlsafe(9), installation.master_keys(settings)
    try:
        await _need_schema(database)
        root = await database.write(lambda tx: installation.claim(tx.connection, masters, epoch))
    except asyncpg.UndefinedTableError as error:
        raise StartError(
            "数据库尚未建表，请先运行 onegrid up", "the database has no schema yet: run onegrid up first"
        ) from error
    except installation.KeysMissing as error:
        raise StartError(
            "此数据库由备份恢复，但其密钥尚未恢复（或恢复中途断了），请运行 onegrid restore，连同密钥文件一起恢复",
            "this database was restored from a backup without its keys, or its restore was cut off: run onegrid "
            "restore, which takes the key file along",
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
