"""Real parts for every test: one PostgreSQL and one S3 store a test process, a fresh database and bucket a test."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Generator, Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from server.db.database import Database
from server.db.migrate import upgrade
from server.embedded.services import running
from server.settings import Settings
from tests.databases import copying, drop_database
from tests.memory import passing_folder

# Property tests print the failing example and the blob that replays it; slow machines must not fail them.
settings.register_profile(
    "onegrid", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("onegrid")

# The programs that tests start keep what they compile of their sources; each would do it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collecting makes a great many objects, all of which stay: the garbage collector need not look at them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Where `-n` alone is given: neighbours run in one process, so that what a module shares is made but once."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


@pytest.fixture(scope="session")
def embedded() -> Iterator[dict[str, str]]:
    """The settings that lead to this test process's own PostgreSQL and object store."""
    with passing_folder() as folder, running(folder / "data") as environ:
        yield environ


@pytest.fixture(scope="session")
def template(embedded: dict[str, str]) -> str:
    """The name of a migrated database that tests are copied from."""
    name = f"template_{uuid4().hex[:8]}"
    asyncio.run(_admin(embedded, f'CREATE DATABASE "{name}"'))
    upgrade(_named(embedded["ONEGRID_DATABASE_URL"], name))
    return name


@pytest.fixture
async def database_url(embedded: dict[str, str], template: str) -> AsyncIterator[str]:
    """A fresh migrated database, dropped after the test."""
    name = f"test_{uuid4().hex[:8]}"
    await _admin(embedded, copying(template, name))
    yield _named(embedded["ONEGRID_DATABASE_URL"], name)
    connection = await asyncpg.connect(embedded["ONEGRID_DATABASE_URL"])
    await drop_database(connection, name)
    await connection.close()


@pytest.fixture
def environ(embedded: dict[str, str], database_url: str) -> dict[str, str]:
    """What a process of this test's server would find in its environment."""
    own = {"ONEGRID_DATABASE_URL": database_url, "ONEGRID_S3_BUCKET": f"test-{uuid4().hex[:8]}"}
    return embedded | own


@pytest.fixture
def settings_of_test(environ: dict[str, str]) -> Settings:
    """Settings for this test's database and bucket."""
    return Settings.from_env(environ)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on this test's database."""
    opened = await Database.connect(database_url, size=4)
    yield opened
    await opened.close()


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection for looking at the database from outside of what is tested."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _admin(embedded: dict[str, str], statement: str) -> None:
    connection = await asyncpg.connect(embedded["ONEGRID_DATABASE_URL"])
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _named(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
