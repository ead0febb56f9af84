"""Tells the server processes, after a commit, that streams have moved.

Never inside the transaction that moves them: a notification is handed out under one lock over the whole database, which
would put all commits in a row. A nudge is a hint that may be lost; who waits for it looks by himself before long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import structlog

from server.db.lost import LOST

log = structlog.get_logger()

CHANNEL = "onegrid_moved"

_GATHER_SECONDS = 0.005
_SECONDS_TO_SEND = 2.0
# A notification holds less than 8000 bytes; an empty one says that there is something, and not where.
_LONGEST = 7_900


def moved_streams(nudge: str) -> list[int]:
    """The ids of the streams that a nudge names; none for what is no nudge of ours."""
    return [int(one) for one in nudge.split(",") if one.isdecimal()]


class Nudges:
    """Gathers for a few milliseconds what was moved, and says it on its own connection, opened when first needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: set[int] = set()
        self._sending: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection | None = None

    def send(self, moved: Mapping[str, int]) -> None:
        """Say, in a moment, that these streams, {key: id}, have moved."""
        self._waiting.update(moved.values())
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Say what is still to be said, and close the connection."""
        if self._sending is not None:
            await self._sending
        if self._connection is not None:
            self._connection.terminate()

    async def _send(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(_GATHER_SECONDS)
                told = ",".join(map(str, sorted(self._waiting)))
                self._waiting.clear()
                async with asyncio.timeout(_SECONDS_TO_SEND):
                    await self._notify(told if len(told) <= _LONGEST else "")
        except LOST as error:
            log.info("nudge_lost", error=type(error).__name__)
            self._hang_up()
        finally:
            self._sending = None

    async def _notify(self, told: str) -> None:
        connection = self._connection
        if connection is None or connection.is_closed():
            named = {"application_name": "onegrid nudges"}
            connection = self._connection = await asyncpg.connect(self._url, server_settings=named)
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, told)

    def _hang_up(self) -> None:
        self._waiting.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
