"""What a session may hear of, now and for how long: which streams, and what its device is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from server.db import live, push
from server.db.database import Connection
from server.db.directives import OpenDirective
from server.db.live import HeardDevice, LiveSession
from sync.access import Assignment, assignments_at, device_streams


class Hearing(Struct, frozen=True):
    """The keys of the streams that are to be read at `at`, and the directives that are open, as one snapshot has them.

    A device that was revoked, or whose holder has left, hears of no stream; what it is asked to do, it is still told.
    `turns`: when the next of its holder's assignments begins or ends.
    """

    user_id: UUID
    scope: list[str]
    directives: list[OpenDirective]
    at: datetime
    turns: datetime | None = None

    @property
    def asked(self) -> tuple[UUID, ...]:
        """The ids of the directives."""
        return tuple(one.id for one in self.directives)

    def seconds(self, session: LiveSession) -> float:
        """How long this holds, if nothing is changed: until the token expires or the assignments turn."""
        left = session.seconds
        return min(left, (self.turns - self.at).total_seconds()) if self.turns else left


async def hear_device(connection: Connection, device_id: UUID, now: datetime) -> Hearing:
    """What a device hears of."""
    return hearing_of(await live.hear_device(connection, device_id), now)


def hearing_of(device: HeardDevice, now: datetime) -> Hearing:
    """The same of what was read already."""
    if device.shut_out:
        return Hearing(device.user_id, [], device.directives, now)
    return _hearing(device.user_id, device.assignments, device.directives, now)


async def hear_user(connection: Connection, user_id: UUID, now: datetime) -> Hearing:
    """What a person hears of who has signed in without a device; he has not left."""
    return _hearing(user_id, await push.assignments_ever(connection, user_id), [], now)


def _hearing(user_id: UUID, held: Sequence[Assignment], asked: list[OpenDirective], now: datetime) -> Hearing:
    scope = device_streams(user_id, assignments_at(held, now))
    return Hearing(user_id, scope, asked, now, _next_turn(held, now))


def _next_turn(held: Sequence[Assignment], now: datetime) -> datetime | None:
    turns = [turn for one in held for turn in (one.valid_from, one.valid_to) if turn is not None and turn > now]
    return min(turns, default=None)
