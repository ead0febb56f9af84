"""Uploads that are resumed: the resources of tus 1.0.0 (https://tus.io/protocols/resumable-upload, 2016-03-25).

A tus resource is an ordinary way in (`evidence.declare`) for one photo of one user; its bytes may come by appends to
any server process (`appending`) as well as by one PUT to the store. Where the photo is here already, whoever brought
it, the resource says that all bytes have come, and nothing more is sent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID, uuid4

from schemas.evidence import PhotoRef
from server.db import evidence, uploads
from server.db.database import Row, Transaction
from server.errors import Problem
from server.services import Services
from server.storage.photos import MAX_BYTES
from server.usecases.evidence import declare
from server.usecases.photo_checks import ask_again, discard
from server.usecases.sessions import Caller
from sync.evidence import is_hopeless


class Progress(NamedTuple):
    """`received` of `size` bytes have come; the rest may come until `expires_at`, None where nothing is missing."""

    id: UUID
    sha256: bytes
    size: int
    received: int
    expires_at: datetime | None


async def create(services: Services, caller: Caller, photo: PhotoRef) -> Progress:
    """The caller's upload of this photo: the open one with what has come of it, else a new one.

    Raises Problem: upload_too_large, item_erased.
    """
    if photo.size > MAX_BYTES:
        raise Problem("upload_too_large")
    (declared,) = await declare(services, caller, [photo])
    if declared.code is not None:
        raise Problem(declared.code)
    way = declared.upload and declared.upload.id
    upload = await services.database.write(partial(_open, services=services, caller=caller, photo=photo, way=way))
    return progress_of(upload)


async def look(services: Services, caller: Caller, upload_id: UUID) -> Progress:
    """How far the caller's upload has come. Raises Problem: not_found, upload_ended."""
    return progress_of(await own(services, caller, upload_id))


async def terminate(services: Services, caller: Caller, upload_id: UUID) -> None:
    """Give up an upload that is not complete; what came of it is removed.

    Raises Problem: not_found, upload_ended; upload_complete where the photo has arrived: evidence is not taken back.
    """
    upload = await own(services, caller, upload_id)
    ended = await services.database.write(partial(_terminate, services=services, upload=upload))
    if not ended:
        progress_of(await own(services, caller, upload_id))
        raise Problem("upload_complete")
    await discard(services, ended)


async def own(services: Services, caller: Caller, upload_id: UUID) -> Row:
    """The row of the caller's upload. Raises Problem `not_found`, for another's as for one that there is not."""
    async with services.database.single() as connection:
        upload = await uploads.own_upload(connection, upload_id, caller.user_id)
    if upload is None:
        raise Problem("not_found")
    return upload


def progress_of(upload: Row) -> Progress:
    """What an upload's row says.

    Raises Problem: upload_ended if it takes nothing and its photo is not here; the code of the refusal where the photo
    can never be taken.
    """
    id, sha256, size = upload["id"], upload["sha256"], upload["size"]
    if upload["photo_state"] in ("stored", "verified"):
        return Progress(id, sha256, size, size, None)
    if is_hopeless(upload["photo_state"], upload["refusal"]):
        raise Problem(upload["refusal"])
    if upload["state"] != "open" or upload["expired"]:
        raise Problem("upload_ended")
    return Progress(id, sha256, size, upload["received"], upload["expires_at"])


def resumable_until(services: Services) -> datetime:
    """Until when an upload may be resumed to which something came now."""
    return datetime.now(UTC) + timedelta(hours=services.settings.upload_resume_hours)


async def _open(tx: Transaction, services: Services, caller: Caller, photo: PhotoRef, way: UUID | None) -> Row:
    sha256, size = bytes.fromhex(photo.sha256), photo.size
    upload_id = way or await uploads.own_upload_of_photo(tx.connection, sha256, size, caller.user_id) or uuid4()
    await uploads.keep_upload_open(tx.connection, upload_id, resumable_until(services))
    upload = await uploads.own_upload(tx.connection, upload_id, caller.user_id)
    if upload is None:
        key = f"incoming/{upload_id}"
        named = (upload_id, sha256, size, caller.user_id, caller.device_id, key)
        await uploads.insert_needless_upload(tx.connection, *named)
        upload = await uploads.own_upload(tx.connection, upload_id, caller.user_id)
    assert upload is not None
    return upload


async def _terminate(tx: Transaction, services: Services, upload: Row) -> list[str]:
    photos = [{"sha256": upload["sha256"], "size": upload["size"]}]
    await evidence.lock_items_of_photos(tx.connection, photos)
    (photo,) = await evidence.lock_photos(tx.connection, photos)
    ended = await uploads.end_open_upload(tx.connection, upload["id"])
    if ended:
        await ask_again(tx, services, upload, photo["state"])
    return ended
