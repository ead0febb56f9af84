"""The server's house: its database, its store, the application as it serves, and what befalls all of them."""

from __future__ import annotations

import asyncio
import io
import logging
from dataclasses import replace
from random import Random
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import httpx

from server.app import create_app
from server.prepare import Prepared, prepare
from server.services import Services
from server.settings import Settings
from tests.databases import copying, drop_database
from tests.old_catalogues import catalogue_of_three


class House:
    """One database of a real cluster, and one server process on it. `log` is all that was logged."""

    services: Services
    client: httpx.AsyncClient
    truth: asyncpg.Connection

    def __init__(self, embedded: dict[str, str], template: str, chance: Random) -> None:
        self.name = f"machine_{UUID(int=chance.getrandbits(128)).hex[:12]}"
        self._embedded = embedded
        self._template = template
        self.url = urlunsplit(urlsplit(embedded["ONEGRID_DATABASE_URL"])._replace(path=f"/{self.name}"))
        self.settings = Settings.from_env(
            embedded
            | {
                "ONEGRID_DATABASE_URL": self.url,
                "ONEGRID_S3_BUCKET": f"machine-{self.name[-12:]}",
                "ONEGRID_ACCESS_TOKEN_MINUTES": "1440",
                "ONEGRID_DB_POOL_SIZE": "6",
            }
        )
        self.log = io.StringIO()
        self.copied = False
        self._serving: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def build(self) -> None:
        """An empty database of the present schema, and a server on it."""
        await self._admin(copying(self._template, self.name))
        await self.open()

    async def open(self) -> Prepared:
        """Start as every start goes: prepare, then serve."""
        # Nothing here pulls the plug, and the disk is the slowest part of a long walk.
        await self._admin(f'ALTER DATABASE "{self.name}" SET synchronous_commit = off')
        prepared = await asyncio.to_thread(prepare, self.settings)
        app = create_app(self.settings)
        logging.getLogger("httpx").setLevel("WARNING")
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(self.log)
        started, self._stop = asyncio.Event(), asyncio.Event()

        async def serve() -> None:
            async with app.lifespan():
                started.set()
                await self._stop.wait()

        # A task of its own: what is opened in a task is closed in the same one.
        self._serving = asyncio.create_task(serve())
        waiting = asyncio.ensure_future(started.wait())
        await asyncio.wait([self._serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            await self._serving
        app.state.services = replace(app.state.services, catalogue=catalogue_of_three())
        self.services = app.state.services
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://onegrid.test", timeout=60)
        self.truth = await asyncpg.connect(self.url)
        return prepared

    async def close(self) -> None:
        """Stop serving; nobody is connected afterwards."""
        await self.client.aclose()
        await self.truth.close()
        self._stop.set()
        if self._serving is not None:
            await self._serving

    async def restart(self) -> Prepared:
        """Stop and start."""
        await self.close()
        return await self.open()

    async def back_up(self) -> None:
        """A copy of the whole database, as the disk of a machine that is switched off."""
        await self.close()
        if self.copied:
            await self._admin(f'DROP DATABASE "{self.name}_copy"')
        await self._admin(copying(self.name, f"{self.name}_copy"))
        self.copied = True
        await self.open()

    async def put_back(self) -> Prepared:
        """The copy takes the database's place, and nobody is told."""
        await self.close()
        await self._drop(self.name)
        await self._admin(f'ALTER DATABASE "{self.name}_copy" RENAME TO "{self.name}"')
        self.copied = False
        return await self.open()

    async def drop_connections(self) -> None:
        """The database ends every connection of the server."""
        await self.truth.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    async def mend(self) -> None:
        """Let the server find out which of its connections are gone."""
        for _ in range(3):
            asked = (self.services.database.pool.fetchval("SELECT 1") for _ in range(self.settings.db_pool_size))
            await asyncio.gather(*asked, return_exceptions=True)

    async def demolish(self) -> None:
        """Leave nothing behind."""
        await self.close()
        for name in (self.name, f"{self.name}_copy"):
            await self._drop(name)

    async def _drop(self, name: str) -> None:
        connection = await asyncpg.connect(self._embedded["ONEGRID_DATABASE_URL"])
        try:
            await drop_database(connection, name)
        finally:
            await connection.close()

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self._embedded["ONEGRID_DATABASE_URL"])
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
