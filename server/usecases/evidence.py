"""Photos between the phone and the object store: declaring them, taking in their bytes, reading them.

On a good network the bytes do not pass through this server: a phone PUTs them to an object that nobody reads until a
job has checked it (`photo_checks`), and reads them by a short-lived address. On a bad one the same way in is filled by
appends (`appending`). Locks are taken in the order items, photos, uploads, streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from schemas.evidence import DeclaredPhoto, PhotoAddress, PhotoRef, UploadedAnswer, UploadedPhoto, WayIn
from server.db import audit, erasure, evidence
from server.db.database import Row, Transaction
from server.errors import CATALOGUE, Problem
from server.metrics import EVIDENCE
from server.services import Services
from server.storage.objects import ObjectMissing, StoreUnavailable
from server.storage.photos import MAX_BYTES
from server.usecases.after_evidence import evidence_changed
from server.usecases.feeding import touch_items
from server.usecases.reading import readable
from server.usecases.sessions import Caller
from sync.evidence import State, is_hopeless, shown_state

VERIFY_PHOTO = "verify_photo"
"""The job that checks one upload; its key is the upload's id."""

_Key = tuple[bytes, int]


class Change(NamedTuple):
    """A photo's move from one state to another; `refusal` is the code for which it was refused."""

    sha256: bytes
    size: int
    before: State
    after: State
    refusal: str | None = None


async def declare(services: Services, caller: Caller, photos: Sequence[PhotoRef]) -> list[DeclaredPhoto]:
    """Tell how far each photo has come, and give a way in for those whose bytes are missing.

    The same request again gives the same way in, with a later end. A photo whose bytes somebody else has sent is not
    asked for; whether he sent what he said is found out by the check, and if not, the photo is shown as refused. Nor is
    one that was refused for what its bytes are.
    """
    possible = [photo for photo in photos if photo.size <= MAX_BYTES]
    granted = await services.database.write(partial(_grant, services=services, caller=caller, photos=possible))
    return [granted.get(_key(photo)) or _impossible(photo) for photo in photos]


async def _grant(
    tx: Transaction, services: Services, caller: Caller, photos: Sequence[PhotoRef]
) -> dict[_Key, DeclaredPhoto]:
    rows: list[dict[str, Any]] = [{"sha256": photo.sha256, "size": photo.size} for photo in photos]
    await evidence.declare_photos(tx.connection, rows)
    await evidence.lock_items_of_photos(tx.connection, rows)
    photos_now = {_key(row): row for row in await evidence.lock_photos(tx.connection, rows)}
    found: dict[_Key, State] = {key: row["state"] for key, row in photos_now.items()}
    lost = {key: row["refusal"] for key, row in photos_now.items() if is_hopeless(row["state"], row["refusal"])}
    lost |= dict.fromkeys(await erasure.erased_among_photos(tx.connection, list(found)), "item_erased")
    missing = [row for row in rows if found[_key(row)] not in ("stored", "verified") and _key(row) not in lost]
    ways = await _ways_in(tx, services, caller, missing)
    await move_photos(tx, services, [Change(*key, found[key], "uploading") for key in ways])
    declared = {
        key: DeclaredPhoto(key[0].hex(), key[1], "uploading" if key in ways else state, ways.get(key))
        for key, state in found.items()
    }
    return declared | {key: _refused(*key, code) for key, code in lost.items()}


async def _ways_in(
    tx: Transaction, services: Services, caller: Caller, photos: Sequence[dict[str, Any]]
) -> dict[_Key, WayIn]:
    """The caller's own open uploads of these photos, prolonged, and new ones for the rest."""
    life = timedelta(minutes=services.settings.upload_url_minutes)
    expires_at = datetime.now(UTC) + life
    own = await evidence.open_uploads_of_user(tx.connection, photos, caller.user_id)
    await evidence.prolong_uploads(tx.connection, [row["id"] for row in own], expires_at)
    known = {_key(row) for row in own}
    new = [_new_upload(caller, key, expires_at) for key in {_key(row) for row in photos} - known]
    await evidence.insert_uploads(tx.connection, new)
    return {
        _key(row): WayIn(row["id"], services.objects.presign_put(row["object_key"], life), expires_at)
        for row in [*own, *new]
    }


