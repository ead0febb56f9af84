"""People: users, what they are assigned to, and how their sign-ins fail."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, convert, structs

from server.db.database import Connection, to_json
from server.db.named import sql
from sync.access import Assignment


class NewUser(Struct, frozen=True, kw_only=True):
    """A user to be added; a worker who only uses a phone has no password."""

    id: UUID
    name: str
    phone_index: bytes
    phone_sealed: bytes
    password_hash: str | None = None


class NewAssignment(Struct, frozen=True, kw_only=True):
    """An assignment to be added; without `valid_from` it holds from now.

    A grid role needs no `division`: it is the community of its grid.
    """

    user_id: UUID
    role: str
    grid_id: UUID | None = None
    division: str | None = None
    department: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class Person(NamedTuple):
    """A user and what he is assigned to now."""

    id: UUID
    name: str
    assignments: tuple[Assignment, ...]


class LoginAttempt(NamedTuple):
    """A sign-in that was counted, or was refused because of a lock.

    `locks`: this attempt uses up the last one allowed; `wait`: seconds until an existing lock ends.
    """

    user_id: UUID
    counted: bool
    password_hash: str | None
    locks: bool
    wait: int | None


async def insert_users(connection: Connection, users: Sequence[NewUser]) -> None:
    """Add users in one statement."""
    await connection.execute(sql("insert_users"), to_json([structs.asdict(user) for user in users]))


async def insert_assignments(connection: Connection, assignments: Sequence[NewAssignment]) -> list[int]:
    """Add assignments in one statement; returns their numbers."""
    rows = await connection.fetch(sql("insert_assignments"), to_json([structs.asdict(held) for held in assignments]))
    return [row["id"] for row in rows]


async def find_person(
    connection: Connection, *, user_id: UUID | None = None, phone_index: bytes | None = None, or_left: bool = False
) -> Person | None:
    """The user with this id or login phone; one who has left is found with `or_left` only."""
    row = await connection.fetchrow(sql("find_person"), user_id, phone_index, or_left)
    return Person(row["id"], row["name"], to_assignments(row["assignments"])) if row else None


async def people_of_area(
    connection: Connection,
    roles: Sequence[str],
    grid_ids: Sequence[UUID],
    prefixes: Sequence[str],
    one_of: Sequence[str],
    limit: int,
) -> list[UUID]:
    """Users all of whose assignments have these roles, one at least `one_of`, and lie in these grids or divisions.

    Those with the fewest devices and open enrolment codes come first.
    """
    patterns = [f"{prefix}%" for prefix in prefixes]
    rows = await connection.fetch(
        sql("find_people_of_area"), list(roles), list(grid_ids), patterns, limit, list(one_of)
    )
    return [row["id"] for row in rows]


async def count_login_attempt(
    connection: Connection, phone_index: bytes, failures: int, lock_minutes: int
) -> LoginAttempt | None:
    """Count a sign-in before its password is looked at, so that guesses made at once share one limit.

    None if nobody has this phone.
    """
    row = await connection.fetchrow(sql("count_login_attempt"), phone_index, failures, lock_minutes)
    if row is None:
        return None
    return LoginAttempt(row["id"], row["counted"], row["password_hash"], row["locks"], row["wait"])


async def forgive_login_failures(connection: Connection, user_id: UUID) -> None:
    """Begin counting anew, after a right password."""
    await connection.execute(sql("forgive_login_failures"), user_id)


def to_assignments(rows: object) -> tuple[Assignment, ...]:
    """Assignments from the JSON that the queries build."""
    return convert(rows, tuple[Assignment, ...])
