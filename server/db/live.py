"""What a server process reads to tell whether there is anything new: what was stirred, what a session may hear of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct

from schemas.catalogue import CURRENT
from server.db.database import Connection
from server.db.directives import OpenDirective
from server.db.named import inner, sql
from server.db.push import Counter, assignments_of
from sync.access import Assignment


class Sweep(Struct, frozen=True):
    """All that was stirred since a horizon, in one snapshot.

    `horizon`: the one to ask with next. `keys` by stream id, `heads` by stream key; `users`: whose sign-ins, devices,
    directives or assignments changed, each with the transaction that did it last.
    """

    horizon: int
    epoch: str
    registry: int
    catalogue: str
    keys: dict[int, str]
    heads: dict[str, int]
    users: dict[UUID, int]


class LiveSession(NamedTuple):
    """A session that has neither ended nor expired; `seconds`: how long its access token is still valid."""

    access_hash: bytes
    seconds: float


class HeardDevice(NamedTuple):
    """Whose a device is, what it is still to do, the oldest first, and every assignment that its holder has or had.

    `shut_out`: it was revoked, or its holder has left.
    """

    user_id: UUID
    shut_out: bool
    directives: list[OpenDirective]
    assignments: list[Assignment]


class Said(NamedTuple):
    """What a device says about itself in an exchange; `catalogue`: None for what is no version."""

    at: datetime
    unsent: int
    app: str
    acknowledged: int
    registry: int
    catalogue: str | None


class Seen(NamedTuple):
    """What one snapshot shows of a device: `heads` of those of the streams it named that exist."""

    device: HeardDevice
    epoch: str
    counter: Counter
    heads: dict[str, int]


async def sweep(connection: Connection, horizon: int) -> Sweep:
    """What was stirred since `horizon`; 0 for everything.

    The horizon of a snapshot is the oldest transaction that was still running then. Whatever that snapshot could not
    see was written by this one or by a younger one, for all older ones had ended; so asking for rows stirred by the
    horizon or later misses nothing that was in flight, at the price of seeing some rows again.
    """
    row = await connection.fetchrow(sql("sweep"), horizon)
    assert row is not None
    return Sweep(
        horizon=row["horizon"],
        epoch=row["epoch"],
        registry=row["registry"],
        catalogue=row["catalogue"] or CURRENT,
        keys=dict(zip(row["ids"], row["keys"], strict=True)),
        heads=dict(zip(row["keys"], row["heads"], strict=True)),
        users=dict(zip(row["users"], row["stirred_by"], strict=True)),
    )


async def live_session(connection: Connection, session_id: UUID) -> LiveSession | None:
    """The session, unless it is over by now."""
    row = await connection.fetchrow(sql("live_session"), session_id)
    return LiveSession(*row.values()) if row else None


async def hear_device(connection: Connection, device_id: UUID) -> HeardDevice:
    """What decides which streams a device hears of, and what it is asked to do."""
    row = await connection.fetchrow(sql("hear_device"), device_id)
    assert row is not None
    return _heard(*row.values())


async def note_exchange(connection: Connection, device_id: UUID, said: Said, streams: Sequence[str]) -> Seen:
    """Note what the device says, and look at what there may be for it."""
    row = await connection.fetchrow(_NOTE_EXCHANGE, device_id, *said, streams)
    assert row is not None
    *heard, epoch, last_no, safe_no, heads = row.values()
    return Seen(_heard(*heard), epoch, Counter(last_no, safe_no), dict(heads))


def _heard(user_id: UUID, shut_out: bool, directives: Iterable[Any], assignments: Iterable[Any]) -> HeardDevice:
    return HeardDevice(user_id, shut_out, [OpenDirective(*one) for one in directives], assignments_of(assignments))


_NOTE_EXCHANGE = sql("note_exchange").format(hear_device=inner("hear_device"), read_counter=inner("read_counter"))
