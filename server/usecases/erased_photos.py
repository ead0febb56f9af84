"""Removes the bytes of photos that no item holds since one was erased.

What is to go is marked in the database, in the transaction of the erasing. The bytes are removed at once after it, and
once more by a sweep: a check of the photo that ran meanwhile may have written them anew, and a process may die in
between. The mark stays, so that a phone that has the photo still to send is not given a way in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg

from server.db import erasure
from server.db.database import Row, Transaction
from server.services import Services
from server.storage.objects import StoreUnavailable
from server.usecases.evidence import photo_key, thumbnail_key

SWEPT_AFTER = timedelta(minutes=10)
"""Longer than any check of a photo takes."""
_BATCH = 200


async def remove_now(services: Services, photos: Sequence[Row | dict[str, Any]], incoming: Sequence[str]) -> None:
    """Remove the bytes of photos that were just marked, and what came for them; what fails is the sweep's."""
    with suppress(StoreUnavailable, asyncpg.PostgresError, OSError):
        for photo in photos:
            await services.database.write(partial(_remove, services=services, photo=photo, for_good=False))
        for key in incoming:
            await services.objects.delete(key)


async def sweep(services: Services, after: timedelta = SWEPT_AFTER) -> int:
    """Remove what was marked so long ago, for good; returns how many photos were looked at.

    Raises StoreUnavailable where the object store does not answer: the next sweep looks again.
    """
    async with services.database.read() as connection:
        marked = await erasure.overdue_photos(connection, datetime.now(UTC) - after, _BATCH)
    for photo in marked:
        await services.database.write(partial(_remove, services=services, photo=photo, for_good=True))
    return len(marked)


async def _remove(tx: Transaction, services: Services, photo: Row, *, for_good: bool) -> None:
    """Under the photo's lock nobody can link it or send it, so that what is removed here is nobody's."""
    sha256, size = photo["sha256"], photo["size"]
    found = await erasure.lock_marked_photo(tx.connection, sha256, size)
    if found is None or found["arriving"]:
        return
    if found["state"] == "verified":
        # Another item brought it again, and its bytes were written anew for that one.
        await erasure.unmark_photo(tx.connection, sha256, size)
        return
    for key in (photo_key(sha256, size), thumbnail_key(sha256, size)):
        await services.objects.delete(key)
    if for_good:
        await erasure.note_photo_removed(tx.connection, sha256, size)
