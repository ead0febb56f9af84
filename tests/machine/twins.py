"""Phones restored from a backup while the other copy goes on: each notices, and becomes a device of its own."""

from __future__ import annotations

from random import Random
from uuid import UUID

import httpx

from tests.machine.books import holds
from tests.machine.city import City
from tests.machine.handset import Handset
from tests.machine.hearing import come_back, exchange, sync
from tests.machine.rules import rule, tell, writers
from tests.machine.writing import create, home

_MOST_A_DAY = 5


@rule(0.9)
async def fork(city: City, chance: Random) -> bool:
    """The copy and the other go on; the next number of one of them is used."""
    able = [one for one in writers(city) if one.online and not one.device.forked and _may_fork(city, one)]
    if not able:
        return False
    phone = chance.choice(able)
    tell(city, phone.number)
    phone.seal(chance)
    twin = city.copy_phone(phone)
    first, second = chance.choice(((phone, twin), (twin, phone)))
    for one in (first, second):
        create(city, one, "0102", home(one, chance))
        one.seal(chance)
    await sync(city, first)
    await exchange(city, second)
    await leave_twin(city, second)
    return True


def _may_fork(city: City, phone: Handset) -> bool:
    """At most five a day for one person, and nobody of whom the restored database has yet to learn.

    Of two copies of such a phone the second cannot return by itself: somebody makes a code for it.
    """
    if phone.device.epoch != city.epoch:
        return False
    of_his = [one for one in city.phones if one.person.id == phone.person.id]
    is_his = phone.device_id not in city.told.revoked and phone.person.id not in city.told.left
    forks = city.forks.get(phone.person.id, 0)
    return is_his and len(of_his) < 4 and forks < _MOST_A_DAY and len({one.device_id for one in of_his}) == len(of_his)


async def leave_twin(city: City, phone: Handset) -> None:
    """A copy that has noticed becomes a device of its own; that of a revoked one stays what it is."""
    if not phone.device.forked or phone not in city.phones:
        return
    if phone.device_id in city.told.revoked or phone.person.id in city.told.left:
        return
    city.forks[phone.person.id] = city.forks.get(phone.person.id, 0) + 1
    install = f"installation-{phone.number}-{phone.device_id}"
    answer = (
        await _asked_by_set(city, phone, install) if phone.refused else await _asked_by_backup(city, phone, install)
    )
    holds("I5", answer.status_code == 200, "a copy becomes a device of its own, unattended", answer.text)
    made = answer.json()
    phone.become(UUID(made["device"]), made["ticket"], made["access"], install)
    city.acted("device.forked", phone.device_id, phone.person)
    phone.seal(city.chance)


async def _asked_by_set(city: City, phone: Handset, install: str) -> httpx.Response:
    no, hashed = phone.refused or (0, "")
    wish = {"install": install, "refused": {"no": no, "hash": hashed}}
    headers = {"Authorization": phone.headers["Authorization"]}
    return await city.house.client.post("/v1/enrol/fork", json=wish, headers=headers)


async def _asked_by_backup(city: City, phone: Handset, install: str) -> httpx.Response:
    """No number of its own was refused: the other copy has gone on, and refreshes its token in time."""
    old = city.refresh_token(phone)
    for other in city.phones:
        if other is not phone and other.device_id == phone.device_id:
            await come_back(city, other)
            await exchange(city, other)
    backup = {"ticket": phone.device.ticket, "install": phone.install, "refresh": old}
    return await city.house.client.post("/v1/enrol/fork", json={"install": install, "backup": backup})
