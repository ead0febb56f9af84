"""`GET /v1/events`: a stream of nudges (Server-Sent Events)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from litestar import Request, Router, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import Parameter
from litestar.response import Stream

from server.api.session_guard import SECURITY
from server.services import Services
from server.usecases.events import Opening, events, open_events
from server.usecases.sessions import Caller

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get(
    "/",
    summary="有更新时提醒 / Be told when there is something new",
    media_type="text/event-stream",
    responses={503: ResponseSpec(None, description="等候者过多 Too many are waiting")},
)
async def get_events(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    wait: Annotated[int | None, Parameter(ge=0, le=86_400, description="最多等候的秒数 seconds at most")] = None,
) -> Stream:
    """`nudge` whenever a stream of the caller has moved; it then asks with its mark. See docs/protocol.md."""
    opening = await open_events(services, caller, wait)
    return Stream(_until_stopped(request, events(services, opening), opening), headers=_HEADERS)


async def _until_stopped(
    request: Request[Any, Any, Any], stream: AsyncGenerator[bytes, None], opening: Opening
) -> AsyncGenerator[bytes, None]:
    """The stream, ended as soon as this process is told to stop: a server waits for what it still answers."""
    when_stopping: set[Any] = request.scope["state"].get("when_stopping", set())
    when_stopping.add(opening.listener.end)
    try:
        async for part in stream:
            yield part
    finally:
        when_stopping.discard(opening.listener.end)
        await stream.aclose()


ROUTER = Router("/v1/events", route_handlers=[get_events], tags=["exchange"], security=SECURITY)
