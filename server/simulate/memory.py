"""The memory of a phone, read and damaged behind its app's back."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from uuid import UUID

import msgspec

from sync.device import Device
from sync.device.state import State
from sync.framing import set_hash

_GONE = 3


def places_of(device: Device, items: Iterable[UUID]) -> list[tuple[int, int]]:
    """Where the newest change of each of these items lies: the number of its set, and its place in it."""
    state = _opened(device)
    told = {one.change.item: (one.no, one.index) for one in state.told}
    laid = {one.change.item: (one.no or 0, one.index) for one in state.edits}
    places = told | laid
    return [places[item] for item in items]


def with_bytes(device: Device, no: int, raw: bytes) -> Device:
    """The same with other bytes in one set that has no receipt."""
    state = _opened(device)
    state.outbox[no].raw, state.outbox[no].hash = raw, set_hash(raw)
    return _closed(state)


def damaged(device: Device, grid: str, rng: Random) -> Device | None:
    """The same without some of what it has pulled of this grid (its code), and one more membership wrong.

    None where it holds too little of it.
    """
    state = _opened(device)
    keys = {f"grid/{body.grid}" for body in state.items.values() if body.code == grid}
    streams = [state.streams[key] for key in sorted(keys & state.streams.keys())]
    stream = next((one for one in streams if len(one.members) > _GONE and one.comparison is None), None)
    if stream is None:
        return None
    *gone, wrong = rng.sample(sorted(stream.members), _GONE + 1)
    for one in gone:
        del stream.members[one]
        state.items.pop(one, None)
    held = stream.members[wrong]
    stream.members[wrong] = msgspec.structs.replace(held, hash=held.hash ^ 1, touch=held.touch + 1)
    return _closed(state)


def _opened(device: Device) -> State:
    return msgspec.msgpack.decode(device.snapshot(), type=State)


def _closed(state: State) -> Device:
    return Device.restore(msgspec.msgpack.encode(state))