def _new_upload(caller: Caller, key: _Key, expires_at: datetime) -> dict[str, Any]:
    upload_id = uuid4()
    return {
        "id": upload_id,
        "sha256": key[0],
        "size": key[1],
        "user_id": caller.user_id,
        "device_id": caller.device_id,
        "object_key": f"incoming/{upload_id}",
        "expires_at": expires_at,
    }


async def take_in(services: Services, caller: Caller, upload_ids: Sequence[UUID]) -> UploadedAnswer:
    """Note that bytes were sent and have them checked; what has not arrived is said for that upload alone.

    Raises Problem `not_ready` if the object store does not answer.
    """
    async with services.database.read() as connection:
        uploads = await evidence.uploads_of_user(connection, upload_ids, caller.user_id)
    refused = await _missing(services, [row for row in uploads if row["state"] == "open"])
    arrived = [row for row in uploads if row["state"] == "open" and row["id"] not in refused]
    states = await services.database.write(partial(store, services=services, uploads=arrived)) if arrived else {}
    told = {row["id"]: _uploaded(row, states, refused.get(row["id"])) for row in uploads}
    return UploadedAnswer(
        [told[upload_id] for upload_id in upload_ids if upload_id in told],
        [upload_id for upload_id in upload_ids if upload_id not in told],
    )


async def _missing(services: Services, uploads: Sequence[Row]) -> dict[UUID, str]:
    """Error codes of the uploads whose object is not there, or not of the declared size."""
    try:
        codes = await asyncio.gather(*(_arrival_code(services, row) for row in uploads))
    except StoreUnavailable as error:
        raise Problem("not_ready", retry_after=10) from error
    return {row["id"]: code for row, code in zip(uploads, codes, strict=True) if code is not None}


async def _arrival_code(services: Services, upload: Row) -> str | None:
    try:
        size = await services.objects.stat(upload["object_key"])
    except ObjectMissing:
        return "upload_missing"
    return None if size == upload["size"] else "photo_size_differs"


async def store(tx: Transaction, services: Services, uploads: Sequence[Row]) -> dict[_Key, State]:
    """The bytes of these uploads (id, sha256, size) have arrived: have those checked that were open still.

    Returns the states of their photos.
    """
    rows = [{"sha256": row["sha256"], "size": row["size"]} for row in uploads]
    await evidence.lock_items_of_photos(tx.connection, rows)
    found: dict[_Key, State] = {_key(row): row["state"] for row in await evidence.lock_photos(tx.connection, rows)}
    stored = await evidence.store_uploads(tx.connection, [row["id"] for row in uploads])
    changes = [Change(*key, found[key], "stored") for key in map(_key, stored)]
    await move_photos(tx, services, changes)
    ids = [str(row["id"]) for row in stored]
    tx.after_commit(lambda: services.jobs.enqueue(VERIFY_PHOTO, ids))
    found.update({(change.sha256, change.size): change.after for change in changes})
    return found


async def move_photos(tx: Transaction, services: Services, changes: Sequence[Change]) -> None:
    """Set the states of locked photos, and let the items that hold them follow where a reader sees a difference."""
    moved = [change for change in changes if change.before != change.after]
    await evidence.set_photo_states(tx.connection, [_state_row(change) for change in moved])
    for change in moved:
        EVIDENCE.labels(change.after).inc()
    seen = [change for change in moved if shown_state(change.before) != shown_state(change.after)]
    if seen:
        await let_items_follow(tx, services, [_state_row(change) for change in seen])


async def let_items_follow(tx: Transaction, services: Services, photos: Sequence[dict[str, Any]]) -> None:
    """Move on the reviews and cases that waited for these photos, and the entries of the items that hold them."""
    items = await evidence.items_of_photos(tx.connection, photos)
    if items:
        closed = await evidence_changed(tx, services, items)
        await touch_items(tx, items, closed)


def _state_row(change: Change) -> dict[str, Any]:
    return {
        "sha256": change.sha256,
        "size": change.size,
        "state": change.after,
        "refusal": change.refusal,
    }


