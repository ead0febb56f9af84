"""One process under supervision: how it is started, asked to end, and made to end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from server.embedded.words import StartError, last_line, say

_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_LIMIT = 8 * 1024 * 1024
_KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run.

    `on_orphaned` is the signal the kernel sends it if the supervisor dies; `descriptors` are inherited; output
    goes to `log`, else to the supervisor's stderr.
    """

    arguments: list[str]
    folder: Path
    environ: dict[str, str]
    identity: str = "same"
    on_orphaned: int = signal.SIGKILL
    descriptors: tuple[int, ...] = ()
    log: Path | None = None
    stdin: bytes | None = None
    stdout: int | None = None


def plain_environ(**more: str) -> dict[str, str]:
    """Environment for a program that is not ours: only what it needs to run, in the C locale and in UTC."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {"LANG": "C", "TZ": "UTC"} | more


def start(command: Command, lock: int) -> subprocess.Popen[bytes]:
    """Start it in a session of its own: Ctrl-C reaches only the supervisor, which stops parts in order.

    It inherits `lock`, the descriptor that keeps its data folder in use.
    """
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
    bound = [str(os.getpid()), str(int(command.on_orphaned)), command.identity, str(command.folder)]
    output = _open_log(command.log) if command.log else sys.stderr.fileno()
    try:
        process = subprocess.Popen(
            launcher + bound + command.arguments,
            env=command.environ,
            stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
            stdout=output if command.stdout is None else command.stdout,
            stderr=output,
            pass_fds=(lock, *command.descriptors),
            start_new_session=True,
        )
    finally:
        if command.log:
            os.close(output)
    if process.stdin and command.stdin is not None:
        process.stdin.write(command.stdin)
        process.stdin.close()
    return process


def _open_log(log: Path) -> int:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name(log.name + ".old"))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def ended_how(process: subprocess.Popen[bytes]) -> str:
    """`exit 3` or `SIGKILL`."""
    code = process.returncode
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name


class Wait(Protocol):
    """Waits until `condition` holds, at most `seconds`; tells whether it does."""

    def __call__(self, condition: Callable[[], bool], seconds: float) -> bool:
        """See the class."""
        ...


def sleep_until(condition: Callable[[], bool], seconds: float) -> bool:
    """The plain `Wait`, for programs that have nothing else to attend to."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_telling(wait: Wait, condition: Callable[[], bool], seconds: float, zh: str, en: str) -> bool:
    """Wait, and if it takes more than a second, say for what."""
    if wait(condition, 1.0):
        return True
    say(f"{zh}……", f"{en} ...")
    return wait(condition, seconds)


@dataclass(kw_only=True)
class Part:
    """One process that is to run for as long as the server does.

    `answers` tells, given its process id, whether it does its work yet.
    """

    name: str
    command: Callable[[], Command]
    lock: int
    answers: Callable[[int], bool] = lambda pid: True
    asks_to_end: int = signal.SIGTERM
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, for the first time or anew."""
        self.process = start(self.command(), self.lock)

    def has_ended(self) -> bool:
        """Whether its process has ended, or was never started."""
        return self.process is None or self.process.poll() is not None

    def _answers(self) -> bool:
        return self.process is not None and self.answers(self.process.pid)

    def wait_until_it_answers(self, wait: Wait, seconds: float) -> None:
        """Raises StartError if it ends instead, or does not answer in time."""
        settled = lambda: self.has_ended() or self._answers()  # noqa: E731
        wait_telling(wait, settled, seconds, f"正在启动 {self.name}", f"starting {self.name}")
        if not self.has_ended() and self._answers():
            return
        why = self.last_words()
        raise StartError(f"{self.name} 无法启动（{why}）", f"{self.name} does not start ({why})")

    def last_words(self) -> str:
        """How its process ended, if it did, and the last line of its log; without one it spoke on stderr."""
        how = ended_how(self.process) if self.process and self.has_ended() else ""
        said = last_line(self.log) if self.log else "see above"
        return ": ".join(filter(None, (how, said)))


def stop(parts: Iterable[Part], wait: Wait, seconds: float) -> None:
    """Ask the parts to end; what has not ended after `seconds` is killed."""
    running = [(part, part.process) for part in parts if part.process and not part.has_ended()]
    for part, process in running:
        process.send_signal(part.asks_to_end)
    if not wait(lambda: all(part.has_ended() for part, _ in running), seconds):
        for _, process in running:
            process.kill()
        wait(lambda: all(part.has_ended() for part, _ in running), 1.0)
