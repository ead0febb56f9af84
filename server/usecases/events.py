"""Nudges to whoever keeps an event stream open: something of his has moved, ask with your mark.

A nudge says nothing else, and may be lost: the memory that it comes from is as close to the database as that of the
polls, and whoever hears nothing asks by himself before long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from random import randrange
from time import monotonic

from msgspec import Struct

from server.db.live import live_session
from server.errors import Problem
from server.memory import Listener
from server.metrics import EVENT_STREAMS
from server.services import Services
from server.usecases.hearing import hear_device, hear_user
from server.usecases.sessions import Caller

NUDGE = b"event: nudge\ndata: {}\n\n"
HEARTBEAT = b":\n\n"

# At most about two nudges a second, however much happens.
_PAUSE_SECONDS = 0.5
_RETRY_SECONDS = 30
# Spread, so that those who were all cut off at once do not all come back at once.
_COME_BACK_MILLISECONDS = (1_000, 5_000)


class Opening(Struct, frozen=True):
    """A listener that is to be, as of `ticket`, and until when by the monotonic clock."""

    listener: Listener
    ticket: int
    until: float


async def open_events(services: Services, caller: Caller, wait: int | None) -> Opening:
    """What this caller is to be nudged about. `wait`: seconds after which he wants no more.

    Raises Problem: events_full, not_ready where this process has lost sight of the database, token_unknown.
    """
    memory = services.memory
    if memory.listeners.count >= services.settings.event_streams:
        raise Problem("events_full", retry_after=_RETRY_SECONDS)
    if not memory.fresh or caller.session_id is None:
        raise Problem("not_ready", retry_after=5)
    ticket, began, now = memory.ticket(), monotonic(), datetime.now(UTC)
    async with services.database.read() as connection:
        session = await live_session(connection, caller.session_id)
        if caller.device_id is not None:
            heard = await hear_device(connection, caller.device_id, now)
        else:
            heard = await hear_user(connection, caller.user_id, now)
    if session is None or not heard.scope:
        raise Problem("token_unknown")
    seconds = heard.seconds(session)
    return Opening(
        Listener(caller.user_id, heard.scope), ticket, began + (seconds if wait is None else min(seconds, wait))
    )


async def events(services: Services, opening: Opening) -> AsyncGenerator[bytes, None]:
    """The stream: a nudge at once, for what came before, then whenever something moves; heartbeats between them.

    It ends when the token expires, and as soon as the sign-in, the device or the assignments are no longer what they
    were.
    """
    listener, memory = opening.listener, services.memory
    memory.listen(opening.ticket, listener)
    EVENT_STREAMS.inc()
    try:
        yield b"retry: %d\n\n" % randrange(*_COME_BACK_MILLISECONDS)
        listener.news.set()
        while not listener.over.is_set() and (left := opening.until - monotonic()) > 0:
            heard = await _happens(listener.news, min(left, services.settings.event_heartbeat_seconds))
            listener.news.clear()
            yield NUDGE if heard else HEARTBEAT
            await _happens(listener.over, min(left, _PAUSE_SECONDS))
    finally:
        EVENT_STREAMS.dec()
        memory.listeners.remove(listener)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
