"""The plan is carried out by the command, as a city does it, while somebody looks who waits for a lock."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from server.db import rehearsal
from server.embedded.words import StartError
from server.rehearse.city import Stage
from server.usecases.registry_reports import ApplyReport

_LOOK_EVERY: Final = 0.004

Waits = dict[tuple[int, datetime], float]
"""By the waiting backend and the instant since which it waits, for how many seconds it was last seen to."""


async def apply_by_command(stage: Stage, plan: bytes, actor: str) -> ApplyReport:
    """Run `onegrid registry apply`. Raises StartError where it says nothing."""
    file = stage.data.parent / "plan.yaml"
    file.write_bytes(plan)
    arguments = ("registry", "apply", str(file), "--as", actor, "--reason", "rehearsal", "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "server.cli", *arguments),
        env=stage.environ,
        cwd=Path.cwd(),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    try:
        return msgspec.json.decode(out, type=ApplyReport)
    except msgspec.DecodeError:
        raise StartError("调整计划未能执行", "the plan was not carried out") from None


@contextmanager
def watched(url: str) -> Generator[Waits]:
    """Who waits for a lock while the block runs; looked at from a thread, so that nothing else delays it."""
    waits, over = Waits(), threading.Event()
    watcher = threading.Thread(target=lambda: asyncio.run(_watch(url, waits, over)))
    watcher.start()
    try:
        yield waits
    finally:
        over.set()
        watcher.join()


def p999_ms(waits: Waits, pushes: int) -> float:
    """The 99.9th percentile of what a push waited, those that waited for nothing included."""
    seconds = sorted([*waits.values(), *[0.0] * max(0, pushes - len(waits))])
    return round(seconds[min(len(seconds) - 1, int(len(seconds) * 0.999))] * 1000, 1) if seconds else 0.0


async def _watch(url: str, waits: Waits, over: threading.Event) -> None:
    connection = await asyncpg.connect(url)
    try:
        while not over.is_set():
            for row in await rehearsal.lock_waits(connection):
                waits[row["pid"], row["waitstart"]] = row["seconds"]
            await asyncio.sleep(_LOOK_EVERY)
    finally:
        await connection.close()
