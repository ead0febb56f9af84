"""Keeps a memory close behind the database: a sweep every half second, and one as soon as a nudge comes.

The connection is its own, outside the pool. When it is gone, so is what the memory knows, until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog

from server.db.live import sweep
from server.db.lost import LOST
from server.db.nudges import CHANNEL, moved_streams
from server.logs import failure
from server.memory.memory import STALEST, Memory
from server.metrics import MEMORY_LOST

log = structlog.get_logger()

_SWEEP_SECONDS = 0.5
# However many nudges come, there are no more than so many sweeps in a second.
_GAP_SECONDS = 0.05
_SECONDS_TO_CONNECT = 3
_SECONDS_TO_COME_BACK = 0.25


@asynccontextmanager
async def keep(memory: Memory, url: str) -> AsyncGenerator[None, None]:
    """Keep the memory for as long as the block runs, however often the database goes away.

    The block begins when it is filled, or without that where the database does not answer.
    """
    keeper = _Keeper(memory, url)
    keeping = asyncio.create_task(keeper.run())
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS_TO_CONNECT):
                await keeper.filled.wait()
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


class _Keeper:
    def __init__(self, memory: Memory, url: str) -> None:
        self._memory = memory
        self._url = url
        self._wake = asyncio.Event()
        self.filled = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                await self._watch()
            except LOST as error:
                log.warning("memory_lost", **failure(error))
                MEMORY_LOST.inc()
            finally:
                self._memory.empty()
            await asyncio.sleep(_SECONDS_TO_COME_BACK)

    async def _watch(self) -> None:
        # A server that answers no more is as good as gone.
        connection = await asyncpg.connect(
            self._url,
            timeout=_SECONDS_TO_CONNECT,
            command_timeout=STALEST,
            server_settings={"application_name": "onegrid memory"},
        )
        try:
            connection.add_termination_listener(self._cut_off)
            await connection.add_listener(CHANNEL, self._nudged)
            horizon = 0
            while True:
                horizon = await self._sweep(connection, horizon)
                await self._rest()
        finally:
            connection.terminate()

    async def _sweep(self, connection: asyncpg.Connection, horizon: int) -> int:
        self._wake.clear()
        self._memory.sweep_begins()
        found = await sweep(connection, horizon)
        self._memory.apply(found)
        self.filled.set()
        return found.horizon

    async def _rest(self) -> None:
        await asyncio.sleep(_GAP_SECONDS)
        # Not `wait_for`: until Python 3.12 it loses a cancellation that comes together with what it waits for.
        with suppress(TimeoutError):
            async with asyncio.timeout(_SWEEP_SECONDS - _GAP_SECONDS):
                await self._wake.wait()

    def _nudged(self, *said: object) -> None:
        """What was moved is in the nudge, but only a sweep knows where to."""
        self._memory.nudged(moved_streams(str(said[-1])))
        self._wake.set()

    def _cut_off(self, _: object) -> None:
        self._memory.empty()
        self._wake.set()
