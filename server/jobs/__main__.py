"""`python -m server.jobs`: the process that works through the job queue until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

import structlog

from server import logs
from server.embedded.words import StartError
from server.jobs.work import run
from server.settings import Settings, SettingsError

# A job that is cut off here is taken again later; the supervisor kills what stays longer.
_SECONDS_TO_FINISH = 5.0

log = structlog.get_logger()


async def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what has begun, for a few seconds."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    running = asyncio.create_task(run(settings, stopping))
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    log.info("jobs_stopping")
    done, _ = await asyncio.wait({running}, timeout=_SECONDS_TO_FINISH)
    if not done:
        log.warning("jobs_cut_off")
        # A thread that decodes a photo cannot be stopped, and an ordinary exit would wait for it.
        os._exit(1)
    running.result()


def main() -> int:
    """Exit status 0 when told to stop, 1 with one sentence when it cannot start."""
    try:
        settings = Settings.from_env(os.environ)
        logs.configure(settings.log_level, settings.log_format)
        logging.captureWarnings(True)
        asyncio.run(work(settings))
    except (SettingsError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
