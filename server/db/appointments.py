"""What appointing people needs: people under a lock, their assignments ever, places, and lists of people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct, convert

from server.db.database import Connection
from server.db.named import sql
from sync.access import Assignment
from sync.appointments import GridPlace, Ground


class LockedPerson(NamedTuple):
    """Somebody, under a lock that keeps out whoever else would appoint him."""

    id: UUID
    name: str
    phone_index: bytes
    left_at: datetime | None


class HeldPost(Struct, frozen=True):
    """An assignment by its number; `grid`: the code that its grid bears, or bore last."""

    id: int
    user_id: UUID
    assignment: Assignment
    grid: str | None


class PeopleFilter(Struct, frozen=True, kw_only=True):
    """Which people to list: in areas (prefixes), with an assignment of a role, in a division (a prefix), of a grid."""

    areas: Sequence[str]
    left: bool = False
    role: str | None = None
    division: str | None = None
    grid: str | None = None


class ListedPerson(NamedTuple):
    """A line of a list of people."""

    id: UUID
    name: str
    phone_sealed: bytes
    left_at: datetime | None
    locked_until: datetime | None
    has_password: bool
    devices: int


class DeviceOf(Struct, frozen=True):
    """A person's device."""

    id: UUID
    name: str
    platform: str
    app: str
    enrolled_at: datetime
    revoked_at: datetime | None
    last_exchange_at: datetime | None
    unsent: int


async def instant(connection: Connection) -> datetime:
    """When the transaction began, by the clock that judges every validity."""
    row = await connection.fetchrow(sql("instant"))
    assert row is not None
    return row["now"]


async def lock_founding(connection: Connection, role: str) -> bool:
    """Whether somebody holds this role now or will; nobody else asks the same before the commit."""
    await connection.execute(sql("lock_founding"))
    return bool(await connection.fetch(sql("holders_of_role"), role))


async def lock_people(
    connection: Connection, *, ids: Sequence[UUID] = (), phone_indexes: Sequence[bytes] = ()
) -> list[LockedPerson]:
    """Lock the people with these ids or telephone numbers by their ids; who left has no number any more."""
    rows = await connection.fetch(sql("lock_people"), list(ids), list(phone_indexes))
    return [LockedPerson(*row.values()) for row in rows]


async def posts_of(connection: Connection, user_ids: Sequence[UUID]) -> list[HeldPost]:
    """Every assignment that these people have or had, in the order of their numbers."""
    rows = await connection.fetch(sql("posts_of"), list(user_ids))
    return [_held_post(dict(row)) for row in rows]


async def ground_of(connection: Connection, grids: Sequence[str], divisions: Sequence[str], today: datetime) -> Ground:
    """What there is of these grids and divisions; the labels are kept as they are until the commit."""
    labels = await connection.fetch(sql("share_current_grids"), list(grids), today)
    places = await connection.fetch(sql("known_divisions"), list(divisions))
    return Ground(
        {row["code"]: GridPlace(row["grid_id"], row["community"]) for row in labels},
        frozenset(row["code"] for row in places),
    )


async def end_assignments(connection: Connection, numbers: Sequence[int], at: datetime) -> None:
    """End these assignments at an instant; one that has not begun never will have been."""
    await connection.execute(sql("end_assignments"), list(numbers), at)


async def mark_left(connection: Connection, user_id: UUID, at: datetime) -> None:
    """Note that somebody has left: no password, and his telephone number is free for another account."""
    await connection.execute(sql("mark_left"), user_id, at)


async def end_office_sessions(connection: Connection, user_id: UUID) -> int:
    """End a person's sessions, those of his devices excepted; returns how many."""
    return len(await connection.fetch(sql("end_office_sessions"), user_id))


async def set_password(connection: Connection, user_id: UUID, password_hash: str) -> None:
    """Replace a person's password; what was counted against the old one is forgotten."""
    await connection.execute(sql("set_password"), user_id, password_hash)


async def list_people(
    connection: Connection, wanted: PeopleFilter, after: tuple[str, UUID] | None, limit: int
) -> list[ListedPerson]:
    """People by name, who have or last had an assignment that fits; without a filter also those who never had one."""
    place: tuple[Any, Any] = after or (None, None)
    rows = await connection.fetch(
        sql("list_people"), list(wanted.areas), wanted.left, wanted.role, wanted.division, wanted.grid, *place, limit
    )
    return [ListedPerson(*row.values()) for row in rows]


async def find_listed(connection: Connection, user_id: UUID) -> ListedPerson | None:
    """One person as a list shows him."""
    row = await connection.fetchrow(sql("find_listed"), user_id)
    return ListedPerson(*row.values()) if row else None


async def devices_of(connection: Connection, user_id: UUID) -> list[DeviceOf]:
    """A person's devices, the newest first."""
    rows = await connection.fetch(sql("devices_of_user"), user_id)
    return convert([dict(row) for row in rows], list[DeviceOf])


async def unsent_of(connection: Connection, user_id: UUID) -> int:
    """How many changes a person's devices still held when they last said so."""
    return await connection.fetchval(sql("unsent_of_user"), user_id) or 0


async def grids_without_chief(connection: Connection, grid_ids: Sequence[UUID]) -> list[str]:
    """The codes of those of these grids that nobody leads now."""
    return [row["code"] for row in await connection.fetch(sql("grids_without_chief"), list(grid_ids))]


def _held_post(row: dict[str, Any]) -> HeldPost:
    number, user_id, grid = row.pop("id"), row.pop("user_id"), row.pop("grid")
    return HeldPost(number, user_id, Assignment(**row), grid)
