"""The application as one process serves it, and a client that speaks to it without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.datastructures import State

from server.app import create_app
from server.services import Services
from server.settings import Settings
from tests.integration import town

# Applications of this test process by the largest body they take; one test after the other has them.
_laid: dict[int, Litestar] = {}


@pytest.fixture
async def app(settings_of_test: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Litestar]:
    """The started application."""
    with monkeypatch.context() as patch:
        patch.setattr("server.app.Litestar", _on_laid_routes)
        built = create_app(settings_of_test)
    started, stop = asyncio.Event(), asyncio.Event()
    # A task of its own: what is opened in a task must be closed in the same one, and a fixture has two.
    serving = asyncio.create_task(_serve(built, started, stop))
    await asyncio.wait([serving, asyncio.ensure_future(started.wait())], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    yield built
    stop.set()
    await serving


def _on_laid_routes(**given: Any) -> Litestar:
    """In place of `Litestar(...)`: one with routes of an earlier test, for laying them takes longer than most tests."""
    largest = given["request_max_body_size"]
    app = _laid[largest] = _laid.get(largest) or Litestar(**given)
    app.state, app._lifespan_managers = State(), given["lifespan"]
    app.asgi_handler = app._create_asgi_handler()
    return app


async def _serve(app: Litestar, started: asyncio.Event, stop: asyncio.Event) -> None:
    async with app.lifespan():
        await app.state.services.objects.ensure_bucket()
        started.set()
        await stop.wait()


@pytest.fixture
def services(app: Litestar) -> Services:
    """What the application holds open."""
    return app.state.services


@pytest.fixture
async def app_client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests reach the application; what escapes it is seen as a 500, as behind a server."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://onegrid.test") as client:
        yield client


@pytest.fixture
async def small_town(services: Services) -> None:
    """The people and grids of `tests.integration.town`."""
    await town.build(services)
