"""One simulated phone: the reference device, its clocks and its bad network."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schemas.accounts import SetRef
from schemas.wire import ExchangeAnswer, Receipt
from server.simulate.clock import PhoneClock
from server.simulate.faults import Fate, Luck
from server.simulate.ledger import Ledger
from server.simulate.link import BrokenError, Credentials, Habit, Link
from server.simulate.net import Refused
from server.simulate.notepad import Nature, Notepad
from server.simulate.tamper import Tamper
from sync.device import Applied, Device, Outgoing

_MOST_EXCHANGES = 300


class Sent(NamedTuple):
    """A request and how it was written."""

    outgoing: Outgoing
    habit: Habit


class Phone(Notepad):
    """A phone in a worker's hand, on its bad network.

    One that was restored from a backup is written as a device of its own until the server gives it an id. `app`: the
    catalogue version of an app that is not updated, else None.
    """

    def __init__(
        self, device: Device, device_id: UUID, link: Link, luck: Luck, clock: PhoneClock, nature: Nature, ledger: Ledger
    ) -> None:
        super().__init__(device, device_id, clock, nature, ledger)
        self.device_id = device_id
        self.link = link
        self.luck = luck
        self.tally = link.tally
        self.tamper = Tamper()
        self.app: str | None = None
        self.contradictions = 0
        self._receipts: defaultdict[UUID, dict[int, bytes]] = defaultdict(dict)
        self._late: list[tuple[int, ExchangeAnswer]] = []
        self._old: Sent | None = None
        self._registry = 0

    def receipts(self) -> dict[UUID, dict[int, Receipt]]:
        """The first receipt that came for each number, by device: one restored from a backup has been two."""
        return {
            device: {no: msgspec.msgpack.decode(said, type=Receipt) for no, said in by_no.items()}
            for device, by_no in self._receipts.items()
        }

    @property
    def registry(self) -> int:
        """The version of the grids that the server last told."""
        return self._registry

    # Exchanging ------------------------------------------------------------------------------------------------------

    async def exchange_all(self) -> None:
        """Exchange until everything is sent and pulled, whatever happens on the way. Raises BrokenError."""
        older = self.device.snapshot() if self.device.unsent and self.luck.draws("memory_older") else None
        device = self.device_id
        for made in range(_MOST_EXCHANGES):
            if older is not None and made == 1 and self.device_id == device:
                self._forget_since(older)
                self.luck.struck["memory_older"] += 1
            if not await self._exchange_once():
                return
        raise BrokenError("exchanges do not come to an end")

    async def look_for_news(self) -> None:
        """Ask whether there is anything new, and pull it."""
        if self.luck.draws("nudges_dropped") and await self.link.drop_nudges():
            self.luck.struck["nudges_dropped"] += 1
        mark = self.device.mark
        if mark is None or await self.link.has_news(mark):
            await self.exchange_all()

    async def wake(self) -> None:
        """The evening of a day: the app starts again, and what was under way yesterday may still arrive."""
        if self.device.unsent and self.luck.strikes("killed_unsent"):
            self.device = Device.restore(self.device.snapshot())
        await self._renewing_as_copy(self.link.wake())
        if self._old is not None and self.luck.strikes("resent_later"):
            old = self._old
            self._late.append((old.outgoing.serial, await self._post(old)))

    async def deliver(self, outgoing: Outgoing) -> ExchangeAnswer:
        """Send a request and read the answer."""
        return await self.link.exchange(outgoing)

    # A backup --------------------------------------------------------------------------------------------------------

    def back_up(self) -> tuple[bytes, bytes]:
        """Memory and credentials as of now; everything was sent."""
        return self.device.snapshot(), msgspec.msgpack.encode(self.link.credentials)

    def restore(self, backup: tuple[bytes, bytes]) -> None:
        """Go on as the phone was, and not know it: what it wrote since is on the server, under numbers used again."""
        self.device = Device.restore(backup[0])
        self.link.credentials = msgspec.msgpack.decode(backup[1], type=Credentials)
        self.written_as = UUID(int=self.nature.rng.getrandbits(128))
        self._late.clear()
        self._old = None

    @property
    def is_copy(self) -> bool:
        """Whether this is the copy of a device that has no id of its own yet."""
        return self.written_as != self.device_id

    async def _fork(self, refused: SetRef | None) -> None:
        install = f"simulated-{self.nature.rng.getrandbits(64):016x}"
        device = await self.link.fork(install, refused)
        self.device.become(device, self.link.credentials.ticket)
        self.ledger.renumber(self.written_as, device)
        self.device_id = self.written_as = device
        self.device.seal_set(self.nonce(), self.nature.set_form)
        self._late.clear()
        self._old = None
        self.luck.struck["backup_restored"] += 1

    async def _renewing_as_copy(self, renewed: Any) -> None:
        try:
            await renewed
        except Refused as refused:
            if refused.code != "token_superseded" or not self.is_copy:
                raise
            await self._fork(None)

    # One exchange ----------------------------------------------------------------------------------------------------

    async def _exchange_once(self) -> bool:
        """Live through one exchange; whether another has to follow at once."""
        habit = self.link.choose_habit()
        outgoing = self.device.next_request(
            self.clock.clock(), max_sets=self.nature.max_sets, answer_bytes=self.nature.page, form=habit.form
        )
        self.clock.pass_time(2)
        sent = Sent(self._misacknowledged(outgoing), habit)
        try:
            return await self._exchange(sent)
        except Refused as refused:
            if refused.code != "token_superseded" or not self.is_copy:
                raise
            await self._fork(None)
            return True

    async def _exchange(self, sent: Sent) -> bool:
        fate = self.luck.fate() if sent.outgoing.sets else "fine"
        if fate in ("fine", "doubled", "raced", "trickled"):
            return await self._hear(sent, fate)
        await self._miss(sent, fate)
        return True

    async def _hear(self, sent: Sent, fate: Fate) -> bool:
        """An exchange whose answer comes, perhaps twice."""
        serial = sent.outgoing.serial
        if fate == "raced":
            first, second = await asyncio.gather(self._post(sent), self._post(sent))
            self._late.append((serial, second))
        else:
            first = await self._post(sent, slowly=fate == "trickled")
        applied = await self._apply(serial, first)
        self._note(fate)
        if sent.outgoing.request.device == self.device_id:
            if fate == "doubled":
                self._late.append((serial, await self._post(sent)))
            self._old = sent if sent.outgoing.sets else self._old
        self._apply_late()
        return applied.again

    async def _miss(self, sent: Sent, fate: Fate) -> None:
        """An exchange of whose answer the phone knows nothing afterwards, whatever the server made of it."""
        snapshot, happened = self.device.snapshot(), True
        if fate == "body_cut":
            await self.link.exchange_half(self._on_way(sent), sent.habit)
        elif fate == "answer_cut":
            happened = await self.link.exchange_unheard(self._on_way(sent), sent.habit)
        elif fate == "answer_garbled":
            happened = await self.link.exchange_garbled(self._on_way(sent), sent.habit)
        elif fate == "answer_unstored":
            await self._post(sent)
            self._forget_since(snapshot)
        elif fate == "answer_lost":
            await self._lose_answer(sent, snapshot)
        if happened:
            self._note(fate)
            self.tally.answers_lost += fate.startswith("answer")

    async def _lose_answer(self, sent: Sent, snapshot: bytes) -> None:
        """The server has committed and the phone does not hear of it; the app may die on the way, too."""
        answer = await self._post(sent)
        if self.luck.strikes("answer_applied_late"):
            self._late.append((sent.outgoing.serial, answer))
        if self.luck.strikes("app_killed"):
            self.device = Device.restore(snapshot)

    def _note(self, fate: Fate) -> None:
        if fate != "fine":
            self.luck.struck[fate] += 1

    def _forget_since(self, snapshot: bytes) -> None:
        """The app starts from an older memory; answers to what it asked since then reach nobody."""
        self.device = Device.restore(snapshot)
        self._late.clear()

    def _misacknowledged(self, outgoing: Outgoing) -> Outgoing:
        """Some apps say that they have stored receipts which they have not, or forget to say that they have."""
        if not self.luck.strikes("acknowledged_wrongly"):
            return outgoing
        said = outgoing.request.acknowledged
        wrong = self.luck.dice("acknowledged_wrongly").choice(
            [one for one in (0, said - 3, said + 2, said + 50) if one >= 0 and one != said]
        )
        request = msgspec.structs.replace(outgoing.request, acknowledged=wrong)
        return msgspec.structs.replace(outgoing, request=request)

    def _on_way(self, sent: Sent) -> Outgoing:
        return self.tamper.on_way(self.device_id, sent.outgoing)

    async def _post(self, sent: Sent, *, slowly: bool = False) -> ExchangeAnswer:
        answer = await self.link.exchange(self._on_way(sent), sent.habit, slowly=slowly)
        answer = self.tamper.on_return(self.device_id, sent.outgoing, answer)
        known = self._receipts[self.device_id]
        for receipt in answer.receipts:
            if receipt.status != "forked" and not self.is_copy:
                said = msgspec.msgpack.encode(receipt)
                if receipt.no in known:
                    self.tally.receipts_replayed += 1
                    self.contradictions += known[receipt.no] != said
                known.setdefault(receipt.no, said)
        return answer

    async def _apply(self, serial: int, answer: ExchangeAnswer) -> Applied:
        applied = self.device.apply_answer(serial, answer)
        self._registry = answer.registry
        if self.app is None and not applied.wiped:
            self.device.adopt(answer.catalogue, answer.registry)
        refused = next((one for one in answer.receipts if one.status == "forked"), None)
        if refused is not None and self.device.forked:
            if not self.is_copy:
                raise BrokenError("a device that is its own was told that it is a copy")
            self.ledger.refused.add((self.device_id, refused.no, refused.hash))
            await self._fork(SetRef(refused.no, refused.hash))
            return msgspec.structs.replace(applied, again=True)
        return applied

    def _apply_late(self) -> None:
        """Answers that come after newer ones must do no harm."""
        for serial, answer in self._late:
            if not self.device.apply_answer(serial, answer).stale:
                raise BrokenError("an old answer was taken for a new one")
            self.tally.stale += 1
        self._late.clear()
