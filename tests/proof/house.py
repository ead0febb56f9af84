"""A server in parts: PostgreSQL, the object store and server processes, each killed and started again by itself.

    with standing(folder, workers=2) as house:
        house.kill(house.postgres)
        house.start(house.postgres)

The parts and their command lines are those of `onegrid up`. Its supervisor is not there: it would wait before each
restart, and give up on parts that die again and again, as they do here.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from server.db.migrate import upgrade
from server.embedded.folder import DataFolder
from server.embedded.listener import listen
from server.embedded.part import Command, Part, sleep_until, stop
from server.embedded.plan import Plan
from server.embedded.services import Services
from server.settings import Settings
from tests.integration.up_process import descendants, lives

HOST = "127.0.0.1"
_REPOSITORY = Path(__file__).parents[2]
_SECONDS = 60.0
_PR_SET_CHILD_SUBREAPER = 36


class House:
    """One data folder with what runs on it."""

    def __init__(self, folder: Path, workers: int) -> None:
        settings = Settings(host=HOST, workers=workers, access_token_minutes=1440, log_level="error")
        self.folder = DataFolder(folder)
        self._lock = self.folder.acquire(sleep_until)
        self._embedded = Services(self.folder, settings, self._lock)
        self._ready, self._say_ready = os.pipe()
        os.set_blocking(self._ready, False)
        self._serving: set[int] = set()
        self._listener = listen(HOST, 0)
        self.port = int(self._listener.getsockname()[1])
        own = {"ONEGRID_LOG_LEVEL": "error", "PYTHONPATH": str(_REPOSITORY)}
        self._plan = Plan(environ=lambda: self.environ() | own, logs=self.folder.logs)
        self.workers = [self._worker(number) for number in range(workers)]

    @property
    def url(self) -> str:
        """Where the server processes listen."""
        return f"http://{HOST}:{self.port}"

    @property
    def postgres(self) -> Part:
        """The database."""
        return next(part for part in self._embedded.parts if part.name == "postgres")

    def environ(self) -> dict[str, str]:
        """Settings that lead to the parts; tokens outlast every run."""
        return self._embedded.environ() | {"ONEGRID_ACCESS_TOKEN_MINUTES": "1440"}

    def settings(self) -> Settings:
        """The same, read."""
        return Settings.from_env(self.environ())

    def owner_url(self) -> str:
        """The database as the superuser of the cluster, whom the server itself never is."""
        return as_superuser(self.settings().database_url)

    # Starting and killing ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start all of it on an empty database."""
        self._embedded.start(sleep_until)
        upgrade(self.settings().database_url)
        self.start(*self.workers)

    def close(self) -> None:
        """Stop all of it in order."""
        stop(self.workers, sleep_until, _SECONDS)
        self._embedded.stop(sleep_until)
        self._listener.close()
        for end in (self._lock, self._ready, self._say_ready):
            os.close(end)

    def kill(self, *parts: Part) -> int:
        """`kill -9` these and all below them, at one instant: none sees another die first. Returns how many died.

        Where no server process is left, nobody takes what waits at their socket: it is refused, as by a machine that
        is down.
        """
        families = [_frozen(part.process.pid) for part in parts if part.process and not part.has_ended()]
        for family in families:
            for pid in family:
                os.kill(pid, signal.SIGKILL)
        for part, family in zip(parts, families, strict=True):
            assert part.process is not None
            part.process.wait()
            assert sleep_until(lambda family=family: all(map(_is_gone, family[1:])), _SECONDS)
        if all(worker.has_ended() for worker in self.workers):
            self._listener.close()
        return sum(map(len, families))

    def start(self, *parts: Part) -> None:
        """Start them again, and wait until they answer; PostgreSQL before those that need it."""
        if self._listener.fileno() == -1:
            self._listener = listen(HOST, self.port)
        for part in sorted(parts, key=lambda part: part is not self.postgres):
            if part is self.postgres:
                # What its status line said of the killed one would be taken for the new one.
                (self.folder.postgres / "postmaster.pid").unlink(missing_ok=True)
            part.start()
            if part is self.postgres:
                part.wait_until_it_answers(sleep_until, _SECONDS)
        for part in parts:
            part.wait_until_it_answers(sleep_until, _SECONDS)

    # Inside --------------------------------------------------------------------------------------------------

    def _worker(self, number: int) -> Part:
        return Part(name=f"server-{number + 1}", command=self._command, lock=self._lock, answers=self._serves)

    def _command(self) -> Command:
        command = self._plan.server(self._listener.fileno(), self._say_ready)
        return replace(command, log=self.folder.logs / "server.log")

    def _serves(self, pid: int) -> bool:
        with suppress(BlockingIOError):
            self._serving.update(int(line) for line in os.read(self._ready, 4096).split())
        return pid in self._serving


@contextmanager
def standing(folder: Path, workers: int) -> Generator[House]:
    """A house in a fresh folder, for as long as the block runs. What it orphans by killing is collected here."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_CHILD_SUBREAPER), ctypes.c_ulong(1), 0, 0, 0)
    house = House(folder, workers)
    try:
        house.open()
        yield house
    finally:
        house.close()


def as_superuser(url: str) -> str:
    """The address of an embedded database as `postgres`, who has the same password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"postgres:{parts.password}@{parts.hostname}:{parts.port}"))


def _frozen(pid: int) -> list[int]:
    """A process and all below it, stopped, so that it starts nothing while it is looked at."""
    os.kill(pid, signal.SIGSTOP)
    assert sleep_until(lambda: _state(pid) in "TZ", _SECONDS)
    return [pid, *descendants(pid)]


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _is_gone(pid: int) -> bool:
    """Whether an orphan has ended; it came to this process, which collects it."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not lives(pid)
