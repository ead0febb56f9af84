"""Erasing items: keys destroyed, values blanked, and what must be found for it. Items are locked by the caller."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.evidence import incoming_objects
from server.db.named import sql
from sync.case_table import OPEN

Rows = list[dict[str, Any]]
Ids = Sequence[UUID]


async def open_case_items(connection: Connection, item_ids: Ids) -> set[UUID]:
    """Those of these items whose case is not over."""
    return {row["item_id"] for row in await connection.fetch(sql("open_case_items"), item_ids, OPEN)}


async def erased_among(connection: Connection, item_ids: Ids) -> frozenset[UUID]:
    """Those of these items that are erased; none of the others will be until the transaction ends."""
    if not item_ids:
        return frozenset()
    await connection.execute(sql("share_items"), item_ids)
    return frozenset(row["id"] for row in await connection.fetch(sql("erased_items"), item_ids))


async def destroy_keys(connection: Connection, item_ids: Ids) -> None:
    """From here on nothing that was sealed for these items can be opened."""
    await connection.execute(sql("destroy_item_keys"), item_ids)


async def blank_items(connection: Connection, heads: Rows) -> None:
    """New heads (id, version, rev, clear, at) without sealed values; history and steps without any value."""
    ids = [row["id"] for row in heads]
    await connection.execute(sql("blank_heads"), to_json(heads))
    for name in _BLANKED:
        await connection.execute(sql(name), ids)


async def close_conflicts(connection: Connection, item_ids: Ids, at: datetime, by: UUID | None) -> tuple[int, int]:
    """Blank every conflict and close the open ones; returns how many of each there were. Heads come before."""
    blanked = await connection.fetch(sql("blank_conflicts"), item_ids)
    closed = await connection.fetch(sql("close_conflicts_of_erased"), item_ids, at, by)
    return len(blanked), len(closed)


async def close_notices(connection: Connection, item_ids: Ids) -> list[Row]:
    """Close the open notices of these items; returns id, user_id, kind, version, open."""
    return await connection.fetch(sql("close_notices_of_items"), item_ids)


# Photos ----------------------------------------------------------------------------------------------------


async def unlink_photos(connection: Connection, item_ids: Ids) -> tuple[int, Rows]:
    """Take these items' photos from them: how many there were, and those that no other item holds (sha256, size).

    Of those what was known is forgotten, and their bytes are marked to be removed.
    """
    photos = [dict(row) for row in await connection.fetch(sql("lock_photos_of_items"), item_ids)]
    await connection.execute(sql("unlink_photos"), item_ids)
    loose = await connection.fetch(sql("forget_photos"), to_json(photos))
    return len(photos), [dict(row) for row in loose]


async def end_uploads(connection: Connection, photos: Rows) -> list[str]:
    """Close every way in of these photos; returns the keys of their incoming objects."""
    return incoming_objects(await connection.fetch(sql("end_uploads_of_photos"), to_json(photos)))


async def overdue_photos(connection: Connection, before: datetime, limit: int) -> list[Row]:
    """Photos (sha256, size) that were marked before this moment and were not removed for good yet."""
    return await connection.fetch(sql("overdue_erased_photos"), before, limit)


async def erased_among_photos(connection: Connection, photos: Sequence[tuple[bytes, int]]) -> set[tuple[bytes, int]]:
    """Those of these photos (sha256, size) that an erased item held and that none holds now."""
    asked: Rows = [{"sha256": sha256, "size": size} for sha256, size in photos]
    rows = await connection.fetch(sql("erased_photos_among"), to_json(asked))
    return {(row["sha256"], row["size"]) for row in rows}


async def lock_marked_photo(connection: Connection, sha256: bytes, size: int) -> Row | None:
    """state, arriving (bytes may be on their way); None if its bytes are not marked to be removed."""
    await connection.execute(sql("lock_photo_wholly"), sha256, size)
    return await connection.fetchrow(sql("marked_photo"), sha256, size)


async def unmark_photo(connection: Connection, sha256: bytes, size: int) -> None:
    """Its bytes are needed again."""
    await connection.execute(sql("unmark_photo"), sha256, size)


async def note_photo_removed(connection: Connection, sha256: bytes, size: int) -> None:
    """Its bytes are gone for good; that they are not taken in again stays."""
    await connection.execute(sql("note_photo_removed"), sha256, size)


# Raw sets --------------------------------------------------------------------------------------------------


async def sets_about(connection: Connection, item_ids: Ids) -> list[Row]:
    """Raw sets known to be about these items: device_id, epoch, no, hash, sealed, wrapped, places, whole.

    `places`: of what the set holds of other items and stands nowhere else; `whole`: all of it does.
    """
    return await connection.fetch(sql("sets_about_items"), item_ids, [str(item_id) for item_id in item_ids])


async def sets_about_unknown(connection: Connection) -> AsyncGenerator[Row]:
    """Raw sets, as in `sets_about`, that have to be opened to know what all they are about."""
    async for row in connection.cursor(sql("sets_about_unknown")):
        yield row


async def forked_sets(connection: Connection) -> AsyncGenerator[Row]:
    """Sets whose number was used before, as in `sets_about`; each has to be opened."""
    async for row in connection.cursor(sql("forked_sets")):
        yield row


async def reseal_sets(connection: Connection, sets: Rows, forks: Rows) -> None:
    """New bytes and keys of sets, or none; rows of device_id, epoch, no, hash, sealed, wrapped."""
    await connection.execute(sql("reseal_sets"), to_json(sets))
    await connection.execute(sql("reseal_forks"), to_json(forks))


async def discard_quarantine(connection: Connection, item_ids: Ids, sets: Rows, forks: Rows) -> int:
    """Mark what was held of these items, and what was held in sets that were just closed; returns how much it was."""
    return len(await connection.fetch(sql("discard_quarantine"), item_ids, to_json(sets), to_json(forks)))


_BLANKED = (
    "blank_revisions",
    "blank_reviews",
    "blank_review_steps",
    "blank_cases",
    "blank_case_steps",
    "drop_search_terms",
    "drop_item_references",
)
