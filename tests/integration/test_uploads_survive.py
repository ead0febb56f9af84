"""A photo in appends while each part of `onegrid up` is killed in turn: what was told counts, and it ends verified."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from server.embedded.connection import connection
from server.services import open_services
from server.settings import Settings
from tests.builders import WORKER, build_city, sign_in
from tests.integration.up_process import WHOLE, Up, eventually, running_up, used
from tests.integration.uploads_scene import APPEND, announced, noisy

pytestmark = pytest.mark.long

PHOTO = noisy(1, (500, 350))
STEP = 100_000


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    # What is told of the parts that are away is more than a pipe holds that nobody reads.
    with (
        (tmp_path / "log").open("wb") as log,
        running_up(used(tmp_path / "data"), "--workers", "1", command=WHOLE, log=log) as running,
    ):
        yield running


async def _settle(data: Path) -> dict[str, str]:
    async with open_services(Settings.from_env(connection(data))) as services:
        await build_city(services)
        return await sign_in(services, WORKER)


def begun(address: str, headers: dict[str, str], path: str, at: int) -> socket.socket:
    """A line by which an append of the whole rest was begun, and STEP bytes of it were sent."""
    parts = urlsplit(address)
    line = socket.create_connection((parts.hostname, parts.port))
    fields = headers | APPEND | {"Host": "grid", "Upload-Offset": str(at), "Content-Length": str(len(PHOTO) - at)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    line.sendall(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode() + PHOTO[at : at + STEP])
    return line


def offset(client: httpx.Client, path: str) -> int:
    """How far the upload has come; -1 while there is no telling."""
    try:
        answer = client.head(path)
    except httpx.TransportError:
        return -1
    return int(answer.headers["Upload-Offset"]) if answer.is_success else -1


def append(client: httpx.Client, path: str, at: int) -> int:
    """One more append; -1 while a part is away."""
    try:
        answer = client.patch(path, content=PHOTO[at : at + STEP], headers=APPEND | {"Upload-Offset": str(at)})
    except httpx.TransportError:
        return -1
    return int(answer.headers["Upload-Offset"]) if answer.is_success else -1


def test_an_upload_outlives_every_part(up: Up) -> None:
    headers = asyncio.run(_settle(up.data)) | {"Tus-Resumable": "1.0.0"}
    with httpx.Client(base_url=up.address, headers=headers) as client:
        path = client.post("/v1/uploads", headers=announced(PHOTO)).headers["Location"]
        at = 0
        for part in ("server", "postgres", "rclone"):
            line, before = begun(up.address, headers, path, at), up.tree()[part]
            assert eventually(lambda at=at: offset(client, path) == at + STEP)
            os.kill(before, signal.SIGKILL)
            line.close()
            assert eventually(lambda part=part, before=before: up.tree().get(part, before) != before)
            assert eventually(lambda: offset(client, path) >= 0)
            assert offset(client, path) == at + STEP
            at += STEP
        while at < len(PHOTO):
            reached = append(client, path, at)
            at = reached if reached >= 0 else max(at, offset(client, path))
        wish = {"photos": [{"sha256": sha256(PHOTO).hexdigest(), "size": len(PHOTO)}]}
        assert eventually(lambda: client.post("/v1/evidence", json=wish).json()["photos"][0]["state"] == "verified")
