"""Answers in gzip or zstd where the client takes it (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any, Literal

import zstandard
from litestar.types import ASGIApp, Message, Receive, Scope, Send

Coding = Literal["zstd", "gzip"]

# Below this the header costs more than is won.
_WORTH_BYTES = 600
_COMPRESSIBLE = (
    b"application/json",
    b"application/problem+json",
    b"application/msgpack",
    b"application/vnd.oai",
    b"text/",
)
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3


class CompressAnswers:
    """ASGI around the router. An answer that comes in parts, or already has a coding, passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
        coding = preferred_coding(accepted.decode("latin-1"))
        await self._app(scope, receive, _Compressed(coding, send).send)


class _Compressed:
    """Holds back the head of an answer until its first part shows how large it is."""

    def __init__(self, coding: Coding | None, send: Send) -> None:
        self._coding: Coding | None = coding
        self._send = send
        self._head: Any = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = dict(message)
            return
        if message["type"] == "http.response.body" and self._head is not None:
            head, self._head = self._head, None
            body = message.get("body", b"")
            if not message.get("more_body") and _compressible(head["headers"], len(body)):
                body = self._compress(head, body)
                message = {**message, "body": body}  # pyright: ignore[reportAssignmentType]
            await self._send(head)
        await self._send(message)

    def _compress(self, head: dict[str, Any], body: bytes) -> bytes:
        head["headers"] = [*head["headers"], (b"vary", b"Accept-Encoding")]
        coding = self._coding
        if coding is None:
            return body
        body = compress(coding, body)
        kept = [_weakened(name, value) for name, value in head["headers"] if name.lower() != b"content-length"]
        own = [(b"content-encoding", coding.encode()), (b"content-length", str(len(body)).encode())]
        head["headers"] = kept + own
        return body


def compress(coding: Coding, body: bytes) -> bytes:
    """The body in a coding."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    return gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)


def preferred_coding(accept_encoding: str) -> Coding | None:
    """What the client weighs highest; zstd where both weigh the same."""
    weights = dict(_weights(accept_encoding))
    anything = weights.get("*", 0.0)
    zstd, gzipped = weights.get("zstd", anything), weights.get("gzip", anything)
    if max(zstd, gzipped) <= 0.0:
        return None
    return "zstd" if zstd >= gzipped else "gzip"


def _weights(accept_encoding: str) -> Iterable[tuple[str, float]]:
    for part in accept_encoding.split(","):
        coding, _, parameters = part.strip().partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            yield coding.strip().lower(), float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            yield coding.strip().lower(), 0.0


def _compressible(headers: Iterable[tuple[bytes, bytes]], size: int) -> bool:
    found = {name.lower(): value for name, value in headers}
    return (
        size >= _WORTH_BYTES
        and b"content-encoding" not in found
        and found.get(b"content-type", b"").startswith(_COMPRESSIBLE)
        and not found[b"content-type"].startswith(b"text/event-stream")
    )


def _weakened(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A strong entity tag names the bytes before they were compressed."""
    if name.lower() == b"etag" and not value.startswith(b"W/"):
        return name, b"W/" + value
    return name, value
