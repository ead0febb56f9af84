"""Runs `onegrid up` as a person would, and looks from outside at what it started and left behind."""

import atexit
import contextlib
import functools
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from server.embedded import launch

TINY = [sys.executable, "-P", "-m", "tests.integration.tiny_up"]
WHOLE = [sys.executable, "-P", "-m", "server.cli", "up"]
_REPOSITORY = Path(__file__).parents[2]
_PATIENCE = 60.0


def eventually(condition: Callable[[], bool], seconds: float = _PATIENCE) -> bool:
    """Look until `condition` holds; a deadline, not a pause."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Up:
    """One running `onegrid up` on the folder `data`; `log`: where its stderr goes instead of to the test."""

    def __init__(
        self, data: Path, *flags: str, command: list[str] = TINY, log: IO[bytes] | None = None, **environ: str
    ) -> None:
        self.data = data
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEGRID_")}
        settings = {"ONEGRID_DATA": str(data), "ONEGRID_PORT": "0", "PYTHONPATH": str(_REPOSITORY)}
        # Should the tests themselves be killed, their servers are told to stop.
        tied = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "same", "."]
        self.process = subprocess.Popen(
            [*tied, *command, *flags],
            env=clean | settings | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log or subprocess.PIPE,
            start_new_session=True,
        )

    def wait_until_ready(self) -> str:
        """The address after `ready: `."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], _PATIENCE)[0], "not ready in time"
        line = self.process.stdout.readline().decode()
        assert line.startswith("ready: "), (line, self.process.communicate(timeout=20)[1])
        return line.removeprefix("ready: ").rstrip("\n")

    def ended(self, seconds: float = _PATIENCE) -> tuple[int, str, str]:
        """Exit status, what is left of stdout, and stderr."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out.decode(), (err or b"").decode()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Ask it to stop; it has ten seconds."""
        self.process.send_signal(number)
        return self.ended(seconds=10)

    def tree(self) -> dict[str, int]:
        """Process ids of its direct children by what they are."""
        return {_part(pid): pid for pid in _children(self.process.pid)}


@contextlib.contextmanager
def running_up(
    data: Path, *flags: str, command: list[str] = TINY, log: IO[bytes] | None = None, **environ: str
) -> Iterator[Up]:
    """A ready server, stopped in order afterwards if the test has not done so."""
    up = Up(data, *flags, command=command, log=log, **environ)
    try:
        up.address = up.wait_until_ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


@functools.cache
def _cold_start() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="onegrid-up-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with running_up(folder / "data"):
        return folder / "data"


def used(data: Path) -> Path:
    """Make `data` a folder on which a server has run and stopped, without the time that its first start takes."""
    shutil.copytree(_cold_start(), data)
    return data


def left_running(data: Path) -> list[str]:
    """Command lines of all processes that work in the data folder or hold its lock."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            targets = [os.readlink(process / "cwd"), *(os.readlink(fd) for fd in (process / "fd").iterdir())]
            if any(target == str(data) or target.startswith(f"{data}/") for target in targets):
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def lives(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected by its parent does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def descendants(pid: int) -> list[int]:
    """Every process below `pid`."""
    return [one for child in _children(pid) for one in (child, *descendants(child))]


def _part(pid: int) -> str:
    with contextlib.suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_text()
        for part in ("rclone", "bin/postgres", "ready-fd", "jobs"):
            if part in line and "launch.py" not in line:
                return {"bin/postgres": "postgres", "ready-fd": "server"}.get(part, part)
    return str(pid)
