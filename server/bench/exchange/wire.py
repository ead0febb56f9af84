"""A small HTTP/1.1 client: bytes in, status and body out, so that the load costs little of what it measures."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import httptools


class Answer(NamedTuple):
    """`wire`: bytes of head and body together, as they came."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    wire: int


class Link(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._begin()

    @classmethod
    async def to(cls, host: str, port: int) -> Link:
        """Connect. Raises OSError."""
        _, link = await asyncio.get_running_loop().create_connection(cls, host, port)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request and wait for its answer. Raises ConnectionError where it is cut off."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """What the server sent."""
        self._wire += len(data)
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """A request that still waits has no answer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server closed the connection"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        answer = Answer(self._parser.get_status_code(), self._headers, b"".join(self._parts), self._wire)
        waiting, self._answer = self._answer, None
        self._begin()
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._wire = 0


def post(path: str, body: bytes, access: str, *more: str) -> bytes:
    """A POST of MessagePack as a phone's HTTP library would send it; `more`: further header lines."""
    fields = [f"POST {path} HTTP/1.1", *_usual(access), "Content-Type: application/msgpack", *more]
    return "\r\n".join([*fields, f"Content-Length: {len(body)}", "", ""]).encode() + body


def get(path: str, access: str, *more: str) -> bytes:
    """A GET."""
    return "\r\n".join([f"GET {path} HTTP/1.1", *_usual(access), *more, "", ""]).encode()


def _usual(access: str) -> list[str]:
    return ["Host: 127.0.0.1", f"Authorization: Bearer {access}", "Accept-Encoding: zstd"]
