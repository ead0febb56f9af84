"""Photos, the items that hold them, and the ways in for their bytes.

A photo is a row {sha256: 32 bytes, size: bytes} wherever rows are asked for; more keys are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from server.db.new_items import Photo
from sync.evidence import shown_state

Rows = Sequence[dict[str, Any]]


class PhotoLink(NamedTuple):
    """A photo that an item holds; `version`: the revision that brought it, None where a step of the case did."""

    item_id: UUID
    version: int | None
    sha256: bytes
    size: int
    role: str


async def declare_photos(connection: Connection, photos: Rows) -> None:
    """Make these photos known; what is known already stays as it is."""
    if photos:
        await connection.execute(sql("declare_photos"), _json(photos))


async def link_photos(connection: Connection, links: Sequence[PhotoLink]) -> set[Photo]:
    """Make these photos known and tie them to items; a tie that is there already stays. Returns those known before.

    Read the photos' states after this call, not before: it waits for a photo that is being verified.
    """
    if not links:
        return set()
    known = await connection.fetch(sql("link_photos"), *zip(*links, strict=True))
    if known:
        await connection.execute(sql("link_known_photos"), *zip(*known, strict=True))
    return {(row["sha256"].hex(), row["size"]) for row in known}


async def states_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """item_id, sha256 (hexadecimal), size, role and state, as every reader of the item is shown them."""
    rows = await connection.fetch(sql("states_of_items"), item_ids)
    return [{**row, "sha256": row["sha256"].hex(), "state": shown_state(row["state"])} for row in map(dict, rows)]


async def photos_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """What a reviewer is told of the photos: full state, refusal, flags (null: not compared yet), type and measures."""
    return await connection.fetch(sql("photos_of_items"), item_ids)


async def items_of_photos(connection: Connection, photos: Rows) -> list[UUID]:
    """The items that hold any of these photos, by id."""
    return [row["item_id"] for row in await connection.fetch(sql("items_of_photos"), _json(photos))]


async def lock_items_of_photos(connection: Connection, photos: Rows) -> list[UUID]:
    """Lock the items that hold any of these photos, by id; to be called before `lock_photos`."""
    return [row["id"] for row in await connection.fetch(sql("lock_items_of_photos"), _json(photos))]


async def lock_photos(connection: Connection, photos: Rows) -> list[Row]:
    """Lock photos in one order: sha256, size, state, refusal."""
    return await connection.fetch(sql("lock_photos"), _json(photos))


async def find_photo(connection: Connection, sha256: bytes, size: int) -> Row | None:
    """Its state and media type."""
    return await connection.fetchrow(sql("find_photo"), sha256, size)


async def set_photo_states(connection: Connection, photos: Rows) -> None:
    """Rows of sha256, size, state, refusal (may be left out)."""
    if photos:
        await connection.execute(sql("set_photo_states"), to_json(list(photos)))


async def set_photo_verified(
    connection: Connection,
    sha256: bytes,
    size: int,
    *,
    media_type: str,
    width: int,
    height: int,
    taken_at: datetime | None,
    place: bytes | None,
) -> None:
    """Store what the bytes proved; `place` is sealed."""
    await connection.execute(sql("set_photo_verified"), sha256, size, media_type, width, height, taken_at, place)


async def open_uploads_of_user(connection: Connection, photos: Rows, user_id: UUID) -> list[Row]:
    """This user's unused ways in for these photos: id, sha256, size, object_key."""
    return await connection.fetch(sql("open_uploads_of_user"), _json(photos), user_id)


async def insert_uploads(connection: Connection, rows: Rows) -> None:
    """New ways in: id, sha256, size, user_id, device_id, object_key, expires_at."""
    if rows:
        await connection.execute(sql("insert_uploads"), to_json(list(rows)))


async def prolong_uploads(connection: Connection, upload_ids: Sequence[UUID], expires_at: datetime) -> None:
    """Give open ways in a later end."""
    if upload_ids:
        await connection.execute(sql("prolong_uploads"), upload_ids, expires_at)


