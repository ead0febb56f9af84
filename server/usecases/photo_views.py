"""Photos as somebody looks for them who may read their items: a list, one photo, and the phones that still owe some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from server.db import audit, evidence_reading
from server.db.database import Connection, Row
from server.db.evidence_reading import PhotoFilter
from server.errors import Problem
from server.masking import HIDDEN, mask_phone
from server.services import Services
from server.usecases.evidence import photo_name
from server.usecases.paging import from_cursor, to_cursor
from server.usecases.photo_checks import opened_place
from server.usecases.reading import grants_of
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.sight import sight_of


class PhotoPlace(NamedTuple):
    """A place in a list of photos: the longest known first."""

    linked_at: datetime
    item_id: UUID
    sha256: bytes
    role: str


class PhonePlace(NamedTuple):
    """A place in a list of phones: the longest in debt first."""

    since: datetime
    device_id: UUID


class PhotoLine(Struct, frozen=True, kw_only=True):
    """A photo as one item holds it. `linked_at`: since when. `waits`: approval or closing, if that waits for it.

    `flags` is null until its time and place were compared with the item's claim; `author_name` and `device` are those
    of the revision that named it, null for a step of the case.
    """

    sha256: str
    size: int
    role: str
    state: str
    refusal: str | None
    flags: list[str] | None
    item: UUID
    type: str
    code: str | None
    author_name: str | None
    device: UUID | None
    linked_at: datetime
    waits: str | None


class PhotosPage(Struct, frozen=True):
    """A page of photos; `next` is the cursor of the next one."""

    photos: list[PhotoLine]
    next: str | None


class WayInView(Struct, frozen=True):
    """An upload that is not done: `checks` were tried, the next is due at `check_after`.

    `received`: bytes that came by appends, 0 where the phone PUTs the photo whole.
    """

    state: str
    checks: int
    check_after: datetime
    created_at: datetime
    expires_at: datetime
    received: int


class PhotoDetail(Struct, frozen=True, kw_only=True):
    """One photo: what its bytes told, the items that the reader may see, and how its bytes are coming.

    `place`: where the camera says that it was taken, longitude and latitude in WGS-84, or masked.
    """

    sha256: str
    size: int
    state: str
    refusal: str | None
    media_type: str | None
    width: int | None
    height: int | None
    taken_at: datetime | None
    place: tuple[float, float] | str | None
    declared_at: datetime
    verified_at: datetime | None
    items: list[PhotoLine]
    uploads: list[WayInView]


class OwingPhone(Struct, frozen=True, kw_only=True):
    """A phone and how many photos that it named are not here; the holder's number is masked.

    `refused`: of these, whose bytes came and were not the photo. `items`: how many items wait. `unsent`: changes that
    it last said it had not sent.
    """

    device: UUID
    name: str
    holder: UUID
    holder_name: str
    phone: str
    photos: int
    refused: int
    items: int
    since: datetime
    last_exchange_at: datetime | None
    unsent: int
    revoked: bool
    left: bool


class OwingPage(Struct, frozen=True):
    """A page of phones; `next` is the cursor of the next one."""

    phones: list[OwingPhone]
    next: str | None


async def list_photos(
    services: Services, caller: Caller, narrowed: PhotoFilter, cursor: str | None, limit: int
) -> PhotosPage:
    """A page of the photos of items that the caller may read, the longest known first.

    Raises Problem `parameter_invalid` for a wrong cursor.
    """
    place = from_cursor(cursor, PhotoPlace)
    async with services.database.read() as connection:
        rows = await evidence_reading.list_photos(connection, grants_of(services, caller), narrowed, place, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    return PhotosPage([_line(row) for row in rows[:limit]], to_cursor(_place(last)) if last else None)


def _place(row: Row) -> PhotoPlace:
    return PhotoPlace(row["linked_at"], row["item_id"], row["sha256"], row["role"])


def _line(row: Row) -> PhotoLine:
    return PhotoLine(
        sha256=row["sha256"].hex(),
        size=row["size"],
        role=row["role"],
        state=row["state"],
        refusal=row["refusal"],
        flags=row["flags"],
        item=row["item_id"],
        type=row["type"],
        code=row["code"],
        author_name=row["author_name"],
        device=row["device_id"],
        linked_at=row["linked_at"],
        waits=row["waits"],
    )


async def show_photo(services: Services, caller: Caller, photos: tuple[bytes, bytes]) -> PhotoDetail:
    """The one photo with a SHA-256 in this range that an item holds which the caller may read, its place masked.

    Raises Problem: evidence_unknown, or parameter_invalid for several.
    """
    detail, place = await _detail(services, caller, photos)
    return _with_place(detail, HIDDEN if place else None)


async def reveal_photo(services: Services, caller: Caller, photos: tuple[bytes, bytes], reason: str) -> PhotoDetail:
    """The same with its place; that it was asked for and why is on record before it is shown.

    Raises Problem as `show_photo` does, and reason_needed.
    """
    told = checked_reason(reason)
    detail, sealed = await _detail(services, caller, photos)
    name = photo_name(bytes.fromhex(detail.sha256), detail.size)
    shown = {"items": sorted({str(one.item) for one in detail.items})}
    await services.database.write(
        lambda tx: audit.record(
            tx.connection, caller.user_id, "evidence.reveal", "photo", name, told, shown, caller.request_id
        )
    )
    return _with_place(detail, opened_place(services.keyring, sealed))


async def _detail(services: Services, caller: Caller, photos: tuple[bytes, bytes]) -> tuple[PhotoDetail, bytes | None]:
    """A photo without its place, and that as it is sealed."""
    async with services.database.read() as connection:
        held = await ties_of_one(connection, services, caller, PhotoFilter(photos=photos))
        sha256, size = held[0]["sha256"], held[0]["size"]
        row = await evidence_reading.photo_in_full(connection, sha256, size)
        uploads = await evidence_reading.ways_in_of_photo(connection, sha256, size)
    detail = PhotoDetail(
        sha256=sha256.hex(),
        size=size,
        state=row["state"],
        refusal=row["refusal"],
        media_type=row["media_type"],
        width=row["width"],
        height=row["height"],
        taken_at=row["taken_at"],
        place=None,
        declared_at=row["declared_at"],
        verified_at=row["verified_at"],
        items=[_line(one) for one in held],
        uploads=[WayInView(*one.values()) for one in uploads],
    )
    return detail, row["place"]


def _with_place(detail: PhotoDetail, place: tuple[float, float] | str | None) -> PhotoDetail:
    return replace(detail, place=place)


_MOST_TIES = 200


async def ties_of_one(
    connection: Connection, services: Services, caller: Caller, narrowed: PhotoFilter
) -> Sequence[Row]:
    """The items that hold the one photo which is meant, as far as the caller may read them.

    Raises Problem: evidence_unknown, or parameter_invalid for several photos.
    """
    rows = await evidence_reading.list_photos(connection, grants_of(services, caller), narrowed, None, _MOST_TIES)
    if not rows:
        raise Problem("evidence_unknown")
    if len({(row["sha256"], row["size"]) for row in rows}) > 1:
        raise Problem(
            "parameter_invalid",
            detail_zh="有多张照片以此开头,请多写几位。",
            detail_en="Several photos begin so; write more digits.",
        )
    return rows


async def phones_owing(
    services: Services, caller: Caller, owed_before: datetime | None, cursor: str | None, limit: int
) -> OwingPage:
    """A page of phones whose photos are not here, of people whom the caller may look up; nothing of what they show.

    Raises Problem: forbidden, or parameter_invalid for a wrong cursor.
    """
    sight, place = sight_of(services, caller), from_cursor(cursor, PhonePlace)
    async with services.database.read() as connection:
        rows = await evidence_reading.phones_owing_photos(connection, sight, owed_before, place, limit + 1)
    last = rows[limit - 1] if len(rows) > limit else None
    following = to_cursor(PhonePlace(last["since"], last["device_id"])) if last else None
    return OwingPage([_phone(services, row) for row in rows[:limit]], following)


def _phone(services: Services, row: Row) -> OwingPhone:
    return OwingPhone(
        device=row["device_id"],
        name=row["name"],
        holder=row["holder"],
        holder_name=row["holder_name"],
        phone=mask_phone(services.keyring.unseal_for("phone", row["phone_sealed"])),
        photos=row["photos"],
        refused=row["refused"],
        items=row["items"],
        since=row["since"],
        last_exchange_at=row["last_exchange_at"],
        unsent=row["unsent"],
        revoked=row["revoked_at"] is not None,
        left=row["left_at"] is not None,
    )
