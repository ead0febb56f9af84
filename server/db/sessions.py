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
    """A locked session. `over`: it gives no further tokens."""

    kind: SessionKind
    user_id: UUID
    device_id: UUID | None
    access_hash: bytes
    refresh_hash: bytes | None
    previous_hash: bytes | None
    pair_used: bool
    over: bool


class CodeRow(NamedTuple):
    """A locked enrolment code. `over`: its time has passed or its user has left."""

    user_id: UUID
    name: str
    install: str | None
    device_id: UUID | None
    fresh: bool
    over: bool
    roles: list[str]


class NewDevice(Struct, frozen=True, kw_only=True):
    """A device as its app describes it."""

    id: UUID
    user_id: UUID
    name: str
    platform: str
    app: str


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
    connection: Connection, session_id: UUID, access: tuple[bytes, timedelta], refresh: tuple[bytes, timedelta]
) -> None:
    """Put a new pair in the place of the current one."""
    await connection.execute(sql("rotate_session"), session_id, *access, *refresh)


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
    connection: Connection, codes: Sequence[tuple[bytes, UUID]], created_by: UUID | None, life: timedelta
) -> datetime:
    """Add (hash of code, user) pairs in one statement; when they expire."""
    rows = to_json([{"code_hash": code_hash, "user_id": user_id} for code_hash, user_id in codes])
    added = await connection.fetch(sql("insert_enrolment_codes"), rows, created_by, life)
    return added[0]["expires_at"]


async def lock_enrolment_code(connection: Connection, code_hash: bytes) -> CodeRow | None:
    """Lock a code until the commit."""
    row = await connection.fetchrow(sql("lock_enrolment_code"), code_hash)
    return CodeRow(*row.values()) if row else None


async def use_enrolment_code(connection: Connection, code_hash: bytes, install: str, device_id: UUID) -> None:
    """Spend a code on an installation of the app."""
    await connection.execute(sql("use_enrolment_code"), code_hash, install, device_id)


async def insert_device(connection: Connection, device: NewDevice) -> None:
    """Add a device."""
    await connection.execute(sql("insert_device"), device.id, device.user_id, device.name, device.platform, device.app)
