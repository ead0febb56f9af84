"""After a restore: photos whose bytes lie in the object store although the restored database has never seen them.

The phone that took them may have let go of them long since. They are taken in as if they had just been sent, by the
author of an item that names them, and checked from their bytes like any other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from server.db import backups, epochs, evidence
from server.db.database import Row, Transaction
from server.services import Services
from server.storage.objects import ObjectMissing, ObjectTooLarge
from server.usecases.evidence import VERIFY_PHOTO, Change, move_photos, photo_key

_BATCH = 50


async def adopt_photos(services: Services) -> int:
    """Look for some of them; returns how many were found. In a database that never went back there are none.

    Raises StoreUnavailable where the object store does not answer.
    """
    async with services.database.read() as connection:
        known = await epochs.went_back(connection)
        wanted = await backups.photos_to_adopt(connection, _BATCH) if known else []
    return sum([await _adopt(services, photo) for photo in wanted])


async def _adopt(services: Services, photo: Row) -> bool:
    sha256, size = photo["sha256"], photo["size"]
    try:
        data = await services.objects.read(photo_key(sha256, size), size)
    except (ObjectMissing, ObjectTooLarge):
        return False
    upload_id = uuid4()
    upload: dict[str, Any] = {
        "id": upload_id,
        "sha256": sha256,
        "size": size,
        "user_id": photo["author_id"],
        "object_key": f"incoming/{upload_id}",
        "expires_at": datetime.now(UTC),
    }
    await services.objects.write(upload["object_key"], data, "application/octet-stream")
    return await services.database.write(partial(_take_in, services=services, upload=upload))


async def _take_in(tx: Transaction, services: Services, upload: dict[str, Any]) -> bool:
    photos = [{"sha256": upload["sha256"], "size": upload["size"]}]
    await evidence.lock_items_of_photos(tx.connection, photos)
    (row,) = await evidence.lock_photos(tx.connection, photos)
    if row["state"] != "declared":
        # Sent meanwhile; what was copied is found as abandoned.
        return False
    await evidence.insert_uploads(tx.connection, [upload])
    (stored,) = await evidence.store_uploads(tx.connection, [upload["id"]])
    await move_photos(tx, services, [Change(row["sha256"], row["size"], "declared", "stored")])
    tx.after_commit(lambda: services.jobs.enqueue(VERIFY_PHOTO, [str(stored["id"])]))
    return True
