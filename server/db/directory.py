"""People and their devices as those who look after them see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct, convert

from server.db.database import Connection
from server.db.named import sql


class Sight(NamedTuple):
    """Whom somebody may look up: everybody, or who has a post of one of these roles in these grids or divisions.

    `idle`: also who is to have one, and of those who have none now or later, who had one there or never had any.
    """

    everybody: bool
    roles: tuple[str, ...] = ()
    grid_ids: tuple[UUID, ...] = ()
    prefixes: tuple[str, ...] = ()
    idle: bool = False


class PeopleFilter(Struct, frozen=True, kw_only=True):
    """What a list of people is narrowed to; `place`: how the code of a grid or division begins."""

    user_id: UUID | None = None
    name: str | None = None
    role: str | None = None
    place: str | None = None


class DeviceFilter(Struct, frozen=True, kw_only=True):
    """What a list of devices is narrowed to; `place`: how the code of a grid or division of the holder begins.

    `ids`: the least and the greatest. `revoked`: only those, or only the others. `silent_for`: without an exchange for
    so long.
    """

    ids: tuple[UUID, UUID] | None = None
    user_id: UUID | None = None
    place: str | None = None
    revoked: bool | None = None
    silent_for: timedelta | None = None
    unsent: bool = False


class Post(Struct, frozen=True):
    """What a person does and where: `grid` and `division` are codes; the division of a grid is its community.

    Posts that have ended are told only of a person who has no other. A retired grid is told by its last label.
    """

    role: str
    department: str | None
    grid: str | None
    grid_name: str | None
    division: str | None
    place_zh: str | None
    place_en: str | None
    state: Literal["now", "coming", "ended"]


class DeviceInUse(Struct, frozen=True):
    """A device of a person in a list."""

    id: UUID
    name: str
    enrolled_at: datetime
    last_exchange_at: datetime | None
    unsent: int


class PersonRecord(Struct, frozen=True):
    """A person who has not left, with the devices that were not revoked."""

    id: UUID
    name: str
    phone_sealed: bytes
    posts: list[Post]
    devices: list[DeviceInUse]


class DeviceRecord(Struct, frozen=True):
    """A device with its holder. `replaced_by`: the newest device that was enrolled in its place.

    `forked_from`: the device of whose backup it is a copy.
    `wipe`: whether it was asked to erase what it holds, and says that it has.
    """

    id: UUID
    holder: UUID
    holder_name: str
    phone_sealed: bytes
    left_at: datetime | None
    posts: list[Post]
    name: str
    platform: str
    app: str
    enrolled_at: datetime
    last_exchange_at: datetime | None
    unsent: int
    revoked_at: datetime | None
    revoked_by: UUID | None
    revoked_by_name: str | None
    replaces: UUID | None
    replaced_by: UUID | None
    forked_from: UUID | None
    wipe: Literal["asked", "done"] | None


async def list_people(
    connection: Connection, sight: Sight, wanted: PeopleFilter, after: UUID | None, limit: int
) -> list[PersonRecord]:
    """People in sight by name, after the one with the id `after`."""
    narrowed = (wanted.user_id, wanted.name, wanted.role, wanted.place)
    rows = await connection.fetch(seen_by("list_directory"), *sight_arguments(sight), *narrowed, after, limit)
    return [convert(dict(row), PersonRecord) for row in rows]


async def list_devices(
    connection: Connection, sight: Sight, wanted: DeviceFilter, after: UUID | None, limit: int
) -> list[DeviceRecord]:
    """Devices of people in sight by the names of their holders, after the one with the id `after`."""
    narrowed = (wanted.user_id, wanted.place, wanted.revoked, wanted.silent_for, wanted.unsent)
    ids = wanted.ids or (None, None)
    rows = await connection.fetch(seen_by("list_devices"), *sight_arguments(sight), *ids, *narrowed, after, limit)
    return [convert(dict(row), DeviceRecord) for row in rows]


def seen_by(name: str) -> str:
    """A statement with its parts, some of which have parts themselves."""
    statement = sql(name)
    for part in ("posts_held", "post_in_sight", "retired_fits", "post_counts", "post_stands"):
        statement = statement.replace(f"{{{part}}}", sql(part))
    return statement


def sight_arguments(sight: Sight) -> Sequence[object]:
    """The first five arguments of a statement that asks whom somebody may look up."""
    prefixes = [f"{prefix}%" for prefix in sight.prefixes]
    return sight.everybody, list(sight.roles), list(sight.grid_ids), prefixes, sight.idle
