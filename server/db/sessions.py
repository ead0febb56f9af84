"""Sessions, devices and the one-time codes that devices are enrolled with."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection, to_json
from server.db.named import sql
from server.db.people import to_assignments
from sync.access import Assignment

SessionKind = Literal["device", "user", "console"]


class CallerRow(NamedTuple):
    """The session of an access token, with its user as he stands now."""

    session_id: UUID
    kind: SessionKind
    user_id: UUID
    device_id: UUID | None
    name: str
    expired: bool
    ended: bool
    departed: bool
    revoked: bool
    assignments: tuple[Assignment, ...]


class SessionRow(NamedTuple):
    """A locked session. `generation`: which of its pairs is the current one, None where that was not counted yet.

    `expired`: its refresh token was not used in time.
    """

    kind: SessionKind
    user_id: UUID
    device_id: UUID | None
    access_hash: bytes
    refresh_hash: bytes | None
    previous_hash: bytes | None
    pair_used: bool
    generation: int | None
    ended: bool
    expired: bool

    @property
    def over(self) -> bool:
        """It gives no further tokens."""
        return self.ended or self.expired


class CodeRow(NamedTuple):
    """A locked enrolment code. `over`: its time has passed or its user has left.

    `replaces`: the device in whose place the new one will be; `device_id`: the one enrolled by it.
    """

    user_id: UUID
    name: str
    install: str | None
    device_id: UUID | None
    replaces: UUID | None
    fresh: bool
    over: bool
    roles: list[str]


class DeviceRow(NamedTuple):
    """A locked device: whose it is, since when, and whether it was revoked."""

    user_id: UUID
    enrolled_at: datetime
    revoked: bool


class NewDevice(Struct, frozen=True, kw_only=True):
    """A device as its app describes it; `enrolled_at` where that is not now."""

    id: UUID
    user_id: UUID
    name: str
    platform: str
    app: str
    replaces: UUID | None = None
    enrolled_at: datetime | None = None


async def load_caller(connection: Connection, access_hash: bytes) -> CallerRow | None:
    """The session of this access token; its pair counts as used from now on."""
    row = await connection.fetchrow(sql("load_caller"), access_hash)
    if row is None:
        return None
    *plain, assignments = row.values()
    return CallerRow(*plain, assignments=to_assignments(assignments))


async def insert_session(
    connection: Connection,
    session_id: UUID,
    kind: SessionKind,
    user_id: UUID,
    device_id: UUID | None,
    access: tuple[bytes, timedelta],
    refresh: tuple[bytes, timedelta] | None,
) -> None:
    """Begin a session with the hashes and lives of its tokens."""
    refresh_hash, refresh_life = refresh or (None, None)
    await connection.execute(
        sql("insert_session"), session_id, kind, user_id, device_id, *access, refresh_hash, refresh_life
    )


async def lock_session(connection: Connection, session_id: UUID) -> SessionRow | None:
    """Lock a session until the commit."""
    row = await connection.fetchrow(sql("lock_session"), session_id)
    return SessionRow(*row.values()) if row else None


async def rotate_session(
    connection: Connection,
    session_id: UUID,
    generation: int,
    access: tuple[bytes, timedelta],
    refresh: tuple[bytes, timedelta],
    presented: bytes,
) -> None:
    """Put the pair of this generation in the place of the current one; `presented`: the hash of what led to it."""
    await connection.execute(sql("rotate_session"), session_id, *access, *refresh, generation, presented)


async def extend_session(
    connection: Connection, session_id: UUID, access_life: timedelta, refresh_life: timedelta
) -> None:
    """Count the life of the current pair from now."""
    await connection.execute(sql("extend_session"), session_id, access_life, refresh_life)


async def keep_console_session(connection: Connection, session_id: UUID, idle: timedelta) -> None:
    """Put off the idle end of a console session; written at most ten times an idle period."""
    await connection.execute(sql("keep_console_session"), session_id, idle)


async def end_session(connection: Connection, session_id: UUID) -> None:
    """End a session: neither token works any more."""
    await connection.execute(sql("end_session"), session_id)


async def forget_old_sessions(connection: Connection, user_id: UUID) -> None:
    """Delete what is left of a person's expired sign-ins; a device's session is kept for its history."""
    await connection.execute(sql("forget_old_sessions"), user_id)


async def insert_enrolment_codes(
    connection: Connection,
    codes: Sequence[tuple[bytes, UUID]],
    created_by: UUID | None,
    life: timedelta,
    replaces: UUID | None = None,
) -> datetime:
    """Add (hash of code, user) pairs in one statement; when they expire. `replaces`: the device they stand in for."""
    rows = to_json([{"code_hash": code_hash, "user_id": user_id} for code_hash, user_id in codes])
    added = await connection.fetch(sql("insert_enrolment_codes"), rows, created_by, life, replaces)
    return added[0]["expires_at"]


async def lock_enrolment_code(connection: Connection, code_hash: bytes) -> CodeRow | None:
    """Lock a code until the commit."""
    row = await connection.fetchrow(sql("lock_enrolment_code"), code_hash)
    return CodeRow(*row.values()) if row else None


async def use_enrolment_code(connection: Connection, code_hash: bytes, install: str, device_id: UUID) -> None:
    """Spend a code on an installation of the app."""
    await connection.execute(sql("use_enrolment_code"), code_hash, install, device_id)


async def insert_device(connection: Connection, device: NewDevice) -> datetime:
    """Add a device; when it was enrolled."""
    enrolled_at = await connection.fetchval(
        sql("insert_device"),
        device.id,
        device.user_id,
        device.name,
        device.platform,
        device.app,
        device.replaces,
        device.enrolled_at,
    )
    assert enrolled_at is not None
    return enrolled_at


async def lock_device(connection: Connection, device_id: UUID) -> DeviceRow | None:
    """Lock a device until the commit."""
    row = await connection.fetchrow(sql("lock_device"), device_id)
    return DeviceRow(*row.values()) if row else None


async def revoke_device(connection: Connection, device_id: UUID, revoked_by: UUID) -> None:
    """Revoke a device for good; whoever revoked it first stays on record."""
    await connection.execute(sql("revoke_device"), device_id, revoked_by)


async def withdraw_replacements(connection: Connection, device_id: UUID) -> None:
    """Let the unused codes end that were made in place of a device."""
    await connection.execute(sql("withdraw_replacements"), device_id)
