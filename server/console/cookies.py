"""The console's cookies: never readable by scripts, never sent from other sites, only ever sent to the console."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie

SESSION = "onegrid_console"
GUEST = "onegrid_guest"
LANGUAGE = "onegrid_language"
FLASH = "onegrid_flash"

_PATH = "/console"


def keep(
    request: Request[Any, Any, Any], answer: Response[Any], name: str, value: str, seconds: int | None = None
) -> None:
    """Have the browser keep a value: for some seconds, or until it is closed."""
    answer.set_cookie(
        Cookie(
            key=name,
            value=value,
            path=_PATH,
            max_age=seconds,
            httponly=True,
            samesite="strict",
            secure=by_tls(request),
        )
    )


def forget(answer: Response[Any], name: str) -> None:
    """Have the browser forget a value."""
    answer.delete_cookie(name, path=_PATH)


def by_tls(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser came by TLS, to us or to a balancer before us; a false claim only makes a cookie stricter."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "") == "https"
