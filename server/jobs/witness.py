"""Keeps the witness growing for as long as the job process runs, and once more when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from server.logs import failure
from server.services import Services
from server.usecases.witness import face_witness

log = structlog.get_logger()

_SECONDS_FOR_THE_LAST = 2.0


@asynccontextmanager
async def witnessing(services: Services) -> AsyncGenerator[None]:
    """Write the witness at its interval while the block runs, and at its end.

    Of several job processes each does so; they take turns by a lock. A store or database that is away for a while is
    logged and tried again.
    """
    beating = asyncio.create_task(_beat(services))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait({beating})
        await _once(services, _SECONDS_FOR_THE_LAST)


async def _beat(services: Services) -> None:
    while True:
        await _once(services)
        await asyncio.sleep(services.settings.witness_seconds)


async def _once(services: Services, seconds: float | None = None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await face_witness(services.database, services.objects, services.keyring)
    except Exception as error:
        log.warning("witness_not_written", **failure(error))
