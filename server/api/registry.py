"""The grids of the caller's territory."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency

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
    request: Request[Any, Any, Any], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Response[RegistryView]:
    """The current grids: id, code, name, community, outline, and whether the outline is synthetic."""
    answer = await registry_of(services, caller)
    return unless_held(request, answer.body, answer.etag)  # pyright: ignore[reportReturnType]


ROUTER = Router("/v1", route_handlers=[registry])
