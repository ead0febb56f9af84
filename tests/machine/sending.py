"""What happens between phones and the server: signal, lost and late answers, requests sent twice, phones at once."""

from __future__ import annotations

import asyncio
from random import Random

from tests.machine.books import holds
from tests.machine.city import City
from tests.machine.handset import Handset
from tests.machine.hearing import exchange, hear, post, request_of, send, sync, take
from tests.machine.rules import rule, senders, tell
from tests.machine.twins import leave_twin

_SMALL = 1_000


def pick_sender(city: City, chance: Random) -> Handset | None:
    """A phone with signal."""
    able = senders(city)
    return chance.choice(able) if able else None


@rule(4)
async def go_offline(city: City, chance: Random) -> bool:
    phone = pick_sender(city, chance)
    if phone is None or len(senders(city)) < len(city.phones) / 2:
        return False
    phone.online = False
    return True


@rule(4)
async def go_online(city: City, chance: Random) -> bool:
    away = [one for one in city.phones if not one.online]
    if not away:
        return False
    chance.choice(away).online = True
    return True


@rule(14)
async def push(city: City, chance: Random) -> bool:
    """All that is written goes out, and what is new comes in."""
    phone = pick_sender(city, chance)
    if phone is None:
        return False
    phone.seal(chance)
    tell(city, phone.number)
    await sync(city, phone)
    await leave_twin(city, phone)
    return True


@rule(5)
async def pull_small_pages(city: City, chance: Random) -> bool:
    phone = pick_sender(city, chance)
    if phone is None:
        return False
    tell(city, phone.number)
    for _ in range(chance.randint(1, 8)):
        applied = await exchange(city, phone, _SMALL)
        if applied.wiped:
            city.phones.remove(phone)
            break
        if not applied.again:
            break
    return True


@rule(4)
async def drop_answer(city: City, chance: Random) -> bool:
    """The server has committed, and the phone never hears of it."""
    phone = pick_sender(city, chance)
    if phone is None or not phone.device.unsent:
        return False
    tell(city, phone.number)
    await send(city, phone)
    return True


@rule(4)
async def duplicate_request(city: City, chance: Random) -> bool:
    """One request arrives twice, one after the other or both at once."""
    phone = pick_sender(city, chance)
    if phone is None:
        return False
    tell(city, phone.number)
    serial, body = request_of(phone)
    if chance.random() < 0.5:
        responses = await asyncio.gather(*(post(city, phone, body) for _ in range(2)))
    else:
        responses = [await post(city, phone, body) for _ in range(2)]
    for response in responses:
        holds("I2", response.status_code == 200, "a request that arrives twice is answered", response.text[:300])
        sent = serial, take(city, phone, response.content)
        if hear(city, phone, sent).wiped:
            city.phones.remove(phone)
            return True
    return True


@rule(4)
async def delay_answer(city: City, chance: Random) -> bool:
    """An answer is on its way for a while."""
    phone = pick_sender(city, chance)
    if phone is None or len(phone.air) > 3:
        return False
    tell(city, phone.number)
    phone.air.append(await send(city, phone))
    return True


@rule(5)
async def late_answer(city: City, chance: Random) -> bool:
    """One of those that are on their way arrives, not always the oldest."""
    waiting = [one for one in senders(city) if one.air]
    if not waiting:
        return False
    phone = chance.choice(waiting)
    tell(city, phone.number)
    arrived = phone.air.pop(chance.randrange(len(phone.air)))
    if hear(city, phone, arrived).wiped:
        city.phones.remove(phone)
    return True


@rule(4)
async def several_at_once(city: City, chance: Random) -> bool:
    """Phones exchange at the same instant, and each goes on pulling while the others write."""
    able = senders(city)
    if len(able) < 3:
        return False
    chosen = chance.sample(able, min(len(able), chance.randint(3, 6)))
    for phone in chosen:
        phone.seal(chance)
    tell(city, [phone.number for phone in chosen])
    answers = await asyncio.gather(*(send(city, phone) for phone in chosen))
    for phone, sent in zip(chosen, answers, strict=True):
        if hear(city, phone, sent).wiped:
            city.phones.remove(phone)
    return True


@rule(2.5)
async def hang_up(city: City, chance: Random) -> bool:
    """The connection breaks in the middle of a request; nobody knows how far it came."""
    phone = pick_sender(city, chance)
    if phone is None or not phone.device.unsent:
        return False
    tell(city, phone.number)
    _, body = request_of(phone)
    request = asyncio.create_task(post(city, phone, body))
    await asyncio.sleep(chance.uniform(0, 0.03))
    request.cancel()
    await asyncio.wait([request])
    return True


@rule(1.8)
async def database_hangs_up(city: City, chance: Random) -> bool:
    """The database ends all connections while a request is under way: an answer, or a refusal that a retry cures."""
    phone = pick_sender(city, chance)
    if phone is None or not phone.device.unsent:
        return False
    tell(city, phone.number)
    serial, body = request_of(phone)
    request = asyncio.create_task(post(city, phone, body))
    await asyncio.sleep(chance.uniform(0, 0.02))
    await city.house.drop_connections()
    response = await request
    await city.house.mend()
    holds("I1", response.status_code in (200, 500, 503), "a fault is told as one", response.text[:300])
    if response.status_code == 200 and hear(city, phone, (serial, take(city, phone, response.content))).wiped:
        city.phones.remove(phone)
    return True


@rule(4)
async def ask_whether_new(city: City, chance: Random) -> bool:
    """Polling with the mark: where the database itself says that there is nothing new, there is nothing."""
    phone = pick_sender(city, chance)
    if phone is None or phone.device.mark is None:
        return False
    tell(city, phone.number)
    headers = {"Authorization": phone.headers["Authorization"]}
    answer = await city.house.client.get("/v1/exchange", params={"mark": phone.device.mark}, headers=headers)
    if answer.status_code == 204 and "x-request-id" in answer.headers:
        applied = await exchange(city, phone)
        holds("I3", not applied.entries and not applied.wiped, "nothing new means nothing", applied)
    return True
