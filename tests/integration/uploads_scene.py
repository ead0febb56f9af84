"""What the tests of resumed uploads share: a client of tus 1.0.0 as an app has it, and what the server holds."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import asyncpg
import httpx

from server.services import Services
from tests.unit.pictures import encoded, picture

APPEND = {"Content-Type": "application/offset+octet-stream"}


def noisy(seed: int, size: tuple[int, int] = (400, 300)) -> bytes:
    """A PNG that compresses badly: about three bytes a pixel."""
    image = picture(seed, size)
    image.frombytes(Random(seed).randbytes(3 * size[0] * size[1]))
    return encoded(image, "PNG")


def announced(data: bytes) -> dict[str, str]:
    """The headers that create the upload of these bytes."""
    named = b64encode(hashlib.sha256(data).hexdigest().encode()).decode()
    return {"Upload-Length": str(len(data)), "Upload-Metadata": f"sha256 {named}"}


def summed(data: bytes, algorithm: str = "sha256") -> dict[str, str]:
    """The header that lets the server check an append."""
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return {"Upload-Checksum": f"{algorithm} {b64encode(digest).decode()}"}


class Uploader:
    """Somebody's client: `headers` say who he is."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers | {"Tus-Resumable": "1.0.0"}

    async def ask(self, method: str, path: str, content: bytes | None = None, **headers: str) -> httpx.Response:
        return await self.client.request(method, path, content=content, headers=self.headers | headers)

    async def create(self, data: bytes, content: bytes | None = None, **headers: str) -> httpx.Response:
        """Create the upload of `data`; `content` comes along."""
        kind = {} if content is None else APPEND
        return await self.ask("POST", "/v1/uploads", content, **announced(data), **kind, **headers)

    async def begin(self, data: bytes) -> str:
        """The path of the upload of `data`."""
        answer = await self.create(data)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def append(self, path: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
        return await self.ask("PATCH", path, content, **{"Upload-Offset": str(offset)}, **APPEND, **headers)

    async def offset(self, path: str) -> int:
        """How far the server says that the upload has come."""
        answer = await self.ask("HEAD", path)
        assert answer.status_code == 204, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        return int(answer.headers["Upload-Offset"])

    async def send(self, path: str, data: bytes, step: int) -> None:
        """What is missing, in appends of `step` bytes."""
        for at in range(await self.offset(path), len(data), step):
            answer = await self.append(path, at, data[at : at + step])
            assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(min(at + step, len(data))))


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """The status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def pieces_of(truth: asyncpg.Connection, path: str) -> list[str]:
    return await truth.fetchval("SELECT pieces FROM upload WHERE id = $1", id_of(path))


async def incoming(services: Services) -> dict[str, int]:
    """Keys and sizes of what lies in the store and was not checked."""
    later = datetime(2100, 1, 1, tzinfo=UTC)
    return {entry.key: entry.size for entry in await services.objects.older_than("incoming/", later, 1000)}
