"""The checks that jobs run on photos: whether the bytes that came are the photo, and what it says about its claim.

A check may run twice, at the same time too, or be killed anywhere. What it writes to the object store is named by its
content, which it has just verified, and the state is decided under the photo's lock. The verified bytes are written
anew, never copied inside the store: an address to PUT to may still be valid, and what comes by it later must not
change what is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog

from schemas.wire import Capture
from server.db import evidence
from server.db.database import Row, Transaction
from server.metrics import EVIDENCE
from server.sealing import Keyring, unseal_values
from server.services import Services
from server.storage.objects import ObjectMissing, ObjectTooLarge, StoreUnavailable
from server.storage.photos import MAX_BYTES, Identity, Photo, PhotoRefused, examine
from server.usecases.evidence import (
    VERIFY_PHOTO,
    Change,
    let_items_follow,
    move_photos,
    photo_key,
    thumbnail_key,
)
from sync.coordinates import LonLat, to_wgs84
from sync.evidence import Claim, State, compare_claim, state_after_refusal

log = structlog.get_logger()

_BATCH = 200
# More than there ever are: the pieces of photos that are on their way are old too, and must not hide the others.
_MOST_INCOMING = 100_000
_PLACE = "photo place"
ABANDONED_AFTER = timedelta(hours=25)
"""Longer than any address to PUT to is valid."""


async def check_upload(services: Services, upload_id: UUID) -> None:
    """Check what came by one upload, if it is due, and settle the state of its photo.

    Raises StoreUnavailable and database errors for what a later check may cure; the upload then stays as it is.
    """
    upload = await services.database.write(lambda tx: evidence.begin_check(tx.connection, upload_id))
    if upload is None:
        return
    # What a review or case moves on to depends on the grids as they are now.
    await services.registry_holder.refresh()
    try:
        photo = await _examine(services, upload)
    except ObjectMissing:
        closed = await services.database.write(partial(_give_up, services=services, upload=upload))
    except PhotoRefused as refusal:
        closed = await services.database.write(partial(_refuse, services=services, upload=upload, code=refusal.code))
    else:
        closed = await services.database.write(partial(_verify, services=services, upload=upload, photo=photo))
        await compare_claims(services)
    await discard(services, closed)


async def find_work(services: Services) -> int:
    """Ask for a check of every upload that should have had one, and compare what was linked late.

    Returns how many checks were asked for.
    """
    async with services.database.read() as connection:
        due = await evidence.due_uploads(connection, _BATCH)
    await services.jobs.enqueue(VERIFY_PHOTO, [str(upload_id) for upload_id in due])
    await compare_claims(services)
    return len(due)


async def compare_claims(services: Services) -> None:
    """Hold the camera's time and place of verified photos against the items that claim them."""
    await services.database.write(partial(_compare, keyring=services.keyring))


async def discard_abandoned(services: Services, after: timedelta = ABANDONED_AFTER) -> int:
    """Remove incoming objects of this age that no upload needs any more; returns how many."""
    moment = datetime.now(UTC) - after
    found = [entry.key for entry in await services.objects.older_than("incoming/", moment, _MOST_INCOMING)]
    async with services.database.read() as connection:
        live = await evidence.live_uploads(connection, found)
    abandoned = [key for key in found if key not in live]
    await discard(services, abandoned)
    return len(abandoned)


async def _examine(services: Services, upload: Row) -> Photo:
    """Read and decode the bytes, and lay photo and thumbnail where they are served from."""
    sha256, size = upload["sha256"], upload["size"]
    try:
        data = await _read(services, upload)
    except ObjectTooLarge:
        raise PhotoRefused("photo_size_differs") from None
    photo = await asyncio.to_thread(examine, data, Identity(sha256, size))
    await services.objects.write(photo_key(sha256, size), data, photo.media_type)
    await services.objects.write(thumbnail_key(sha256, size), photo.thumbnail, "image/jpeg")
    return photo


async def _read(services: Services, upload: Row) -> bytes:
    """What came: whole, by a PUT, or in the pieces of its appends. Raises ObjectMissing, ObjectTooLarge."""
    most = min(upload["size"], MAX_BYTES)
    if upload["received"] < upload["size"]:
        return await services.objects.read(upload["object_key"], most)
    return b"".join([await services.objects.read(key, most) for key in evidence.piece_keys(upload)])


