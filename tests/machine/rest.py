"""Coming to rest: everybody has signal, every answer has arrived, all is sent and pulled."""

from __future__ import annotations

from server.usecases.witness import face_witness
from tests.machine.books import holds
from tests.machine.city import City
from tests.machine.handset import Handset
from tests.machine.hearing import hear, sync
from tests.machine.invariants import check
from tests.machine.remapping import fetch, settle_ground
from tests.machine.twins import leave_twin
from tests.machine.writing import renew_app

_PASSES = 12


async def come_to_rest(city: City) -> None:
    """Until nothing moves any more; then everything that must hold is looked up."""
    city.trail.append("rest")
    for phone in list(city.phones):
        _put_in_order(city, phone)
    await settle_ground(city)
    for _ in range(_PASSES):
        before = await _heads(city)
        for phone in list(city.phones):
            await _drain(city, phone)
        if await _heads(city) == before and all(is_drained(city, phone) for phone in city.phones):
            break
    else:
        left = [(one.number, one.device.unsent) for one in city.phones if not is_drained(city, one)]
        holds("I6", False, "the city comes to rest", left)
    for phone in city.phones:
        if city.scope(phone):
            await fetch(city, phone)
    cause = await face_witness(city.services.database, city.services.objects, city.services.keyring)
    holds("I12", cause is None, "a database that only grew begins no epoch", cause)
    await check(city)


def is_drained(city: City, phone: Handset) -> bool:
    """Whether all of it was sent; a copy of a revoked phone has nowhere to send it."""
    stranded = phone.device.forked and (city.is_revoked(phone) or phone.person.id in city.told.left)
    return stranded or phone.device.unsent == 0


def _put_in_order(city: City, phone: Handset) -> None:
    phone.online = True
    if phone.outdated:
        renew_app(city, phone)
    while phone.air and phone in city.phones:
        if hear(city, phone, phone.air.pop()).wiped:
            city.phones.remove(phone)


async def _drain(city: City, phone: Handset) -> None:
    if phone not in city.phones:
        return
    phone.seal(city.chance)
    await sync(city, phone)
    await leave_twin(city, phone)
    if phone in city.phones and not is_drained(city, phone):
        await sync(city, phone)
    phone.tampered = False


async def _heads(city: City) -> int:
    return await city.house.truth.fetchval("SELECT coalesce(sum(head), 0) FROM stream")
