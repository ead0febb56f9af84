"""The outermost layer: gives each request an id, times it, counts it and writes its one line.

It stands around the router, so that what no route takes is counted too.
"""

from __future__ import annotations

import re
import secrets
from asyncio import timeout
from contextlib import suppress
from time import perf_counter
from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from server.logs import failure
from server.metrics import REQUEST_SECONDS, REQUESTS

_DRAINED_BYTES = 64 * 1024 * 1024
_DRAIN_SECONDS = 2.0
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.get_logger("onegrid.request")


class AccessLog:
    """ASGI around the application. Answers HEAD as GET without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The server outside goes by its own scope: to it a HEAD stays one, whose answer has no body.
        inner: Any = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        seen = _Seen(scope["method"], inner, receive, send)
        inner["state"]["request_id"] = seen.request_id
        with structlog.contextvars.bound_contextvars(request_id=seen.request_id):
            try:
                await self._app(inner, seen.receive, seen.send)
            except Exception as error:
                _log.error("answer_broken_off", **failure(error))
                raise
            finally:
                seen.finish()


class _Seen:
    """What is noted about one request while it is answered."""

    def __init__(self, method: str, scope: Any, receive: Receive, send: Send) -> None:
        self.method = method
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body_ended = False
        self._began = perf_counter()
        self._status = 500
        self._bytes = 0
        self.request_id = _request_id(scope["headers"])

    async def receive(self) -> Any:
        message = await self._receive()
        self._body_ended = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._status >= 400:
                await self._drain()
            headers = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
            message = {**message, "headers": headers}  # pyright: ignore[reportAssignmentType]
        elif message["type"] == "http.response.body":
            if self.method == "HEAD":
                message = {**message, "body": b""}  # pyright: ignore[reportAssignmentType]
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    async def _drain(self) -> None:
        """Read on for a while: a client that is still sending when the connection closes never sees its answer.

        One that asked before sending (Expect: 100-continue) is not told to send what is not wanted.
        """
        if any(name == b"expect" for name, _ in self._scope["headers"]):
            return
        left = _DRAINED_BYTES
        with suppress(TimeoutError):
            async with timeout(_DRAIN_SECONDS):
                while not self._body_ended and left > 0:
                    left -= len((await self.receive()).get("body", b""))

    def finish(self) -> None:
        seconds = perf_counter() - self._began
        route: str = self._scope.get("path_template") or "none"
        method = self.method if self.method in _METHODS else "other"
        REQUESTS.labels(method, route, str(self._status)).inc()
        REQUEST_SECONDS.labels(method, route).observe(seconds)
        caller = self._scope["state"].get("caller")
        _log.info(
            "request",
            method=method,
            route=route,
            status=self._status,
            ms=round(seconds * 1000, 1),
            bytes=self._bytes,
            device_id=caller and caller.device_id and str(caller.device_id),
            user_id=caller and str(caller.user_id),
        )


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode() if _WELL_FORMED.fullmatch(given) else secrets.token_hex(12)
