"""The devices of somebody's people: listing, revoking and replacing them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from schemas.accounts import NewCode
from server.db import audit, directory, people, sessions
from server.db.database import Transaction
from server.db.directives import DirectiveRecord, directives_of
from server.db.directory import DeviceFilter, DeviceRecord, Post, Sight
from server.db.sessions import DeviceRow
from server.errors import Problem
from server.masking import mask_phone
from server.services import Services
from server.usecases.enrolment import area_of, create_codes
from server.usecases.paging import ListPlace, from_cursor, to_cursor
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller, find_person
from server.usecases.sight import is_his_alone, sight_of
from sync.access import Assignment

DeviceState = Literal["enrolled", "revoked", "left"]


class DeviceView(Struct, frozen=True, kw_only=True):
    """A device with its holder, whose phone is masked.

    `unsent`: changes that the device itself last said it had not sent. `state`: `left` where the holder has left, whose
    device is treated as a revoked one is. `replaced_by`: the newest one enrolled in its place. `forked_from`: the one
    of whose backup it is a copy. `wipe`: whether it was asked to erase what it holds, and says that it has.
    """

    id: UUID
    holder: UUID
    holder_name: str
    phone: str
    posts: list[Post]
    name: str
    platform: str
    app: str
    enrolled_at: datetime
    last_exchange_at: datetime | None
    unsent: int
    state: DeviceState
    revoked_at: datetime | None
    revoked_by: UUID | None
    revoked_by_name: str | None
    replaces: UUID | None
    replaced_by: UUID | None
    forked_from: UUID | None
    wipe: Literal["asked", "done"] | None


class DevicesPage(Struct, frozen=True):
    """A page of devices by the names of their holders; `next` is the cursor of the next one."""

    devices: list[DeviceView]
    next: str | None


class DeviceDetail(Struct, frozen=True):
    """A device, what the caller may do about it now, and what it was ever asked to do, the newest first."""

    device: DeviceView
    may_revoke: bool
    may_replace: bool
    directives: list[DirectiveRecord]


class DevicesWish(Struct, frozen=True, kw_only=True):
    """Which devices to list. `holder`: login phone or user id; `place`: how a grid's or division's code begins."""

    holder: str | None = None
    place: str | None = None
    revoked: bool | None = None
    silent_days: int | None = None
    unsent: bool = False


class Locked(NamedTuple):
    """A locked device and what its holder does now."""

    device: DeviceRow
    held: tuple[Assignment, ...]


async def list_devices(
    services: Services, caller: Caller, wish: DevicesWish, cursor: str | None, limit: int
) -> DevicesPage:
    """The devices of people whom the caller may look up. Raises Problem: forbidden, not_found, parameter_invalid."""
    sight, place = sight_of(services, caller), from_cursor(cursor, ListPlace)
    wanted = DeviceFilter(
        user_id=await _holder_id(services, wish.holder),
        place=wish.place,
        revoked=wish.revoked,
        silent_for=timedelta(days=wish.silent_days) if wish.silent_days else None,
        unsent=wish.unsent,
    )
    async with services.database.read() as connection:
        found = await directory.list_devices(connection, sight, wanted, place and place.item_id, limit + 1)
    devices = [_view(services, one) for one in found[:limit]]
    return DevicesPage(devices, to_cursor(ListPlace(devices[-1].id)) if len(found) > limit else None)


async def _holder_id(services: Services, holder: str | None) -> UUID | None:
    """Also the id of somebody who has left: his devices may still be about. Raises Problem: not_found."""
    if holder is None:
        return None
    try:
        return UUID(holder)
    except ValueError:
        async with services.database.read() as connection:
            person = await find_person(connection, services.keyring, holder)
    if person is None:
        raise Problem("not_found", field="user")
    return person.id


async def find_device(services: Services, caller: Caller, ids: tuple[UUID, UUID]) -> UUID:
    """The one device in sight with an id in this range.

    Raises Problem: forbidden, not_found, or parameter_invalid for several.
    """
    sight = sight_of(services, caller)
    async with services.database.read() as connection:
        found = await directory.list_devices(connection, sight, DeviceFilter(ids=ids), None, 2)
    if not found:
        raise Problem("not_found")
    if len(found) > 1:
        raise Problem(
            "parameter_invalid",
            detail_zh="有多台设备以此开头,请多写几位编号。",
            detail_en="Several devices begin so; write more digits of the id.",
        )
    return found[0].id


async def show_device(services: Services, caller: Caller, device_id: UUID) -> DeviceDetail:
    """One device of somebody whom the caller may look up. Raises Problem: forbidden, not_found."""
    sight = sight_of(services, caller)
    async with services.database.read() as connection:
        found = await directory.list_devices(connection, sight, DeviceFilter(ids=(device_id, device_id)), None, 1)
        person = await people.find_person(connection, user_id=found[0].holder) if found else None
        asked = await directives_of(connection, device_id)
    if not found:
        raise Problem("not_found")
    view, held = _view(services, found[0]), person.assignments if person else ()
    return DeviceDetail(
        view,
        may_revoke=view.revoked_at is None and is_his_alone(sight, held),
        may_replace=_may_enrol(caller, held),
        directives=asked,
    )


async def revoke_device(services: Services, caller: Caller, device_id: UUID, reason: str | None) -> DeviceDetail:
    """Revoke a device for good: it is shown nothing more, and what it still sends is kept in the quarantine.

    Raises Problem: reason_needed, parameter_invalid; not_found; forbidden where its holder works for others too;
    device_already_revoked.
    """
    sight, told = sight_of(services, caller), checked_reason(reason)

    async def work(tx: Transaction) -> None:
        locked = await lock_device_in_sight(tx, sight, device_id)
        if not is_his_alone(sight, locked.held):
            raise Problem("forbidden")
        if locked.device.revoked:
            raise Problem("device_already_revoked")
        await revoke(tx, caller, device_id, told)

    await services.database.write(work)
    return await show_device(services, caller, device_id)


async def replace_device(services: Services, caller: Caller, device_id: UUID, reason: str | None) -> NewCode:
    """Revoke a device and make a code for its holder; the device enrolled by it records which one it replaces.

    Codes made before for the same purpose end, so that one device is replaced by one. Raises Problem: reason_needed,
    parameter_invalid; forbidden for who enrols nobody, or not this holder; not_found.
    """
    sight, told = sight_of(services, caller), checked_reason(reason)
    life = timedelta(hours=services.settings.enrol_code_hours)

    async def work(tx: Transaction) -> NewCode:
        locked = await lock_device_in_sight(tx, sight, device_id)
        if not _may_enrol(caller, locked.held):
            raise Problem("forbidden")
        if not locked.device.revoked:
            await revoke(tx, caller, device_id, told)
        await sessions.withdraw_replacements(tx.connection, device_id)
        (code,) = await create_codes(
            tx,
            services.keyring,
            [locked.device.user_id],
            created_by=caller.user_id,
            life=life,
            reason=told,
            replaces=device_id,
            request_id=caller.request_id,
        )
        return code

    return await services.database.write(work)


async def lock_device_in_sight(tx: Transaction, sight: Sight, device_id: UUID) -> Locked:
    """Lock a device of somebody whom the caller may look up. Raises Problem: not_found."""
    if not await directory.list_devices(tx.connection, sight, DeviceFilter(ids=(device_id, device_id)), None, 1):
        raise Problem("not_found")
    device = await sessions.lock_device(tx.connection, device_id)
    assert device is not None
    person = await people.find_person(tx.connection, user_id=device.user_id)
    return Locked(device, person.assignments if person else ())


async def revoke(tx: Transaction, caller: Caller, device_id: UUID, reason: str) -> None:
    """Revoke a locked device."""
    await sessions.revoke_device(tx.connection, device_id, caller.user_id)
    await audit.record(
        tx.connection,
        caller.user_id,
        "device.revoked",
        "device",
        str(device_id),
        reason,
        request_id=caller.request_id,
    )


def _may_enrol(caller: Caller, held: tuple[Assignment, ...]) -> bool:
    try:
        return area_of(caller).holds(held)
    except Problem:
        return False


def _view(services: Services, one: DeviceRecord) -> DeviceView:
    state: DeviceState = "revoked" if one.revoked_at else "left" if one.left_at else "enrolled"
    return DeviceView(
        id=one.id,
        holder=one.holder,
        holder_name=one.holder_name,
        phone=mask_phone(services.keyring.unseal_for("phone", one.phone_sealed)),
        posts=one.posts,
        name=one.name,
        platform=one.platform,
        app=one.app,
        enrolled_at=one.enrolled_at,
        last_exchange_at=one.last_exchange_at,
        unsent=one.unsent,
        state=state,
        revoked_at=one.revoked_at,
        revoked_by=one.revoked_by,
        revoked_by_name=one.revoked_by_name,
        replaces=one.replaces,
        replaced_by=one.replaced_by,
        forked_from=one.forked_from,
        wipe=one.wipe,
    )
