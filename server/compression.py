"""Answers in gzip, zstd or dcz where the client takes it (RFC 9110, section 12.5.3; RFC 9842, section 6)."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

import zstandard
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from server import shared_dictionary

Coding = Literal["dcz", "zstd", "gzip"]

# Below this the header costs more than is won.
_WORTH_BYTES: dict[Coding | None, int] = {"dcz": 200, "zstd": 600, "gzip": 600, None: 600}
_COMPRESSIBLE = (
    b"application/json",
    b"application/problem+json",
    b"application/msgpack",
    b"application/vnd.oai",
    b"text/",
)
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 6
"""A full pull takes a twentieth fewer bytes than at level 3, for some 5 us a record."""


class CompressAnswers:
    """ASGI around the router. An answer that comes in parts, or already has a coding, passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        coding = preferred_coding(_given(scope, b"accept-encoding"), _given(scope, b"available-dictionary"))
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
            if not message.get("more_body") and _compressible(head["headers"], len(body), self._coding):
                body = self._compress(head, body)
                message = {**message, "body": body}  # pyright: ignore[reportAssignmentType]
            await self._send(head)
        await self._send(message)

    def _compress(self, head: dict[str, Any], body: bytes) -> bytes:
        head["headers"] = [*head["headers"], (b"vary", b"Accept-Encoding, Available-Dictionary")]
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
    if coding == "dcz":
        return shared_dictionary.compress(body)
    if coding == "zstd":
        return _zstd().compress(body)
    return gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)


def preferred_coding(accept_encoding: str, available_dictionary: str = "") -> Coding | None:
    """What the client weighs highest; of equal weights the one that makes the smaller answer.

    `dcz` only for a client that names it, and holds the very dictionary.
    """
    weights = dict(_weights(accept_encoding))
    anything = weights.get("*", 0.0)
    held = available_dictionary.strip() == shared_dictionary.available()
    offered: dict[Coding, float] = {
        "dcz": weights.get("dcz", 0.0) if held else 0.0,
        "zstd": weights.get("zstd", anything),
        "gzip": weights.get("gzip", anything),
    }
    best = max(offered, key=lambda coding: offered[coding])
    return best if offered[best] > 0.0 else None


@cache
def _zstd() -> zstandard.ZstdCompressor:
    """One for the process: requests are answered by one thread."""
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL)


def _given(scope: Any, field: bytes) -> str:
    return b",".join(value for name, value in scope["headers"] if name == field).decode("latin-1")


def _weights(accept_encoding: str) -> Iterable[tuple[str, float]]:
    for part in accept_encoding.split(","):
        coding, _, parameters = part.strip().partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            yield coding.strip().lower(), float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            yield coding.strip().lower(), 0.0


def _compressible(headers: Iterable[tuple[bytes, bytes]], size: int, coding: Coding | None) -> bool:
    found = {name.lower(): value for name, value in headers}
    return (
        size >= _WORTH_BYTES[coding]
        and b"content-encoding" not in found
        and found.get(b"content-type", b"").startswith(_COMPRESSIBLE)
        and not found[b"content-type"].startswith(b"text/event-stream")
    )


def _weakened(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A strong entity tag names the bytes before they were compressed."""
    if name.lower() == b"etag" and not value.startswith(b"W/"):
        return name, b"W/" + value
    return name, value