async def read_address(services: Services, caller: Caller, photo: PhotoRef, *, thumbnail: bool = False) -> PhotoAddress:
    """A short-lived address of a verified photo, for who may read an item that holds it, and an audit row.

    Before any item holds it, whoever sent its bytes may read it. Raises Problem `evidence_unknown`, also where the
    caller may not know that there is such a photo, and `evidence_not_verified`.
    """
    return await services.database.write(
        partial(_read_address, services=services, caller=caller, photo=photo, thumbnail=thumbnail)
    )


async def _read_address(
    tx: Transaction, services: Services, caller: Caller, photo: PhotoRef, thumbnail: bool
) -> PhotoAddress:
    sha256, size = _key(photo)
    items = await evidence.items_of_photos(tx.connection, [{"sha256": sha256, "size": size}])
    read_by = await readable(tx.connection, services, caller, items)
    own = not items and await evidence.has_proved(tx.connection, sha256, size, caller.user_id)
    found = await evidence.find_photo(tx.connection, sha256, size)
    if found is None or not (read_by or own):
        raise Problem("evidence_unknown")
    if found["state"] != "verified":
        raise Problem("evidence_not_verified")
    (address,) = await sign_addresses(tx, services, caller, [found], sorted(read_by), thumbnails=thumbnail)
    return address


async def sign_addresses(
    tx: Transaction,
    services: Services,
    caller: Caller,
    photos: Sequence[Row],
    items: Sequence[UUID],
    *,
    thumbnails: bool,
) -> list[PhotoAddress]:
    """Addresses of verified photos (rows of sha256, size, media_type) that the caller reads by way of `items`.

    Whoever calls has decided that he may. The audit rows are part of the transaction: no address without them.
    """
    life = timedelta(minutes=services.settings.read_url_minutes)
    expires_at = datetime.now(UTC) + life
    detail = {"items": [str(item) for item in items], "thumbnail": thumbnails}
    await audit.record_all(tx.connection, [_reading(caller, photo, detail) for photo in photos])
    return [_signed(services, photo, life, expires_at, thumbnails) for photo in photos]


def _reading(caller: Caller, photo: Row, detail: dict[str, Any]) -> audit.Act:
    return audit.Act(
        actor_id=caller.user_id,
        action="evidence.read",
        subject_kind="photo",
        subject_id=photo_name(photo["sha256"], photo["size"]),
        detail=detail,
        request_id=caller.request_id,
    )


def _signed(services: Services, photo: Row, life: timedelta, expires_at: datetime, thumbnail: bool) -> PhotoAddress:
    key = thumbnail_key if thumbnail else photo_key
    media_type = "image/jpeg" if thumbnail else photo["media_type"]
    url = services.objects.presign_get(key(photo["sha256"], photo["size"]), life, media_type)
    return PhotoAddress(url, expires_at, media_type)


def photo_name(sha256: bytes, size: int) -> str:
    """A photo's identity as one text."""
    return f"{sha256.hex()}-{size}"


def photo_key(sha256: bytes, size: int) -> str:
    """Where the bytes of a verified photo lie; only this server writes there."""
    return f"evidence/{photo_name(sha256, size)}"


def thumbnail_key(sha256: bytes, size: int) -> str:
    """Where its thumbnail lies."""
    return f"thumbnails/{photo_name(sha256, size)}.jpg"


def _uploaded(upload: Row, states: dict[_Key, State], code: str | None) -> UploadedPhoto:
    state: State = states.get(_key(upload)) or upload["photo_state"]
    code = code or (upload["refusal"] if state == "refused" else None)
    return UploadedPhoto(upload["id"], upload["sha256"].hex(), upload["size"], state, code, *_words(code))


def _impossible(photo: PhotoRef) -> DeclaredPhoto:
    return _refused(*_key(photo), "photo_too_large")


def _refused(sha256: bytes, size: int, code: str) -> DeclaredPhoto:
    return DeclaredPhoto(sha256.hex(), size, "refused", None, code, *_words(code))


def _words(code: str | None) -> tuple[str | None, str | None]:
    return (CATALOGUE[code].zh, CATALOGUE[code].en) if code else (None, None)


def _key(photo: PhotoRef | Row) -> _Key:
    if isinstance(photo, PhotoRef):
        return bytes.fromhex(photo.sha256), photo.size
    sha256 = photo["sha256"]
    return bytes.fromhex(sha256) if isinstance(sha256, str) else sha256, photo["size"]
