"""Brings a database to the schema of this program, one process at a time."""

from __future__ import annotations

import asyncio
from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

# Any constant will do, as long as every program that migrates this database takes the same one.
_LOCK = 0x6F6E6567


class DatabaseNewer(Exception):
    """The database was written by a later program; this one must not touch it."""


def upgrade(database_url: str, revision: str = "head") -> None:
    """Apply what is missing, under an advisory lock. Raises DatabaseNewer if the revision is not known here.

    `revision`: where to stop, for looking at what a former program would have had.
    """
    asyncio.run(_upgrade(database_url, revision))


async def _upgrade(database_url: str, revision: str) -> None:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(_run, revision)
            await connection.commit()
    finally:
        await engine.dispose()


def _run(connection: Connection, revision: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(resources.files("migrations")))
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, revision)


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    known: set[Any] = {script.revision for script in scripts.walk_revisions()}
    current = set(MigrationContext.configure(connection).get_current_heads())
    if current - known:
        raise DatabaseNewer(
            "数据库由更新版本的程序写入,请升级程序。 / The database was written by a newer program; upgrade this one."
        )