async def _verify(tx: Transaction, services: Services, upload: Row, photo: Photo) -> Sequence[str]:
    """Settle the photo for good and close every way in: none is given or used again after this."""
    before = await _lock(tx, upload)
    if before == "verified" or not await evidence.upload_lives(tx.connection, upload["id"]):
        # Closed while its bytes were read: the last item that held the photo was erased, and its bytes are to go.
        return ()
    sha256, size = upload["sha256"], upload["size"]
    await evidence.set_photo_verified(
        tx.connection,
        sha256,
        size,
        media_type=photo.media_type,
        width=photo.width,
        height=photo.height,
        taken_at=photo.taken_at,
        place=_sealed_place(services.keyring, photo.place),
    )
    EVIDENCE.labels("verified").inc()
    await let_items_follow(tx, services, [{"sha256": sha256, "size": size}])
    return await evidence.end_uploads_of_photo(tx.connection, sha256, size, upload["id"])


async def _refuse(tx: Transaction, services: Services, upload: Row, code: str) -> Sequence[str]:
    """Close one upload; the photo is refused unless the bytes of another have arrived."""
    before = await _lock(tx, upload)
    closed = await evidence.end_upload(tx.connection, upload["id"])
    if not closed:
        return ()
    others = await evidence.states_of_uploads(tx.connection, upload["sha256"], upload["size"])
    await _move(tx, services, upload, before, state_after_refusal(others), code)
    log.info("photo_refused", upload=str(upload["id"]), code=code)
    return closed


async def _give_up(tx: Transaction, services: Services, upload: Row) -> Sequence[str]:
    """Nothing came before the address expired, or what had come is gone: the bytes are asked for again."""
    if upload["state"] == "stored":
        return await _refuse(tx, services, upload, "upload_missing")
    before = await _lock(tx, upload)
    lapsed = await evidence.lapse_upload(tx.connection, upload["id"])
    if lapsed:
        await ask_again(tx, services, upload, before)
    return lapsed


async def ask_again(tx: Transaction, services: Services, upload: Row, before: State) -> None:
    """An upload of a locked photo ended without its bytes; where there is no other, they are asked for again."""
    others = await evidence.states_of_uploads(tx.connection, upload["sha256"], upload["size"])
    if before == "uploading" and not others:
        await _move(tx, services, upload, before, "declared", None)


async def _lock(tx: Transaction, upload: Row) -> State:
    photos = [{"sha256": upload["sha256"], "size": upload["size"]}]
    await evidence.lock_items_of_photos(tx.connection, photos)
    (row,) = await evidence.lock_photos(tx.connection, photos)
    return row["state"]


async def _move(
    tx: Transaction, services: Services, upload: Row, before: State, after: State, code: str | None
) -> None:
    change = Change(upload["sha256"], upload["size"], before, after, code if after == "refused" else None)
    await move_photos(tx, services, [change])


async def discard(services: Services, object_keys: Sequence[str]) -> None:
    """Remove incoming objects that nobody needs."""
    for key in object_keys:
        # An object that stays is found again as abandoned.
        with suppress(StoreUnavailable):
            await services.objects.delete(key)


async def _compare(tx: Transaction, keyring: Keyring) -> None:
    links = await evidence.lock_uncompared_links(tx.connection, _BATCH)
    await evidence.set_flags(tx.connection, [_flags(keyring, link) for link in links])


def _flags(keyring: Keyring, link: Row) -> dict[str, Any]:
    flags = compare_claim(link["taken_at"], opened_place(keyring, link["place"]), _claim(keyring, link))
    return {
        "item_id": link["item_id"],
        "sha256": link["sha256"],
        "size": link["size"],
        "role": link["role"],
        "flags": flags,
    }


def _claim(keyring: Keyring, link: Row) -> Claim:
    """When and where the revision that brought the photo was written; for a step of a case, only when."""
    owner = link["item_id"].bytes
    secret = keyring.open_key(owner, link["wrapped"])
    capture = unseal_values(secret, owner, link["sealed"]).get("capture")
    fix = msgspec.convert(capture, Capture).position if capture else None
    if fix is None:
        return Claim(link["claimed_at"])
    return Claim(link["claimed_at"], to_wgs84(fix.lon, fix.lat, fix.crs), fix.accuracy)


def _sealed_place(keyring: Keyring, place: LonLat | None) -> bytes | None:
    return keyring.seal_for(_PLACE, msgspec.json.encode(place).decode()) if place else None


def opened_place(keyring: Keyring, sealed: bytes | None) -> LonLat | None:
    """Where the camera says that a photo was taken, in WGS-84, as `_sealed_place` sealed it."""
    return msgspec.json.decode(keyring.unseal_for(_PLACE, sealed), type=LonLat) if sealed else None
