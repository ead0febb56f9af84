"""What it costs a phone to find out that it holds something else than the server, and to mend it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from schemas.wire import Clock
from server.bench.exchange.house import House
from server.bench.exchange.pulls import Stocked
from server.bench.exchange.pushing import PRODUCT, Void, decoded, once
from server.bench.exchange.town import Phone
from server.bench.exchange.wire import post
from sync.device import Device
from sync.device.state import State
from sync.framing import encode_request

DIFFERENCES = 10
_MOST_TRIPS = 200


class Repaired(NamedTuple):
    """Exchanges after the one that showed the difference, and the bytes of their bodies, both ways, as they travel."""

    trips: int
    body_bytes: int


class _Exchanged(NamedTuple):
    body_bytes: int
    again: bool
    found: bool


async def mend(house: House, stocked: Stocked) -> Repaired:
    """Take ten memberships from a phone that holds everything, let one change show it, and let the phone mend it.

    Raises Void where it does not hold the server's memberships again in the end.
    """
    phone, device = stocked.readers[0], _enrolled(stocked.readers[0])
    while (await _exchange(house, phone, device)).again:
        pass
    whole = device.memberships()
    device = _without_some(device, stocked.grid_stream)
    await stocked.editor.edit(house.port, 1)
    if not (shown := await _exchange(house, phone, device)).found:
        raise Void("repair: the phone did not notice what it lacks")
    trips = size = 0
    while shown.again and trips < _MOST_TRIPS:
        shown = await _exchange(house, phone, device)
        trips, size = trips + 1, size + shown.body_bytes
    if {key: set(held) for key, held in device.memberships().items()} != {
        key: set(held) for key, held in whole.items()
    }:
        raise Void("repair: the phone does not hold again what it held")
    return Repaired(trips, size)


def _enrolled(phone: Phone) -> Device:
    return Device.enrolled(phone.device, phone.user, phone.catalogue, 1, phone.epoch)


def _without_some(device: Device, stream: str) -> Device:
    """The same phone after a mistake in its own storage."""
    state = msgspec.msgpack.decode(device.snapshot(), type=State)
    members = state.streams[stream].members
    for gone in sorted(members)[:: max(1, len(members) // DIFFERENCES)][:DIFFERENCES]:
        del members[gone]
        del state.items[gone]
    return Device(state)


async def _exchange(house: House, phone: Phone, device: Device) -> _Exchanged:
    outgoing = device.next_request(Clock(datetime.now(UTC), 60_000, "boot"), form="msgpack")
    body = encode_request(outgoing.request, outgoing.sets, "msgpack")
    came = await once(house.port, post(PRODUCT, body, phone.access))
    applied = device.apply_answer(outgoing.serial, decoded(came))
    return _Exchanged(len(body) + len(came.body), applied.again, bool(applied.repaired))
