"""The grids of the caller's territory."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from schemas.accounts import RegistryView
from server.api.conditional import HELD, unless_held
from server.api.session_guard import SECURITY
from server.services import Services
from server.usecases.registry import registry_of
from server.usecases.sessions import Caller


@get(
    "/registry",
    security=SECURITY,
    tags=["registry"],
    summary="网格 Grids of the caller's territory",
    responses=HELD,
)
async def registry(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    since: Annotated[
        int | None,
        QueryParameter(ge=0, le=2**31 - 1, description="已有的版本 Version held: only what changed after it"),
    ] = None,
) -> Response[RegistryView]:
    """The current grids of the caller's scope, and the ids of all of them.

    With `since`, only the grids that changed after that version. A phone that lacks one of `scope` asks without it.
    """
    answer = await registry_of(services, caller, since)
    return unless_held(request, answer.body, answer.etag)  # pyright: ignore[reportReturnType]


ROUTER = Router("/v1", route_handlers=[registry])
