"""The people of somebody's area, with their devices."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from server.db import audit, directory
from server.db.directory import DeviceInUse, PeopleFilter, PersonRecord, Post
from server.errors import Problem
from server.masking import mask_phone
from server.services import Services
from server.usecases.paging import ListPlace, from_cursor, to_cursor
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.sight import sight_of


class PersonCard(Struct, frozen=True):
    """A person with what he does and his devices in use; `phone` is masked unless it was revealed."""

    id: UUID
    name: str
    phone: str
    posts: list[Post]
    devices: list[DeviceInUse]


class DirectoryPage(Struct, frozen=True):
    """A page of people by name; `next` is the cursor of the next one."""

    people: list[PersonCard]
    next: str | None


async def list_directory(
    services: Services, caller: Caller, wanted: PeopleFilter, cursor: str | None, limit: int
) -> DirectoryPage:
    """The people whom the caller may look up, with their devices. Raises Problem: forbidden, parameter_invalid."""
    sight, place = sight_of(services, caller), from_cursor(cursor, ListPlace)
    async with services.database.read() as connection:
        found = await directory.list_people(connection, sight, wanted, place and place.item_id, limit + 1)
    shown = [_card(services, one) for one in found[:limit]]
    return DirectoryPage(shown, to_cursor(ListPlace(shown[-1].id)) if len(found) > limit else None)


async def person_card(services: Services, caller: Caller, user_id: UUID) -> PersonCard:
    """One person whom the caller may look up. Raises Problem: forbidden, not_found."""
    return _card(services, await _find(services, caller, user_id))


async def revealed_card(services: Services, caller: Caller, user_id: UUID, reason: str | None) -> PersonCard:
    """The same with the whole telephone number; that it was asked for and why is on record before it is shown.

    Raises Problem: reason_needed, parameter_invalid, forbidden, not_found.
    """
    told = checked_reason(reason)
    found = await _find(services, caller, user_id)
    await services.database.write(
        lambda tx: audit.record(
            tx.connection, caller.user_id, "user.revealed", "user", str(user_id), told, request_id=caller.request_id
        )
    )
    return _card(services, found, revealed=True)


async def _find(services: Services, caller: Caller, user_id: UUID) -> PersonRecord:
    sight = sight_of(services, caller)
    async with services.database.read() as connection:
        found = await directory.list_people(connection, sight, PeopleFilter(user_id=user_id), None, 1)
    if not found:
        raise Problem("not_found")
    return found[0]


def _card(services: Services, one: PersonRecord, *, revealed: bool = False) -> PersonCard:
    phone = services.keyring.unseal_for("phone", one.phone_sealed)
    return PersonCard(one.id, one.name, phone if revealed else mask_phone(phone), one.posts, one.devices)
