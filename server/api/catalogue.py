"""The catalogue of item types."""

from __future__ import annotations

from typing import Any, Literal

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from schemas.forms import localised
from server.api.conditional import HELD, unless_held
from server.api.session_guard import SECURITY
from server.services import Services
from server.usecases.sessions import Caller


@get(
    "/catalogue",
    security=SECURITY,
    tags=["catalogue"],
    summary="事项目录 The catalogue of item types",
    responses=HELD,
)
async def catalogue(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    lang: FromQuery[Literal["zh", "en"] | None] = None,
) -> Response[dict[str, Any]]:
    """The current catalogue; with `lang`, in one language. The header Catalogue-Version names its version."""
    # Whoever was just told of a new version by one process must not be given the former one by another.
    held = (await services.at_present(at_once=True)).catalogue
    shown = held if lang is None else localised(held, lang)
    return unless_held(request, shown.document, shown.etag, {"Catalogue-Version": held.version})  # pyright: ignore[reportReturnType]


ROUTER = Router("/v1", route_handlers=[catalogue])
