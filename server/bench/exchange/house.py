"""Starts and stops what is measured: `onegrid up` in a temporary folder, and the ceiling beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from msgspec import Struct

from server.bench.exchange import ceiling, table
from server.embedded.connection import local_settings
from server.embedded.part import Command, sleep_until, start
from server.embedded.words import StartError, last_line
from server.services import Services, open_services
from server.settings import Settings

HOST = "127.0.0.1"
_READY = b"ready: "
_SECONDS_TO_STOP = 15.0
_CEILING = "onegrid_ceiling"
_DAY_MINUTES = 1440
# These would lead the server of the bench, or the bench itself, to somebody else's data.
_OWN = ("ONEGRID_DATABASE_URL", "ONEGRID_S3_ENDPOINT", "ONEGRID_MASTER_KEY", "ONEGRID_TLS_CERT", "ONEGRID_TLS_KEY")


class House(Struct, frozen=True):
    """Where everything is: ports on the loopback, the product's services, the processes to be watched."""

    folder: Path
    port: int
    ceiling_port: int
    ceiling_url: str
    supervisor: int
    services: Services


@asynccontextmanager
async def standing(workers: int) -> AsyncGenerator[House]:
    """A server with so many workers and an empty database, and the ceiling beside it, for as long as the block runs.

    Raises StartError if it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="onegrid-bench-") as name:
        folder = Path(name)
        with serving(folder, workers) as (process, port):
            settings = local_settings(environ_of(folder, workers))
            async with open_services(settings) as services:
                url = await _ceiling_database(settings)
                place = ceiling.Place(url, services.keyring.root, settings)
                with ceiling.serving(place, workers) as ceiling_port:
                    yield House(folder, port, ceiling_port, url, process.pid, services)


@contextmanager
def serving(folder: Path, workers: int) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """`onegrid up` on an empty folder for as long as the block runs: its process and port. Raises StartError."""
    log = folder / "up.log"
    command = Command(
        arguments=[sys.executable, "-P", "-m", "server.embedded"],
        folder=Path.cwd(),
        environ=environ_of(folder, workers),
        on_orphaned=signal.SIGTERM,
        log=log,
        stdout=subprocess.PIPE,
    )
    with log.open("ab") as said:
        process = start(command, said.fileno())
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line.startswith(_READY):
            why = last_line(log)
            raise StartError(f"被测服务器无法启动：{why}", f"the server to be measured does not start: {why}")
        yield process, urlsplit(line.removeprefix(_READY).strip().decode()).port or 0
    finally:
        process.send_signal(signal.SIGTERM)
        if not sleep_until(lambda: process.poll() is not None, _SECONDS_TO_STOP):
            process.kill()
        process.wait()


def environ_of(folder: Path, workers: int) -> dict[str, str]:
    """The environment of the server in a folder, and of commands that work on it."""
    kept = {name: value for name, value in os.environ.items() if name not in _OWN}
    return kept | {
        "ONEGRID_DATA": str(folder / "data"),
        "ONEGRID_HOST": HOST,
        "ONEGRID_PORT": "0",
        "ONEGRID_WORKERS": str(workers),
        "ONEGRID_ACCESS_TOKEN_MINUTES": str(_DAY_MINUTES),
    }


async def _ceiling_database(settings: Settings) -> str:
    """A database of the ceiling's own on the same PostgreSQL."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {_CEILING}")
    finally:
        await connection.close()
    url = urlunsplit(urlsplit(settings.database_url)._replace(path=f"/{_CEILING}"))
    await table.create(url)
    return url


class Cpu(NamedTuple):
    """CPU seconds, user and system: of the server processes, and of PostgreSQL."""

    server: float
    postgresql: float


def cpu_seconds(supervisor: int) -> Cpu:
    """What both have used so far."""
    ticks = {"server": 0, "postgresql": 0, "": 0}
    for pid in _descendants(supervisor):
        ticks[_kind(pid)] += _ticks(pid)
    second = os.sysconf("SC_CLK_TCK")
    return Cpu(ticks["server"] / second, ticks["postgresql"] / second)


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            yield child
            yield from _descendants(child)


def _kind(pid: int) -> str:
    with contextlib.suppress(OSError):
        said = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"server.worker" in said:
            return "server"
        if said.startswith(b"postgres") or b"/postgres\0" in said:
            return "postgresql"
    return ""


def _ticks(pid: int) -> int:
    """utime and stime, those of children that ended included (proc(5))."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0
