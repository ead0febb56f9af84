"""HTTP as the simulated phones use it: one pool for all of them, patience with what a retry can cure."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Struct

from server.simulate.words import SimulationError

Decoded = TypeVar("Decoded")

_TRIES = 7
_DROPS = 6
_SECONDS_BETWEEN_DROPS = 0.02
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 3.0
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
# A pool looks through all its connections for every request, so several small ones are faster than a large one.
_POOLS = 8
_LIMITS = httpx.Limits(max_connections=6, max_keepalive_connections=6)


class Refused(Exception):
    """The server answered with a problem document."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class ConnectionCutError(Exception):
    """The network went away in the middle of a request body."""


class _Problem(Struct, frozen=True):
    code: str = "no_problem_document"


class Net:
    """The way to one server and to the object store that it names."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        trusted = ssl.create_default_context()
        self._clients = [
            httpx.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS, trust_env=False, verify=trusted) for _ in range(_POOLS)
        ]
        self._turn = itertools.cycle(self._clients)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.aclose()

    async def look(self) -> None:
        """Make sure that a OneGrid server answers. Raises SimulationError."""
        try:
            response = await next(self._turn).get(f"{self.base_url}/health/live")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise _unreachable(self.base_url, type(error).__name__) from error
        if response.status_code != 200:
            raise _unreachable(self.base_url, f"HTTP {response.status_code}")

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        slowly: bool = False,
    ) -> httpx.Response:
        """A 2xx answer. Raises Refused for any other, SimulationError if the server stays away.

        `slowly`: the body trickles in, its length not being told.
        """
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        pause, problem = _FIRST_PAUSE, "?"
        for _ in range(_TRIES):
            try:
                body = trickling(content) if slowly and content is not None else content
                response = await next(self._turn).request(method, f"{self.base_url}{path}", content=body, headers=sent)
            except httpx.TransportError as error:
                problem = type(error).__name__
            else:
                if response.is_success:
                    return response
                if response.status_code not in (502, 503, 504):
                    raise Refused(response.status_code, _code(response))
                problem = f"HTTP {response.status_code}"
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise _unreachable(self.base_url, problem)

    async def ask(self, path: str, body: Any, kind: type[Decoded], token: str | None = None) -> Decoded:
        """POST a JSON document and read the answer's."""
        headers = {"Content-Type": "application/json"}
        response = await self.call("POST", path, token=token, content=msgspec.json.encode(body), headers=headers)
        return msgspec.json.decode(response.content, type=kind)

    async def put(self, url: str, content: bytes) -> bool:
        """PUT the bytes of a photo where the server said; whether the store took them."""
        try:
            return (await next(self._turn).put(url, content=content)).is_success
        except httpx.TransportError:
            return False

    async def put_cut(self, url: str, content: bytes) -> None:
        """The same on a network that goes away half-way."""
        await self._cut(next(self._turn), "PUT", url, content, {})

    # A bad line on the way to the server. None of these is patient: what they lose, the phone asks for again.

    async def cut_request(self, method: str, path: str, token: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Send half of a body."""
        await self._cut(next(self._turn), method, f"{self.base_url}{path}", content, _bearing(headers, token))

    async def cut_answer(self, path: str, token: str, content: bytes, headers: Mapping[str, str]) -> bool:
        """POST, and hang up at the first bytes that come back; whether those were of a 2xx answer."""
        url = f"{self.base_url}{path}"
        try:
            async with next(self._turn).stream(
                "POST", url, content=content, headers=_bearing(headers, token)
            ) as answer:
                async for _ in answer.aiter_raw(chunk_size=64):
                    return answer.is_success
                return False
        except httpx.TransportError:
            return False

    async def hang_up_on_nudges(self, token: str) -> bool:
        """Open the stream of nudges and drop it at its first bytes; whether there were any."""
        url, headers = f"{self.base_url}/v1/events", _bearing({"Accept": "text/event-stream"}, token)
        try:
            async with next(self._turn).stream("GET", url, headers=headers) as stream:
                async for _ in stream.aiter_raw():
                    return stream.is_success
                return False
        except httpx.TransportError:
            return False

    async def _cut(
        self, client: httpx.AsyncClient, method: str, url: str, content: bytes, headers: Mapping[str, str]
    ) -> None:
        length = {"Content-Length": str(len(content))}
        try:
            await client.request(method, url, content=_half(content), headers={**headers, **length})
        except (ConnectionCutError, httpx.TransportError):
            return


async def _half(content: bytes) -> AsyncIterator[bytes]:
    yield content[: len(content) // 2]
    raise ConnectionCutError


async def trickling(content: bytes) -> AsyncIterator[bytes]:
    """The same bytes, drop by drop."""
    step = -(-len(content) // _DROPS) or 1
    for at in range(0, len(content), step):
        yield content[at : at + step]
        await asyncio.sleep(_SECONDS_BETWEEN_DROPS)


def _bearing(headers: Mapping[str, str], token: str) -> dict[str, str]:
    return {**headers, "Authorization": f"Bearer {token}"}


def _code(response: httpx.Response) -> str:
    try:
        return msgspec.json.decode(response.content, type=_Problem).code
    except (msgspec.DecodeError, UnicodeError):
        return _Problem().code


def _unreachable(url: str, problem: str) -> SimulationError:
    return SimulationError(
        f"无法连接服务器 {url}（{problem}），请检查 --url 并确认 onegrid up 正在运行",
        f"no OneGrid server answers at {url} ({problem}): check --url and that onegrid up runs",
    )