async def uploads_of_user(connection: Connection, upload_ids: Sequence[UUID], user_id: UUID) -> list[Row]:
    """Those that are this user's: id, sha256, size, object_key, state, photo_state."""
    return await connection.fetch(sql("uploads_of_user"), upload_ids, user_id)


async def store_uploads(connection: Connection, upload_ids: Sequence[UUID]) -> list[Row]:
    """Mark that the bytes have arrived; returns those that were still open: id, sha256, size."""
    return await connection.fetch(sql("store_uploads"), upload_ids)


async def begin_check(connection: Connection, upload_id: UUID) -> Row | None:
    """Take an upload that is due for a check, for a while; None if it is done, unknown, or taken.

    Else id, sha256, size, object_key, pieces, received, state, checks, photo_state.
    """
    return await connection.fetchrow(sql("begin_check"), upload_id)


async def due_uploads(connection: Connection, limit: int) -> list[UUID]:
    """The uploads that should have been checked by now, longest overdue first."""
    return [row["id"] for row in await connection.fetch(sql("due_uploads"), limit)]


async def end_upload(connection: Connection, upload_id: UUID) -> list[str]:
    """Close one way in and return the keys of its objects; none if it was closed before."""
    return incoming_objects(await connection.fetch(sql("end_upload"), upload_id))


async def lapse_upload(connection: Connection, upload_id: UUID) -> list[str]:
    """Close a way in that has expired and return the keys of its objects.

    None if it was used, closed or prolonged meanwhile.
    """
    return incoming_objects(await connection.fetch(sql("lapse_upload"), upload_id))


async def end_uploads_of_photo(connection: Connection, sha256: bytes, size: int, proved_by: UUID) -> list[str]:
    """Close every way in of a photo that `proved_by` brought, and return the keys of their objects."""
    return incoming_objects(await connection.fetch(sql("end_uploads_of_photo"), sha256, size, proved_by))


async def states_of_uploads(connection: Connection, sha256: bytes, size: int) -> set[str]:
    """The states of a photo's ways in that are not done."""
    return {row["state"] for row in await connection.fetch(sql("states_of_uploads"), sha256, size)}


async def live_uploads(connection: Connection, object_keys: Sequence[str]) -> set[str]:
    """Which of these objects an upload that is not done still needs."""
    return {row["key"] for row in await connection.fetch(sql("live_uploads"), object_keys)}


def incoming_objects(uploads: Iterable[Row]) -> list[str]:
    """The keys of all objects that these uploads (object_key, pieces) may have: what was PUT, and their pieces."""
    return [key for row in uploads for key in (row["object_key"], *piece_keys(row))]


def piece_keys(upload: Row) -> list[str]:
    """The keys of its pieces, in the order of their bytes."""
    return [f"{upload['object_key']}.{piece}" for piece in upload["pieces"]]


async def upload_lives(connection: Connection, upload_id: UUID) -> bool:
    """Whether this way in is not closed yet."""
    return bool(await connection.fetchval(sql("upload_lives"), upload_id))


async def has_proved(connection: Connection, sha256: bytes, size: int, user_id: UUID) -> bool:
    """Whether this user sent the bytes that were verified."""
    return bool(await connection.fetchval(sql("has_proved"), sha256, size, user_id))


async def lock_uncompared_links(connection: Connection, limit: int) -> list[Row]:
    """Photos of items whose claims were not compared yet: the link, what the camera claims, what the item claims."""
    return await connection.fetch(sql("lock_uncompared_links"), limit)


async def set_flags(connection: Connection, rows: Rows) -> None:
    """Rows of item_id, sha256, size, role, flags."""
    if rows:
        await connection.execute(sql("set_flags"), to_json(list(rows)))


def _json(rows: Rows) -> list[dict[str, Any]]:
    """Photos as the device writes them (hexadecimal) and as rows hold them (bytes) are both taken."""
    return to_json([{**row, "sha256": _bytes(row["sha256"])} for row in rows])


def _bytes(sha256: bytes | str) -> bytes:
    return bytes.fromhex(sha256) if isinstance(sha256, str) else sha256
