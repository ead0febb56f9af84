"""Server processes beside one another: each with its own application, memory and socket, on one database."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

import httpx
from litestar import Litestar

from server.app import create_app
from server.memory.memory import STALEST
from server.services import Services
from server.settings import Settings
from server.worker import Announcing, config
from tests.phones import FieldPhone


class Process:
    """A server as one process serves it, and a client of it."""

    def __init__(self, app: Litestar, server: Announcing, port: int, client: httpx.AsyncClient) -> None:
        self.app = app
        self.server = server
        self.port = port
        self.client = client

    @property
    def services(self) -> Services:
        """What it holds open."""
        return self.app.state.services

    async def poll(self, phone: FieldPhone, mark: str | None) -> httpx.Response:
        """Ask whether there is anything new."""
        return await self.client.get("/v1/exchange", params={"mark": mark or ""}, headers=phone.headers)


@asynccontextmanager
async def process(settings: Settings) -> AsyncIterator[Process]:
    """One more process, stopped as SIGTERM would stop it."""
    app, listener = create_app(settings), socket.create_server(("127.0.0.1", 0))
    ready, announced = os.pipe()
    server = Announcing(config(app, settings), announced)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started or serving.done(), 30)
    port = listener.getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield Process(app, server, port, client)
    finally:
        server.should_exit = True
        await serving
        os.close(ready)
        os.close(announced)


async def until(holds: Callable[[], object], seconds: float = STALEST) -> float:
    """Wait until it holds; how many seconds that took."""
    began = monotonic()
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return monotonic() - began


async def swept(here: Process) -> None:
    """Until all that was committed before has been seen: a sweep that is under way may not."""
    memory = here.services.memory
    applied = memory.ticket()
    await until(lambda: memory.ticket() > applied + 1, 5)


def from_memory(response: httpx.Response) -> bool:
    """Whether this is "nothing new", said without the database: such an answer has no id that it is logged under."""
    return response.status_code == 204 and "x-request-id" not in response.headers


async def until_answered_from_memory(here: Process, phone: FieldPhone, mark: str | None) -> None:
    """Poll until the process has remembered the phone."""
    async with asyncio.timeout(10):
        while not from_memory(await here.poll(phone, mark)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def until_answered_otherwise(here: Process, phone: FieldPhone, mark: str | None) -> float:
    """Poll until it is no longer said from memory that nothing is new; how many seconds that took."""
    began = monotonic()
    async with asyncio.timeout(STALEST):
        while from_memory(await here.poll(phone, mark)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return monotonic() - began
