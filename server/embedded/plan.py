"""The command lines of everything the supervisor starts that is written in Python."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.embedded.part import Command


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one server is made of. `environ` gives, for each process anew, what is laid over our own environment."""

    environ: Callable[[], dict[str, str]]
    logs: Path

    def prepare(self) -> Command:
        """Migrates the database and looks at the bucket; says on stdout what is wrong."""
        return self._python("server.prepare", log=self.logs / "prepare.log", stdout=subprocess.PIPE)

    def server(self, listener: int, ready: int) -> Command:
        """One server process on the socket `listener`; writes its process id to `ready` when it serves."""
        arguments = ["--fd", str(listener), "--ready-fd", str(ready)]
        return self._python("server.worker", *arguments, descriptors=(listener, ready))

    def jobs(self) -> Command:
        """The process that works through the job queue."""
        return self._python("server.jobs")

    def demo_fill(self, data: Path, url: str) -> Command:
        """Fills an empty database with the demo city and writes `demo.json`."""
        return self._python("server.demo", "--data", str(data), "--base-url", url)

    def demo_day(self, demo_file: Path, url: str) -> Command:
        """Plays one working day of simulated phones and prints its table on stdout."""
        play = ["simulate", "--url", url, "--demo-file", str(demo_file), "--devices", "40", "--seed", "1"]
        return self._python("server.cli", *play, stdout=sys.stdout.fileno())

    def _python(
        self,
        module: str,
        *arguments: str,
        descriptors: tuple[int, ...] = (),
        log: Path | None = None,
        stdout: int | None = None,
    ) -> Command:
        # -P: a folder named `server` where the person happens to be must not be taken for ours.
        return Command(
            arguments=[sys.executable, "-P", "-m", module, *arguments],
            folder=Path.cwd(),
            environ=dict(os.environ) | self.environ(),
            descriptors=descriptors,
            log=log,
            stdout=stdout,
        )
