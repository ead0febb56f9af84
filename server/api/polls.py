"""The outermost layer of all: phones that ask whether there is anything new, and hear from memory that there is not.

Most of what a city's phones ever ask is this, so it passes no router, writes no line and carries no field that it can
do without; it is counted like any other request. Whatever memory is not sure of takes the ordinary way.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from server.memory import Memory
from server.metrics import POLLS_FROM_MEMORY, REQUEST_SECONDS, REQUESTS
from server.sealing import token_hash

_ROUTE = "/v1/exchange"
_MARK = re.compile(rb"mark=([A-Za-z0-9_-]{27})")
_BEARER = re.compile(rb"Bearer ([A-Za-z0-9_-]{22})")
_HEAD: Any = {"type": "http.response.start", "status": 204, "headers": []}
_END: Any = {"type": "http.response.body", "body": b""}


class AnswerPolls:
    """ASGI around the application."""

    def __init__(self, app: ASGIApp, memory: Memory) -> None:
        self._app = app
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"] != _ROUTE or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        if not self._nothing_new(scope):
            await self._app(scope, receive, send)
            return
        await send(_HEAD)
        await send(_END)
        POLLS_FROM_MEMORY.inc()
        REQUESTS.labels("GET", _ROUTE, "204").inc()
        REQUEST_SECONDS.labels("GET", _ROUTE).observe(perf_counter() - began)

    def _nothing_new(self, scope: Any) -> bool:
        mark = _MARK.fullmatch(scope["query_string"])
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        bearer = _BEARER.fullmatch(given)
        if mark is None or bearer is None:
            return False
        return self._memory.nothing_new(token_hash(bearer[1].decode()), mark[1].decode())
