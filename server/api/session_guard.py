"""Who asks: the dependency `caller` of every handler that is not open to everybody."""

from __future__ import annotations

import re
from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from server.errors import Problem
from server.services import Services
from server.usecases.sessions import Caller, identify

SECURITY = [{"bearer": []}]
"""What the OpenAPI document says of a handler that takes `caller`."""

ADMITS_REVOKED = {"admits_revoked": True}
ADMITS_DEPARTED = {"admits_departed": True}

_BEARER = re.compile(r"bearer +([A-Za-z0-9_-]{1,128})", re.IGNORECASE)
_KINDS = frozenset({"device", "user"})


async def provide_services(request: Request[Any, Any, Any]) -> Services:
    """The dependency `services`, with one catalogue from the beginning of a request to its end."""
    return await request.app.state.services.at_present()


async def provide_caller(request: Request[Any, Any, Any], services: NamedDependency[Services]) -> Caller:
    """The dependency `caller`. Raises Problem: token_missing, token_unknown, token_expired; forbidden if revoked.

    A router with `opt=ADMITS_REVOKED` lets a revoked device in, to be told so there; a handler with
    `opt=ADMITS_DEPARTED` the device of somebody who has left, which may still bring what was written before.
    """
    given = request.headers.get("authorization", "")
    if not given:
        raise Problem("token_missing")
    bearer = _BEARER.fullmatch(given)
    if bearer is None:
        raise Problem("token_unknown")
    caller = await identify(services, bearer.group(1), _KINDS, request_id(request))
    request.scope["state"]["caller"] = caller
    if caller.revoked and not _is_admitted(caller, request.route_handler.opt):
        raise Problem("forbidden")
    return caller


def _is_admitted(caller: Caller, opt: dict[str, Any]) -> bool:
    return bool(opt.get("admits_revoked") or (caller.departed and opt.get("admits_departed")))


def request_id(request: Request[Any, Any, Any]) -> str | None:
    """The id that this request is logged under."""
    return request.scope["state"].get("request_id")
