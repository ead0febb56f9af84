"""Corruption on purpose, so that a person can see the checker find it. The checker is told nothing of this module.

All of it is done on the wire, so it is the same with and without a way to the database:

drop    On the last day, the last change of a set, a new item, is cut out before the server sees it, and the receipt is
        completed on its way back as if it had been applied. Each makes one change lost.
double  When all work is done, a change that was applied is sent once more in its phone's name, as a set of its own: a
        new item under another id, or an edit of the same item again. Each makes one effect duplicated.
skip    On the last day, a colleague's new item is left out of what a phone pulls while the cursor moves on, and the
        digests are bent so that the phone finds nothing wrong. Each makes one object of one phone diverged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Literal
from uuid import UUID, uuid4

import msgspec

from schemas.wire import Base, Change, ChangeOutcome, ChangeSet, Entry, ExchangeAnswer, Receipt, StreamPage
from server.simulate.tamper import Station, Tamper
from sync import framing
from sync.device import Device, Outgoing
from sync.device.state import State
from sync.feed import entry_hash, from_hex, to_hex

Kind = Literal["drop", "double", "skip"]

_FEWEST, _MOST = 3, 7
_NONCE = "AAAAAAAAAAAAAAAAAAAAAA"


def saboteur(kind: Kind | None, seed: int) -> Tamper:
    """The one who stands on the wire; how often he strikes is drawn from the seed."""
    rng = Random(f"{seed}/sabotage")
    makers = {"drop": Drop, "double": Double, "skip": Skip}
    return makers[kind](rng.randint(_FEWEST, _MOST), rng) if kind else Tamper()


class Drop(Tamper):
    """Cuts new items out of sets and forges what the receipts say of them; one for a phone at most."""

    def __init__(self, wanted: int, rng: Random) -> None:
        self._left = self._wanted = wanted
        self._rng = rng
        self._active = False
        self._passed: dict[tuple[UUID, str], bytes | None] = {}
        self._forged: dict[tuple[UUID, str], tuple[str, ChangeOutcome]] = {}

    def begin_day(self, *, last: bool) -> None:
        """Strike on the last day: what would refer to the items is not written any more."""
        self._active = last

    def on_way(self, device: UUID, outgoing: Outgoing) -> Outgoing:
        """Cut, and cut the same whenever the same set is sent again."""
        return msgspec.structs.replace(outgoing, sets=[self._pass(device, raw) for raw in outgoing.sets])

    def on_return(self, device: UUID, outgoing: Outgoing, answer: ExchangeAnswer) -> ExchangeAnswer:
        """Complete the receipts of what was cut."""
        receipts = [self._completed(device, receipt) for receipt in answer.receipts]
        return msgspec.structs.replace(answer, receipts=receipts)

    @property
    def done(self) -> str:
        """How many changes were dropped."""
        return f"{self._wanted - self._left} dropped"

    def _pass(self, device: UUID, raw: bytes) -> bytes:
        original = device, framing.set_hash(raw)
        if original not in self._passed:
            self._passed[original] = self._shortened(device, raw) if self._active and self._left else None
        return self._passed[original] or raw

    def _shortened(self, device: UUID, raw: bytes) -> bytes | None:
        form = framing.set_form(raw)
        try:
            change_set = framing.decode_set(raw)
        except framing.Unreadable:
            return None
        if change_set.void:
            return None
        last = framing.decode_change(change_set.changes[-1], form)
        taken = any(owner == device for owner, _ in self._forged)
        if taken or last.op != "create" or len(change_set.changes) < 2:
            return None
        self._left -= 1
        shorter = framing.encode_set(msgspec.structs.replace(change_set, changes=change_set.changes[:-1]), form)
        outcome = ChangeOutcome(str(last.item), "applied", version=1, rev=f"{self._rng.getrandbits(64):016x}")
        self._forged[device, framing.set_hash(shorter)] = framing.set_hash(raw), outcome
        return shorter

    def _completed(self, device: UUID, receipt: Receipt) -> Receipt:
        forged = self._forged.get((device, receipt.hash))
        if forged is None:
            return receipt
        return msgspec.structs.replace(receipt, hash=forged[0], outcomes=[*receipt.outcomes, forged[1]])


class Double(Tamper):
    """Sends changes once more in the names of their phones, which learn nothing of it; one for a phone at most."""

    def __init__(self, wanted: int, rng: Random) -> None:
        self._wanted = wanted
        self._rng = rng
        self._done = 0

    async def after_work(self, stations: Sequence[Station]) -> None:
        """Strike when no phone sends any more, for then no number is missed."""
        for station in self._rng.sample(list(stations), len(stations)):
            if self._done < self._wanted:
                self._done += await self._repeat(station, "update" if self._done % 2 else "create")

    @property
    def done(self) -> str:
        """How many changes were applied twice."""
        return f"{self._done} doubled"

    async def _repeat(self, station: Station, op: str) -> bool:
        """Whether the server applied one more effect."""
        state = msgspec.msgpack.decode(station.device.snapshot(), type=State)
        changes = [change for change in _in_force(state) if change.op == op]
        if not changes:
            return False
        form = framing.set_form(state.outbox[1].raw)
        raw = _set_again(state, _again(state, self._rng.choice(changes)), form)
        outgoing = Device.restore(station.device.snapshot()).next_request(station.clock.clock())
        answer = await station.deliver(msgspec.structs.replace(outgoing, sets=[raw]))
        return any(one.outcome == "applied" for receipt in answer.receipts for one in receipt.outcomes)


class Skip(Tamper):
    """Leaves colleagues' new items out of pages and bends the digests; one for a phone at most."""

    def __init__(self, wanted: int, rng: Random) -> None:
        self._left = self._wanted = wanted
        self._active = False
        self._shown: set[tuple[UUID, UUID]] = set()
        self._hidden: dict[tuple[UUID, str, UUID], int] = {}

    def begin_day(self, *, last: bool) -> None:
        """Strike on the last day: what is new then is changed by nobody any more."""
        self._active = last

    def on_return(self, device: UUID, outgoing: Outgoing, answer: ExchangeAnswer) -> ExchangeAnswer:
        """Leave out and bend, page by page."""
        own = next((key for key in outgoing.request.cursors if key.startswith("own/")), "own/")
        pages = [self._bent(device, own.removeprefix("own/"), page) for page in answer.streams]
        return msgspec.structs.replace(answer, streams=pages)

    @property
    def done(self) -> str:
        """How many entries were kept from phones."""
        return f"{self._wanted - self._left} skipped"

    def _bent(self, device: UUID, user: str, page: StreamPage) -> StreamPage:
        entries = [entry for entry in page.entries if not self._hides(device, user, page.stream, entry)]
        digest = page.digest
        for (owner, stream, _), hashed in self._hidden.items():
            if digest is not None and (owner, stream) == (device, page.stream):
                digest = to_hex(from_hex(digest) ^ hashed)
        return msgspec.structs.replace(page, entries=entries, digest=digest)

    def _hides(self, device: UUID, user: str, stream: str, entry: Entry) -> bool:
        place = device, stream, entry.id
        if place not in self._hidden and not self._suits(device, user, stream, entry):
            self._shown.add((device, entry.id))
            return False
        if entry.item is None:
            # Deleted by its author in the meantime: there is nothing left to be hidden.
            self._hidden.pop(place)
            self._left += 1
            return False
        self._left -= place not in self._hidden
        self._hidden[place] = entry_hash(entry.id, entry.version, from_hex(entry.rev), entry.touch)
        return True

    def _suits(self, device: UUID, user: str, stream: str, entry: Entry) -> bool:
        free = self._active and self._left > 0 and all(owner != device for owner, _, _ in self._hidden)
        new = (device, entry.id) not in self._shown and not stream.startswith("own/")
        return free and new and entry.item is not None and entry.version == 1 and str(entry.item.author) != user


def _in_force(state: State) -> Iterator[Change]:
    """Changes of a phone that were applied and of which all is current."""
    for sealed in state.outbox.values():
        outcomes = sealed.receipt.outcomes if sealed.receipt else []
        changes = framing.decode_set(sealed.raw).changes if outcomes else []
        for raw, outcome in zip(changes, outcomes, strict=False):
            change = framing.decode_change(raw, framing.set_form(sealed.raw))
            body = state.items.get(change.item)
            current = body is not None and all(body.fields.get(key) == value for key, value in change.fields.items())
            if current and change.fields and outcome.outcome == "applied":
                yield change


def _again(state: State, change: Change) -> Change:
    if change.op == "create":
        return msgspec.structs.replace(change, item=uuid4())
    body = state.items[change.item]
    return msgspec.structs.replace(change, base=Base(body.version, body.rev))


def _set_again(state: State, change: Change, form: framing.Form) -> bytes:
    again = ChangeSet(
        no=state.last_no + 1,
        device=state.device,
        holder=state.user,
        author=state.user,
        catalogue=state.catalogue,
        registry=state.registry,
        nonce=_NONCE,
        changes=[framing.encode_change(change, form)],
        epoch=state.epoch,
    )
    return framing.encode_set(again, form)
