"""Photos as people look for them: by the items that they may read, and by the phones that still owe them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection, Row, to_json
from server.db.directory import Sight, seen_by, sight_arguments
from server.db.named import sql
from server.db.reading import Grants, grant_rows, listed, of_type

_FIRST = (datetime.min.replace(tzinfo=UTC), UUID(int=0), b"", "")
_CLOSING = ("handled", "verified")
"""States of a case that is about to be closed, and waits for photos alone."""


class PhotoFilter(Struct, frozen=True, kw_only=True):
    """What a list of photos is narrowed to; ranges are the least and the greatest.

    `division`: the prefix of grid codes. `waiting`: approval or closing, which waits for the photo.
    """

    states: tuple[str, ...] | None = None
    photos: tuple[bytes, bytes] | None = None
    items: tuple[UUID, UUID] | None = None
    type: str | None = None
    division: str | None = None
    known_before: datetime | None = None
    waiting: str | None = None


async def list_photos(
    connection: Connection,
    grants: Grants,
    narrowed: PhotoFilter,
    after: tuple[datetime, UUID, bytes, str] | None,
    limit: int,
) -> list[Row]:
    """Ties of photos to items that the grants reach, the longest known first; `waits`: approval, closing or null."""
    return await connection.fetch(
        listed("list_photos", "$7", _way(narrowed), "k.item_id", near="photographed_within"),
        grant_rows(of_type(grants, narrowed.type)),
        narrowed.states,
        *(narrowed.photos or (None, None)),
        *(narrowed.items or (None, None)),
        narrowed.division,
        narrowed.known_before,
        _CLOSING,
        narrowed.waiting,
        *(after or _FIRST),
        limit,
    )


def _way(narrowed: PhotoFilter) -> str | None:
    """The statement of what is asked for, if that may be little."""
    if narrowed.waiting is not None:
        return f"items_awaiting_{narrowed.waiting}"
    if narrowed.photos is not None:
        return "items_of_photos_between"
    if narrowed.items is not None:
        return "items_with_photos_between"
    return "items_awaiting_photos" if narrowed.states and "verified" not in narrowed.states else None


async def photo_in_full(connection: Connection, sha256: bytes, size: int) -> Row:
    """What is known of a photo that is known; `place` is sealed."""
    row = await connection.fetchrow(sql("photo_in_full"), sha256, size)
    assert row is not None
    return row


async def ways_in_of_photo(connection: Connection, sha256: bytes, size: int) -> list[Row]:
    """Its uploads that are not done: state, checks, check_after, created_at, expires_at, received."""
    return await connection.fetch(sql("ways_in_of_photo"), sha256, size)


async def make_uploads_due(connection: Connection, photos: Sequence[tuple[bytes, int]]) -> list[Row]:
    """Have the arrived bytes of these photos checked now: id, sha256, size of each upload."""
    rows = [{"sha256": sha256, "size": size} for sha256, size in photos]
    return await connection.fetch(sql("make_uploads_due"), to_json(rows))


async def phones_owing_photos(
    connection: Connection,
    sight: Sight,
    owed_before: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """Devices of people in sight whose photos are not here, the longest in debt first."""
    statement, place = seen_by("phones_owing_photos"), after or (None, None)
    return await connection.fetch(statement, *sight_arguments(sight), owed_before, *place, limit)
