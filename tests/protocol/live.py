"""A running server seen from outside: the application on a real socket, in a thread of its own, on a fresh database.

    with fresh_server(environ, template) as server:
        httpx.get(f"{server.url}/health/live")

Tests speak HTTP to it. What they look up behind its back they ask with `sql` and `kept_bytes`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvicorn
import uvloop

from schemas.accounts import TokenPair
from server.app import create_app
from server.db.database import Transaction
from server.passwords import hash_password
from server.sealing import unseal
from server.services import Services
from server.settings import Settings
from server.usecases.photo_checks import check_upload
from server.usecases.quarantine_release import ReleaseOrder, release
from server.usecases.sessions import begin_session
from server.worker import config
from tests import builders
from tests.builders import CADRE, GRIDS, Person
from tests.databases import copying, drop_database
from tests.integration.catalogue_scene import PUBLISHER, edition, publish
from tests.integration.registry_change_scene import FIRST, apply, plan_files, strip

T = TypeVar("T")
PASSWORD = "Correct-Horse-9"
_PATIENCE = 60.0


class LiveServer:
    """The application with the mini city in it; `environ` leads another process to the same database and store."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self.settings = settings = Settings.from_env(self.environ)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._app = create_app(settings)
        self._ready: Future[None] = Future()
        self._thread = Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.result(_PATIENCE)
        self.run(self.services.objects.ensure_bucket())
        self.run(builders.build_city(self.services))

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE)

    @property
    def services(self) -> Services:
        """What the application holds open; use it on the server's own loop, by `run`."""
        return self._app.state.services

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the server's loop do something, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def sql(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows, by a connection that is not the server's."""
        return self.run(self._fetch(query, *arguments))

    def value(self, query: str, *arguments: Any) -> Any:
        """The first value of the first row."""
        return self.sql(query, *arguments)[0][0]

    def counts(self, *tables: str) -> dict[str, int]:
        """How many rows each table has."""
        parts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
        return dict(zip(tables, self.sql(f"SELECT {parts}")[0], strict=True))

    def kept_bytes(self, device: str, no: int, table: str = "change_set") -> list[bytes]:
        """The raw bytes that the server keeps for a number, unsealed."""
        rows = self.sql(f"SELECT epoch, sealed, wrapped FROM {table} WHERE device_id = $1 AND no = $2", device, no)
        return [self._unsealed(f"{device}/{row['epoch']}/{no}".encode(), row) for row in rows]

    def client(self, headers: Mapping[str, str] | None = None) -> httpx.Client:
        """A client of this server; answers come as they are, uncompressed."""
        return httpx.Client(base_url=self.url, headers={"Accept-Encoding": "identity"} | dict(headers or {}))

    def sign_in(self, person: Person) -> dict[str, str]:
        """The header of somebody at an office."""
        return self.run(builders.sign_in(self.services, person))

    def give_password(self, person: Person) -> None:
        """From now on he signs in with PASSWORD."""
        self.sql("UPDATE users SET password_hash = $2 WHERE id = $1", person.id, hash_password(PASSWORD))

    def check_photos(self) -> None:
        """What the jobs process does: check the bytes of all that was sent."""
        for row in self.sql("SELECT id FROM upload WHERE state = 'stored' ORDER BY created_at, id"):
            self.run(check_upload(self.services, row["id"]))

    def merge_grids(self) -> None:
        """The first two grids become one, and the server has seen it."""
        self.run(self._merge_grids())

    async def _merge_grids(self) -> None:
        both = strip(0, 2)
        await apply(self.services, plan_files({"merge": GRIDS[:2], "into": {"code": FIRST, "name": "并"}}, s011=both))
        self.services.registry_holder._checked_at = float("-inf")
        await self.services.registry_holder.refresh()

    def release_held(self) -> None:
        """An office lets go on what the quarantine holds."""
        self.run(self._release_held())

    async def _release_held(self) -> None:
        who = await builders.caller(self.services, CADRE, "cli")
        order = ReleaseOrder(actor=who, reason="确属帮办", now=datetime.now(UTC))
        for row in await self._fetch("SELECT id FROM quarantine WHERE state = 'held' ORDER BY id"):
            await release(self.services, order, (row["id"], row["id"]))

    def publish_catalogue(self) -> None:
        """The same forms become a new version, and the server has seen it."""
        self.run(self._publish_catalogue())

    async def _publish_catalogue(self) -> None:
        await self.services.database.write(lambda tx: builders.add_people(tx, self.services, [PUBLISHER]))
        await publish(self.services, edition("2025.1"))

    def _unsealed(self, owner: bytes, row: Mapping[str, Any]) -> bytes:
        secret = self.services.keyring.open_key(owner, row["wrapped"])
        return unseal(secret, owner, row["sealed"])

    async def _fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            self._server = _Announcing(config(self._app, self.settings), self._ready)
            runner.run(self._server.serve(sockets=[self._socket]))


class _Announcing(uvicorn.Server):
    def __init__(self, settings: uvicorn.Config, ready: Future[None]) -> None:
        super().__init__(settings)
        self._told = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._told.set_result(None)
        else:
            self._told.set_exception(RuntimeError("the application did not start"))


@contextmanager
def fresh_server(environ: Mapping[str, str], template: str, **settings: Any) -> Iterator[LiveServer]:
    """A server on a copy of the template database, with a bucket of its own."""
    name = f"test_{uuid4().hex[:8]}"
    url = environ["ONEGRID_DATABASE_URL"]
    asyncio.run(administer(url, copying(template, name)))
    own = {"ONEGRID_DATABASE_URL": named(url, name), "ONEGRID_S3_BUCKET": f"test-{uuid4().hex[:8]}"}
    own["ONEGRID_LOG_LEVEL"] = "error"
    own |= {f"ONEGRID_{key.upper()}": str(value) for key, value in settings.items()}
    server = LiveServer(dict(environ) | own)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        asyncio.run(drop(url, name))


def named(url: str, name: str) -> str:
    """The address of another database of the same PostgreSQL."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def drop(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await drop_database(connection, name)
    finally:
        await connection.close()


async def administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def begin_device_session(services: Services, person: Person, device_id: UUID) -> str:
    """An access token of a device that is enrolled."""

    async def work(tx: Transaction) -> TokenPair:
        return await begin_session(tx, services, device_id, "device", person.id, device_id)

    return (await services.database.write(work)).access
