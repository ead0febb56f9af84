"""Access and refresh tokens."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from schemas.accounts import PasswordGrant, RefreshGrant, TokenPair
from server.api.session_guard import request_id
from server.services import Services
from server.usecases import sessions


@post("/token", status_code=200, tags=["enrolment"], summary="取得令牌 Get tokens")
async def token(
    request: Request[Any, Any, Any], services: NamedDependency[Services], data: JSONBody[RefreshGrant | PasswordGrant]
) -> TokenPair:
    """A pair for a phone number and password, or the next pair for a refresh token.

    The previous refresh token is given the same successor until a token of it is first used.
    """
    if isinstance(data, RefreshGrant):
        return await sessions.refresh(services, data.refresh, request_id(request))
    return await sessions.sign_in(services, data.phone, data.password, request_id(request))


ROUTER = Router("/v1", route_handlers=[token])
