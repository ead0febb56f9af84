"""Photos that somebody has looked at again: bytes that arrived and wait for their check, and those that passed it.

    find the photos in sight -> note who asked and why -> check each; one that fails holds up no other one

What waits is checked as the job does it. What is verified stays verified whatever is found: I8 speaks of the bytes that
were read then. That they are no longer there is for the operator, who has a backup of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal
from uuid import UUID

from msgspec import Struct

from server.db import audit, evidence_reading
from server.db.audit import Act
from server.db.database import Row, Transaction
from server.db.evidence_reading import PhotoFilter
from server.services import Services
from server.storage.objects import ObjectMissing, ObjectTooLarge, StoreUnavailable
from server.usecases.evidence import photo_key, photo_name
from server.usecases.photo_checks import check_upload
from server.usecases.photo_views import ties_of_one
from server.usecases.reading import grants_of
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller

Looked = Literal["stored", "verified"]
Found = Literal["would_check", "verified", "refused", "waiting", "intact", "missing", "differs", "unavailable"]

MOST_AT_ONCE = 500
FAILED: frozenset[Found] = frozenset({"refused", "missing", "differs", "unavailable"})

_Key = tuple[bytes, int]


class RecheckOrder(Struct, frozen=True, kw_only=True):
    """Which photos of a state to look at, and why; `one`: a range in which there must be a single photo."""

    state: Looked
    why: str
    one: tuple[bytes, bytes] | None = None
    items: tuple[UUID, UUID] | None = None
    division: str | None = None
    dry_run: bool = False


class Rechecked(Struct, frozen=True, kw_only=True):
    """What was found of a photo. `waiting`: it could not be decided now, and the job tries on; `refusal`: its code."""

    sha256: str
    size: int
    found: Found
    refusal: str | None = None


class Recheck(Struct, frozen=True, kw_only=True):
    """What was looked at. `more`: there are further photos, for another time."""

    dry_run: bool
    photos: list[Rechecked]
    more: bool


async def recheck(services: Services, caller: Caller, order: RecheckOrder) -> Recheck:
    """Look at photos of items that the caller may read once more; a dry run only names them.

    Raises Problem: reason_needed; evidence_unknown or parameter_invalid where one photo was meant.
    """
    told = checked_reason(order.why)
    asked, more = await _meant(services, caller, order)
    if order.dry_run:
        found = [_told(key, "would_check") for key in asked]
    elif order.state == "verified":
        await services.database.write(lambda tx: audit.record_all(tx.connection, _acts(caller, asked, told, order)))
        found = [_told(key, await _compare(services, key)) for key in asked]
    else:
        found = await _check_now(services, caller, asked, told, order)
    return Recheck(dry_run=order.dry_run, photos=found, more=more)


async def _meant(services: Services, caller: Caller, order: RecheckOrder) -> tuple[list[_Key], bool]:
    """The photos that are meant, and whether there are more of them."""
    narrowed = PhotoFilter(states=(order.state,), photos=order.one, items=order.items, division=order.division)
    async with services.database.read() as connection:
        if order.one is not None:
            rows: Sequence[Row] = await ties_of_one(connection, services, caller, narrowed)
        else:
            grants = grants_of(services, caller)
            rows = await evidence_reading.list_photos(connection, grants, narrowed, None, MOST_AT_ONCE + 1)
    keys = dict.fromkeys((row["sha256"], row["size"]) for row in rows[:MOST_AT_ONCE])
    return list(keys), len(rows) > MOST_AT_ONCE


async def _check_now(
    services: Services, caller: Caller, keys: Sequence[_Key], told: str, order: RecheckOrder
) -> list[Rechecked]:
    async def work(tx: Transaction) -> list[Row]:
        await audit.record_all(tx.connection, _acts(caller, keys, told, order))
        return await evidence_reading.make_uploads_due(tx.connection, keys)

    due = await services.database.write(work) if keys else []
    unavailable: set[_Key] = set()
    for row in due:
        try:
            await check_upload(services, row["id"])
        except StoreUnavailable:
            unavailable.add((row["sha256"], row["size"]))
    return [await _after(services, key, key in unavailable) for key in keys]


async def _after(services: Services, key: _Key, unavailable: bool) -> Rechecked:
    async with services.database.read() as connection:
        row = await evidence_reading.photo_in_full(connection, *key)
    if row["state"] in ("verified", "refused"):
        return _told(key, row["state"], row["refusal"])
    return _told(key, "unavailable" if unavailable else "waiting")


async def _compare(services: Services, key: _Key) -> Found:
    """Whether the store still holds the bytes that were verified."""
    try:
        data = await services.objects.read(photo_key(*key), key[1])
    except ObjectMissing:
        return "missing"
    except ObjectTooLarge:
        return "differs"
    except StoreUnavailable:
        return "unavailable"
    return "intact" if (sha256(data).digest(), len(data)) == key else "differs"


def _acts(caller: Caller, keys: Sequence[_Key], told: str, order: RecheckOrder) -> list[Act]:
    return [
        Act(
            actor_id=caller.user_id,
            action="evidence.check",
            subject_kind="photo",
            subject_id=photo_name(*key),
            reason=told,
            detail={"state": order.state},
            request_id=caller.request_id,
        )
        for key in keys
    ]


def _told(key: _Key, found: Found, refusal: str | None = None) -> Rechecked:
    return Rechecked(sha256=key[0].hex(), size=key[1], found=found, refusal=refusal)
