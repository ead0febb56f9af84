"""One simulated phone: the reference device, its clocks and its bad network."""

from __future__ import annotations

import asyncio
import base64
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schemas.forms import packaged
from schemas.wire import Capture, ExchangeAnswer, Fix, Operation, Receipt
from server.simulate.clock import PhoneClock
from server.simulate.faults import Luck
from server.simulate.ledger import Ledger, Written
from server.simulate.link import BrokenError, Link
from server.simulate.tamper import Tamper
from sync.device import Applied, Device, Outgoing
from sync.framing import Form

_MOST_EXCHANGES = 300


class Nature(NamedTuple):
    """What never changes about a phone.

    `rng` makes its ids and nonces. `max_sets` travel in one request; `page`: the bytes it takes in one answer.
    """

    rng: Random
    set_form: Form
    max_sets: int
    page: int | None


class Phone:
    """A phone in a worker's hand. Whatever is written on it is in the ledger before it is sent."""

    def __init__(
        self, device: Device, device_id: UUID, link: Link, luck: Luck, clock: PhoneClock, nature: Nature, ledger: Ledger
    ) -> None:
        self.device = device
        self.device_id = device_id
        self.link = link
        self.luck = luck
        self.clock = clock
        self.knew = -1
        self.tally = link.tally
        self.tamper = Tamper()
        self._nature = nature
        self._ledger = ledger
        self._draft: list[tuple[Operation, UUID, str, dict[str, Any], int]] = []
        self._receipts: dict[int, bytes] = {}
        self._late: list[tuple[int, ExchangeAnswer]] = []
        self.contradictions = 0

    # Writing ---------------------------------------------------------------------------------------------------------

    def create(self, item_type: str, fields: dict[str, Any], grid: str, urgency: str, position: Fix | None) -> UUID:
        """A new item in the draft."""
        item = self._new_id()
        self.device.create_item(item, item_type, self._capture(position), fields, grid, urgency)
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

    def seal(self) -> None:
        """The draft becomes a change set, and the ledger is written."""
        nonce = base64.urlsafe_b64encode(self._nature.rng.randbytes(16)).rstrip(b"=").decode()
        no = self.device.seal_set(nonce, self._nature.set_form)
        for index, (op, item, item_type, fields, base) in enumerate(self._draft):
            normal = packaged().types[item_type].normalise(fields)
            self._ledger.write(Written(self.device_id, no or 0, index, item, item_type, op, normal, base, self.knew))
        self._draft.clear()

    def receipts(self) -> dict[int, Receipt]:
        """The first receipt that came for each number."""
        return {no: msgspec.msgpack.decode(said, type=Receipt) for no, said in self._receipts.items()}

    # Exchanging ------------------------------------------------------------------------------------------------------

    async def exchange_all(self) -> None:
        """Exchange until everything is sent and pulled, whatever happens on the way. Raises BrokenError."""
        for _ in range(_MOST_EXCHANGES):
            request = self.device.next_request(
                self.clock.clock(), max_sets=self._nature.max_sets, answer_bytes=self._nature.page
            )
            self.clock.pass_time(2)
            if not await self._exchange(request):
                return
        raise BrokenError("exchanges do not come to an end")

    async def look_for_news(self) -> None:
        """Ask whether there is anything new, and pull it."""
        mark = self.device.mark
        if mark is None or await self.link.has_news(mark):
            await self.exchange_all()

    async def deliver(self, outgoing: Outgoing) -> ExchangeAnswer:
        """Send a request and read the answer."""
        return await self.link.exchange(outgoing)

    async def _exchange(self, outgoing: Outgoing) -> bool:
        """Live through one exchange; whether another has to follow at once."""
        match self.luck.fate() if outgoing.sets else "fine":
            case "request_lost":
                self.tally.requests_lost += 1
                return True
            case "answer_lost":
                await self._lose_answer(outgoing)
                return True
            case "doubled":
                self.tally.doubled += 1
                applied = self._apply(outgoing.serial, await self._post(outgoing))
                self._late.append((outgoing.serial, await self._post(outgoing)))
            case "raced":
                self.tally.doubled += 1
                first, second = await asyncio.gather(self._post(outgoing), self._post(outgoing))
                applied = self._apply(outgoing.serial, first)
                self._late.append((outgoing.serial, second))
            case _:
                applied = self._apply(outgoing.serial, await self._post(outgoing))
        self._apply_late()
        return applied.again

    async def _lose_answer(self, outgoing: Outgoing) -> None:
        """The server has committed and the phone does not hear of it; the app may die on the way, too."""
        snapshot = self.device.snapshot()
        answer = await self._post(outgoing)
        self.tally.answers_lost += 1
        if self.luck.strikes("answer_applied_late"):
            self._late.append((outgoing.serial, answer))
        if self.luck.strikes("app_killed"):
            self.device = Device.restore(snapshot)

    async def _post(self, outgoing: Outgoing) -> ExchangeAnswer:
        answer = await self.deliver(self.tamper.on_way(self.device_id, outgoing))
        answer = self.tamper.on_return(self.device_id, outgoing, answer)
        for receipt in answer.receipts:
            said = msgspec.msgpack.encode(receipt)
            if receipt.no in self._receipts:
                self.tally.receipts_replayed += 1
                self.contradictions += self._receipts[receipt.no] != said
            self._receipts.setdefault(receipt.no, said)
        return answer

    def _apply(self, serial: int, answer: ExchangeAnswer) -> Applied:
        applied = self.device.apply_answer(serial, answer)
        self.device.adopt(answer.catalogue, answer.registry)
        return applied

    def _apply_late(self) -> None:
        """Answers that come after newer ones must do no harm."""
        for serial, answer in self._late:
            if not self.device.apply_answer(serial, answer).stale:
                raise BrokenError("an old answer was taken for a new one")
            self.tally.stale += 1
        self._late.clear()

    # Inside ----------------------------------------------------------------------------------------------------------

    def _capture(self, position: Fix | None) -> Capture:
        return self.clock.capture(position)

    def _version(self, item: UUID) -> int:
        seen = self.device.visible(item)
        return seen.version if seen else 0

    def _new_id(self) -> UUID:
        """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits that no other run draws."""
        random = self._nature.rng.getrandbits(74)
        milliseconds = int(self.clock.at.timestamp() * 1000)
        return UUID(int=milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1)
