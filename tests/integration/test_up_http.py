"""What a server process does with bytes that are no request, or never become one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from msgspec import json

from server import bounded_http
from server.bounded_http import HEAD_BYTES
from server.settings import Settings
from server.worker import config

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def _application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    size = 0
    while (message := await receive()).get("more_body"):
        size += len(message["body"])
    body = str(size + len(message.get("body", b""))).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server process's HTTP, around an application that counts the bytes of a body."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config(_application, Settings()))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def answer(port: int, *parts: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
    received = await asyncio.wait_for(reader.read(), timeout=10)
    writer.close()
    return received


def problem_code(received: bytes) -> str:
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    return json.decode(body)["code"]


@pytest.mark.parametrize(
    "bytes_sent", [b"\x16\x03\x01 not http\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"G\0T / HTTP/1.1\r\n\r\n"]
)
async def test_what_is_no_request_gets_a_problem_document(port: int, bytes_sent: bytes) -> None:
    assert problem_code(await answer(port, bytes_sent)) == "body_malformed"


async def test_a_head_without_end_is_cut_off(port: int) -> None:
    endless = b"X-Long: " + b"x" * (HEAD_BYTES + 1)
    assert problem_code(await answer(port, GET, endless)) == "body_malformed"
    many = b"".join(b"X-%d: y\r\n" % number for number in range(HEAD_BYTES // 8))
    assert problem_code(await answer(port, GET, many)) == "body_malformed"


async def test_a_head_within_bounds_and_a_large_body_pass(port: int) -> None:
    size = 5 * HEAD_BYTES
    head = GET + b"X-Long: " + b"x" * (HEAD_BYTES // 2) + b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
    assert (await answer(port, head, b"x" * size)).endswith(b"\r\n\r\n%d" % size)


async def test_a_head_that_never_ends_does_not_hold_the_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.2)
    assert await answer(port) == b""
    assert await answer(port, GET) == b""
    once = GET + b"\r\n"
    assert (await answer(port, once, GET)).startswith(b"HTTP/1.1 200 ")
