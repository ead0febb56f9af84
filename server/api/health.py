"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import structlog
from litestar import Request, Response, get
from msgspec import Struct

from server.db import installation
from server.errors import Problem
from server.logs import failure
from server.problems import problem_response
from server.services import Services

_SECONDS = 3.0
_log = structlog.get_logger(__name__)


class Alive(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Ready(Struct, frozen=True):
    """Each part that was checked, `ok` or `failed`."""

    status: Literal["ok"]
    checks: dict[str, str]


@get("/health/live", tags=["operation"], summary="存活 Liveness")
async def live() -> Alive:
    """Always 200 while the process runs."""
    return Alive("ok")


@get("/health/ready", tags=["operation"], summary="就绪 Readiness")
async def ready(request: Request[Any, Any, Any]) -> Response[Ready]:
    """200 where database, schema and object store answer; else 503 not_ready, naming what failed."""
    services: Services = request.app.state.services
    checks = await _check(
        {
            "database": lambda: _reach_database(services),
            "migrations": lambda: _compare_schema(services),
            "object_store": services.objects.health,
        }
    )
    if "failed" in checks.values():
        return problem_response(request, Problem("not_ready", retry_after=5), checks=checks)  # pyright: ignore[reportReturnType]
    return Response(Ready("ok", checks))


async def _check(parts: dict[str, Callable[[], Awaitable[None]]]) -> dict[str, str]:
    results = await asyncio.gather(*(_ok(name, part) for name, part in parts.items()))
    return dict(zip(parts, results, strict=True))


async def _ok(name: str, part: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await part()
    except Exception as error:  # whatever it is, the part does not work
        _log.warning("part_failed", part=name, **failure(error))
        return "failed"
    return "ok"


async def _reach_database(services: Services) -> None:
    async with services.database.read():
        return


async def _compare_schema(services: Services) -> None:
    async with services.database.read() as connection:
        if not await installation.schema_is_current(connection):
            raise RuntimeError("the schema is not that of this program")
