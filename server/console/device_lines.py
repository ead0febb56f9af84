"""How a device stands, in the reader's words: when it was last heard of and what it has not sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from server.console import clock
from server.console.visit import Visit
from server.db.directory import DeviceInUse
from server.usecases.devices import DeviceView

SILENT = timedelta(days=7)
"""Who works in the field synchronises within a week; a longer silence is marked."""


class InUse(NamedTuple):
    """A device; `silent`: not heard of for so long that somebody should ask; `name` is never empty."""

    id: UUID
    name: str
    heard: str
    heard_at: datetime | None
    silent: bool
    unsent: int
    unsent_words: str


def in_use(visit: Visit, one: DeviceInUse | DeviceView, now: datetime) -> InUse:
    """The words of a device."""
    at = one.last_exchange_at
    return InUse(
        id=one.id,
        name=one.name or str(one.id)[:8],
        heard=_heard(visit, at, now),
        heard_at=at,
        silent=(at or one.enrolled_at) < now - SILENT,
        unsent=one.unsent,
        unsent_words=visit.say("device.unsent_count", count=one.unsent) if one.unsent else visit.say("device.all_sent"),
    )


def _heard(visit: Visit, at: datetime | None, now: datetime) -> str:
    if at is None:
        return visit.say("device.never")
    if now - at < timedelta(minutes=1):
        return visit.say("time.just_now")
    return visit.say("device.ago", span=clock.span(visit.language, now - at))
