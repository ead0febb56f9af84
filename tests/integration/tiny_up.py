"""`onegrid up` around the smallest possible server: what is tested is the supervision, not what is supervised.

Services and the worker are the real ones. Environment: with TINY_PREPARE the migration and the look at the bucket
are too; TINY_JOBS, TINY_FILL and TINY_DAY hold what runs as the jobs process and the two demo programs.
"""

import asyncio
import os
import runpy
import sys
import types
from dataclasses import replace
from typing import Any

from server.embedded import __main__ as program
from server.embedded import plan, supervisor
from server.embedded.part import Command

_SLEEP = "import signal; signal.pause()"


class TinyPlan(plan.Plan):
    """The same command lines, with small programs in place of those that are not under test."""

    def server(self, listener: int, ready: int) -> Command:
        command = super().server(listener, ready)
        python, _, _, _, *arguments = command.arguments
        return replace(command, arguments=[python, "-m", "tests.integration.tiny_up", *arguments])

    def prepare(self) -> Command:
        command = super().prepare()
        return command if "TINY_PREPARE" in os.environ else _python(command, "")

    def jobs(self) -> Command:
        return _python(super().jobs(), os.environ.get("TINY_JOBS", _SLEEP))

    def demo_fill(self, data: Any, url: str) -> Command:
        return _python(super().demo_fill(data, url), os.environ.get("TINY_FILL", "raise SystemExit(1)"))

    def demo_day(self, demo_file: Any, url: str) -> Command:
        return _python(super().demo_day(demo_file, url), os.environ.get("TINY_DAY", "raise SystemExit(1)"))


def _python(command: Command, program: str) -> Command:
    return replace(command, arguments=[sys.executable, "-c", program, "jobs"])


async def _application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    await send({"type": "http.response.body", "body": b"tiny\n"})


if __name__ == "__main__":
    if "--fd" in sys.argv:
        sys.modules["server.app"] = types.ModuleType("server.app")
        sys.modules["server.app"].create_app = lambda settings: _application  # type: ignore[attr-defined]
        runpy.run_module("server.worker", run_name="__main__", alter_sys=True)
    else:
        program.Supervisor = lambda settings, options: supervisor.Supervisor(settings, options, TinyPlan)
        sys.exit(program.main(sys.argv[1:]))
