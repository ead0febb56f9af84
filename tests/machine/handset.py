"""A phone as the machine drives it: the reference device, its tokens, and answers that are still on their way."""

from __future__ import annotations

from asyncio import Lock
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from random import Random
from time import monotonic
from typing import Any
from uuid import UUID

from schemas.wire import Capture, Clock, Fix
from sync.device import Device
from sync.framing import Form
from tests.builders import Person
from tests.machine.books import Written
from tests.machine.ground import Plot

_BOOTED = monotonic() - 600
MEDIA = {"json": "application/x-ndjson", "msgpack": "application/msgpack"}


def clock() -> Clock:
    """The phone's clocks now."""
    return Clock(datetime.now(UTC), int((monotonic() - _BOOTED) * 1000), "boot")


def capture(here: dict[str, Any] | None) -> Capture:
    """Now, at this point, or with no idea where."""
    now = clock()
    fix = Fix(here["lon"], here["lat"], "wgs84", 5.0) if here else None
    return Capture(now.wall, now.mono, now.boot, fix)


class Handset:
    """One phone in somebody's hand.

    `air`: answers that have not arrived, each with its request's serial. `pending`: what was written and has no receipt
    here, in order. `refused`: the set by which it proves to be a copy. `sent`: up to which number sets went out.
    `family`: the phone that it is a copy of, or its own number. `plots`: the grids that its map shows, which is that of
    the registry version of the device, in the epoch `map_epoch`.
    """

    def __init__(self, number: int, person: Person, device: Device, device_id: UUID, access: str, form: Form) -> None:
        self.number = self.family = number
        self.person = person
        self.device = device
        self.device_id = device_id
        self.access = access
        self.form: Form = form
        self.install = f"installation-{number}"
        self.generation = 1
        self.returning = Lock()
        self.online = True
        self.tampered = False
        self.outdated = False
        self.sent = 0
        self.air: list[tuple[int, bytes]] = []
        self.pending: list[Written] = []
        self.refused: tuple[int, str] | None = None
        self.plots: list[Plot] = []
        self.map_epoch = ""

    @property
    def headers(self) -> dict[str, str]:
        """Those of its exchanges."""
        return {"Authorization": f"Bearer {self.access}", "Content-Type": MEDIA[self.form]}

    def here(self, chance: Random) -> Capture:
        """Now, somewhere in a grid of its map; without a map with no idea where."""
        return capture(chance.choice(self.plots).place(chance) if self.plots else None)

    @property
    def state(self) -> Any:
        """What the device remembers, for tampering and for looking at it from outside."""
        return self.device._state

    def newest(self) -> dict[tuple[UUID, str], Written]:
        """The last pending value of each field."""
        return {(one.item, one.name): one for one in self.pending}

    def seal(self, chance: Random, *, atomic: bool = False, largest: int | None = None) -> int | None:
        """Close the draft; the entries of it get its number."""
        nonce = urlsafe_b64encode(chance.randbytes(16)).rstrip(b"=").decode()
        no = self.device.seal_set(nonce, self.form, atomic, largest)
        for written in self.pending:
            if written.no is None:
                written.no, written.device = no, self.device_id
        return no

    def note_received(self) -> None:
        """What has a receipt is not pending any more."""
        done = self.device.acknowledged
        self.pending = [one for one in self.pending if one.no is None or one.no > done]

    def become(self, device_id: UUID, ticket: str, access: str, install: str) -> None:
        """Go on as another device."""
        self.note_received()
        self.device.become(device_id, ticket)
        self.device_id, self.access, self.install = device_id, access, install
        self.refused, self.generation, self.sent = None, 1, 0
        self.air.clear()
        for written in self.pending:
            written.no = None
