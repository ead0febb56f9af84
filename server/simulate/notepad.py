"""A phone as its worker writes on it: whatever is written is in the ledger before it is sent."""

from __future__ import annotations

import base64
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from schemas.forms import packaged
from schemas.wire import Capture, Fix, LegacyCode, Operation
from server.simulate.clock import PhoneClock
from server.simulate.ledger import Ledger, Written
from server.simulate.memory import places_of, with_bytes
from sync.device import Device
from sync.framing import Form, set_hash


class Nature(NamedTuple):
    """What never changes about a phone.

    `rng` makes its ids and nonces. `max_sets` travel in one request; `page`: the bytes it takes in one answer.
    """

    rng: Random
    set_form: Form
    max_sets: int
    page: int | None


class Notepad:
    """The writing half of a phone.

    `written_as`: the id under which it stands in the ledger. `knew`: the last day at whose end it had everything.
    """

    def __init__(self, device: Device, device_id: UUID, clock: PhoneClock, nature: Nature, ledger: Ledger) -> None:
        self.device = device
        self.written_as = device_id
        self.clock = clock
        self.nature = nature
        self.ledger = ledger
        self.knew = -1
        self._draft: list[tuple[Operation, UUID, str, dict[str, Any], int]] = []

    def create(
        self,
        item_type: str,
        fields: dict[str, Any],
        grid: str | None,
        urgency: str,
        position: Fix | None,
        legacy: LegacyCode | None = None,
    ) -> UUID:
        """A new item in the draft; its grid is claimed by a unified code, or by what stood for it on an old list."""
        item = self.new_id()
        self.device.create_item(item, item_type, self._capture(position), fields, grid, urgency, legacy)
        self._draft.append(("create", item, item_type, fields, 0))
        return item

    def edit(self, item: UUID, item_type: str, fields: dict[str, Any]) -> None:
        """New values of fields in the draft; the item is visible."""
        base = self._version(item)
        self.device.edit_item(item, self._capture(None), fields)
        self._draft.append(("update", item, item_type, fields, base))

    def delete(self, item: UUID, item_type: str) -> None:
        """A deletion in the draft; the item is visible."""
        base = self._version(item)
        self.device.delete_item(item, self._capture(None))
        self._draft.append(("delete", item, item_type, {}, base))

    def step(self, item: UUID, item_type: str, action: str, leaves: str) -> None:
        """A step of an item's case in the draft; the item is visible."""
        base = self._version(item)
        self.device.transition_item(item, self._capture(None), action, leaves, "复核 checked")
        self._draft.append(("transition", item, item_type, {}, base))

    def seal(self) -> None:
        """The draft becomes a change set, and the ledger is written."""
        no = self.device.seal_set(self.nonce(), self.nature.set_form)
        for index in range(len(self._draft)):
            self._write(index, no or 0, index)
        self._draft.clear()

    def seal_within(self, limit: int) -> int:
        """The draft becomes change sets of so many bytes; how many of them are void, each change being too large."""
        self.device.seal_set(self.nonce(), self.nature.set_form, max_set_bytes=limit)
        places = places_of(self.device, [item for _, item, *_ in self._draft])
        void = {told.no for told in self.device.told() if told.outcome.code == "set_too_large"}
        for at, (no, index) in enumerate(places):
            self._write(at, no, index)
        self._draft.clear()
        mine = void & {no for no, _ in places}
        self.ledger.void |= {(self.written_as, no) for no in mine}
        return len(mine)

    def seal_alone(self, grid: str) -> int:
        """A set with one form that is in no ledger; its number. What it holds is not to reach anybody."""
        self.device.create_item(self.new_id(), "0802", self._capture(None), {}, grid)
        return self.device.seal_set(self.nonce(), self.nature.set_form) or 0

    def write_unreadable(self, no: int, raw: bytes) -> None:
        """The bytes of a set, which nothing else is in, are these from now on."""
        self.device = with_bytes(self.device, no, raw)
        self.ledger.write_unreadable(self.written_as, no, set_hash(raw))

    def lose_bytes(self) -> None:
        """The newest set, which was never sent, is gone from the phone's memory."""
        no = self.ledger.last_no[self.written_as]
        self.device.lose_bytes(no)
        self.ledger.void.add((self.written_as, no))

    # Inside ----------------------------------------------------------------------------------------------------------

    def _write(self, at: int, no: int, index: int) -> None:
        op, item, item_type, fields, base = self._draft[at]
        normal = packaged().types[item_type].normalise(fields)
        self.ledger.write(Written(self.written_as, no, index, item, item_type, op, normal, base, self.knew))

    def nonce(self) -> str:
        """16 random bytes as a set carries them."""
        return base64.urlsafe_b64encode(self.nature.rng.randbytes(16)).rstrip(b"=").decode()

    def _capture(self, position: Fix | None) -> Capture:
        return self.clock.capture(position)

    def _version(self, item: UUID) -> int:
        seen = self.device.visible(item)
        return seen.version if seen else 0

    def new_id(self) -> UUID:
        """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits that no other run draws."""
        random = self.nature.rng.getrandbits(74)
        milliseconds = int(self.clock.at.timestamp() * 1000)
        return UUID(int=milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)
