"""Devices against a model server under every kind of bad luck: they end as a fresh full pull, and no edit is lost."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from schemas.wire import Capture, Clock, Directive, Entry, ExchangeAnswer
from sync.device import Applied, Device
from sync.device.state import Held
from tests.property.model_server import GRIDS, NOW, Item, ModelServer

pytestmark = pytest.mark.long

CLOCK = Clock(NOW, 1, "boot")
NAMES = ["height", "colour", "remark"]
WRITING = ("create", "edit", "delete")
HAPPENINGS = {
    "create": 8,
    "edit": 16,
    "delete": 2,
    "seal": 8,
    "restart": 2,
    "exchange": 10,
    "exchange_twice_delivered": 3,
    "exchange_with_a_slow_answer": 5,
    "exchange_with_a_request_that_overtakes": 3,
    "arrive": 6,
    "arrive_again": 2,
    "move": 4,
    "touch": 3,
    "assign": 2,
    "compact": 2,
    "withhold": 1,
    "back_up": 2,
    "restore": 1,
    "corrupt": 2,
    "wipe": 1,
}


def numbered(kind: int, number: int) -> UUID:
    return UUID(int=(kind << 96) | number)


class Phones:
    """Three users with a phone each. `written` is what their workers did; `air` holds answers on the way."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.server = ModelServer(page=random.randint(1, 6))
        self.users = [numbered(1, index) for index in range(3)]
        self.devices = [Device.enrolled(numbered(2, i), user, "1", 1) for i, user in enumerate(self.users)]
        for index, user in enumerate(self.users):
            self.server.scopes[user] = {GRIDS[0], GRIDS[index]}
        self.air: list[tuple[int, int, ExchangeAnswer]] = []
        self.written: dict[int, tuple[int, UUID, dict[str, Any]]] = {}
        self.count = 0
        self.spoiled: set[int] = set()
        self.held: list[tuple[int, set[tuple[UUID, int, str]]]] = []
        self.server.back_up()

    def step(self) -> str:
        name = self.random.choices(list(HAPPENINGS), list(HAPPENINGS.values()))[0]
        phone = self.random.randrange(3)
        if (not self.devices[phone].wiping and not self.devices[phone].wiped) or name not in WRITING:
            getattr(self, name)(phone)
        self.the_worker_sees_his_unsent_edits(phone)
        return f"{name} {phone}"

    # Workers ---------------------------------------------------------------------------------------------

    def _capture(self, phone: int, item: UUID, fields: dict[str, Any]) -> Capture:
        """By its clock a change is known again, wherever it turns up."""
        self.count += 1
        self.written[self.count] = phone, item, fields
        return Capture(NOW, self.count, "boot")

    def create(self, phone: int) -> None:
        # Few buckets and parts, so that some hold several items.
        low = self.random.randrange(3) << 12 | self.random.randrange(3)
        item, fields = numbered(3, (self.count + 1) << 16 | low), {"height": self.count + 1}
        capture = self._capture(phone, item, fields)
        self.devices[phone].create_item(item, "0401", capture, fields, grid=self.random.choice(GRIDS))

    def _seen_item(self, phone: int) -> UUID | None:
        seen = [item.id for item in self.devices[phone].items()]
        return self.random.choice(seen) if seen else None

    def edit(self, phone: int) -> None:
        if item := self._seen_item(phone):
            fields = {self.random.choice(NAMES): self.count + 1}
            self.devices[phone].edit_item(item, self._capture(phone, item, fields), fields)

    def delete(self, phone: int) -> None:
        if item := self._seen_item(phone):
            self.devices[phone].delete_item(item, self._capture(phone, item, {}))

    def seal(self, phone: int) -> None:
        self.count += 1
        self.devices[phone].seal_set(f"{self.count:022d}")

    def restart(self, phone: int) -> None:
        before = self.devices[phone]
        self.devices[phone] = Device.restore(before.snapshot())
        assert self.devices[phone]._state == before._state

    # The network -----------------------------------------------------------------------------------------

    def _exchange(self, phone: int, sets: int) -> tuple[int, ExchangeAnswer]:
        out = self.devices[phone].next_request(CLOCK, max_sets=sets, max_bytes=100_000)
        return out.serial, self.server.exchange(self.users[phone], out.request, out.sets)

    def _apply(self, phone: int, serial: int, answer: ExchangeAnswer) -> Applied:
        """Notes what was held when another epoch came to be known: all of it has to come back."""
        device = self.devices[phone]
        before = {(body.id, body.version, body.rev) for body in device._state.items.values()}
        applied = device.apply_answer(serial, answer)
        if applied.new_epoch:
            self.held.append((self.server.epoch, before))
        return applied

    def exchange(self, phone: int) -> None:
        for _ in range(self.random.randint(1, 4)):
            self._apply(phone, *self._exchange(phone, self.random.randint(1, 3)))

    def exchange_twice_delivered(self, phone: int) -> None:
        serial, answer = self._exchange(phone, 2)
        self._apply(phone, serial, answer)
        before = Device.restore(self.devices[phone].snapshot())
        assert self.devices[phone].apply_answer(serial, answer).stale
        assert self.devices[phone]._state == before._state

    def exchange_with_a_slow_answer(self, phone: int) -> None:
        """The answer comes late, repeatedly or never."""
        self.air.append((phone, *self._exchange(phone, 3)))

    def exchange_with_a_request_that_overtakes(self, phone: int) -> None:
        """The first request reaches the server after the second, and its answer comes first."""
        device, user = self.devices[phone], self.users[phone]
        slow = device.next_request(CLOCK, max_sets=3, max_bytes=100_000)
        fast = device.next_request(CLOCK, max_sets=1, max_bytes=100_000)
        fast_answer = self.server.exchange(user, fast.request, fast.sets)
        slow_answer = self.server.exchange(user, slow.request, slow.sets)
        self._apply(phone, slow.serial, slow_answer)
        self._apply(phone, fast.serial, fast_answer)

    def arrive(self, _: int, again: bool = False) -> None:
        if self.air:
            index = self.random.randrange(len(self.air))
            phone, serial, answer = self.air[index] if again else self.air.pop(index)
            self._apply(phone, serial, answer)

    def arrive_again(self, phone: int) -> None:
        self.arrive(phone, again=True)

    # Offices ---------------------------------------------------------------------------------------------

    def _some_item(self) -> Item | None:
        alive = [item for item in self.server.items.values() if not item.deleted]
        return self.random.choice(alive) if alive else None

    def move(self, _: int) -> None:
        grid = self.random.choice(GRIDS)
        if (item := self._some_item()) and item.grid != grid:
            self.server.move(item, grid)

    def touch(self, _: int) -> None:
        if item := self._some_item():
            self.server.touch(item)

    def assign(self, phone: int) -> None:
        self.server.scopes[self.users[phone]] = {grid for grid in GRIDS if self.random.random() < 0.6}

    def compact(self, _: int) -> None:
        for feed in self.server.feeds.values():
            feed.compact()

    def withhold(self, phone: int) -> None:
        self.server.withheld ^= {numbered(2, phone)}

    def back_up(self, _: int) -> None:
        self.server.back_up()

    def restore(self, _: int) -> None:
        """Mostly the newest backup, whose numbers were promised; devices keep what is after it."""
        last = len(self.server.backups) - 1
        self.server.restore(last if self.random.random() < 0.8 else self.random.randint(0, last))

    def corrupt(self, phone: int) -> None:
        """The phone forgets a membership, with what only that one held, and finds one that never was."""
        state = self.devices[phone]._state
        edited = {edit.change.item for edit in state.edits}
        for stream in state.streams.values():
            loose = sorted(stream.members.keys() - edited)
            if loose and not state.former_items:
                self.spoiled.add(phone)
                gone = self.random.choice(loose)
                del stream.members[gone]
                if all(gone not in other.members for other in state.streams.values()):
                    state.items.pop(gone, None)
                    state.notices.pop(gone, None)
                self.count += 1
                stream.members[numbered(9, self.count)] = Held("item", 1, "0" * 16, 0, self.random.getrandbits(64))
                return

    def wipe(self, phone: int) -> None:
        """Of one phone, in some runs."""
        if phone == 2 and self.random.random() < 0.1:
            self.server.wipes.setdefault(numbered(2, phone), Directive(numbered(5, phone), "wipe"))

    # What must hold --------------------------------------------------------------------------------------

    def the_worker_sees_his_unsent_edits(self, phone: int) -> None:
        """Whatever was pulled, moved or taken away meanwhile."""
        device = self.devices[phone]
        for item, fields in self._undecided(phone).items():
            seen = device.visible(item)
            if fields is None:
                assert seen is None
            elif not any(told.change.item == item and told.outcome.code == "set_lost" for told in device.told()):
                assert seen is not None
                assert fields.items() <= seen.fields.items()

    def _undecided(self, phone: int) -> dict[UUID, dict[str, Any] | None]:
        """By item what the worker wrote since the server last decided something of his; None for deleted."""
        decided = {change.capture.mono for changes in self.server.ever.values() for change in changes}
        last: dict[UUID, dict[str, Any] | None] = {}
        for clock, (by, item, fields) in self.written.items():
            if by == phone and clock not in decided:
                last[item] = {**(last.get(item) or {}), **fields} if fields else None
        return last

    def come_to_rest(self) -> None:
        self.server.withheld.clear()
        for feed in self.server.feeds.values():
            self.count += 1
            feed.put(Entry(0, "item", numbered(4, self.count), 1, "0" * 16, 0))
        for phone in (0, 1, 2, 0, 1, 2):
            self.seal(phone)
            for _ in range(1000):
                if not self._apply(phone, *self._exchange(phone, 50)).again:
                    break
            else:
                pytest.fail("the device never comes to rest")

    def holds_what_a_full_pull_gives(self, phone: int) -> None:
        device, user = self.devices[phone], self.users[phone]
        expected = {key: self.server.feed(key).present() for key in self.server.streams_of(user)}
        if device.wiped:
            expected = {}
        held = {key: set(members) for key, members in device.memberships().items()}
        assert held == {key: set(present) for key, present in expected.items()}
        for key in expected:
            assert device.digest(key) == self.server.feed(key).digest()
        self._sees(device, [entry for present in expected.values() for entry in present.values()])
        assert (device.unsent, device.forked) == (0, False)
        assert (device._state.salvage, device._state.former_items) == ([], set())
        assert device.repairs == 0 or phone in self.spoiled

    def _sees(self, device: Device, entries: list[Entry]) -> None:
        items = {entry.id: (entry.version, entry.item.fields) for entry in entries if entry.item}
        assert {one.id: (one.version, one.fields) for one in device.items()} == items
        assert {one.id for one in device.parked()} == {entry.id for entry in entries if entry.notice}

    def no_edit_is_lost(self, phone: int) -> None:
        """Each is taken once, in order. What came void after a restore was taken before it; so was a wiped phone's."""
        server, device, wiped = self.server, numbered(2, phone), self.devices[phone].wiped
        log = [entry for entry in server.log if entry[0] == device]
        gone = [no for by, no in server.ever if by == device and (wiped or (by, no) in server.voids)]
        taken = [change.capture.mono for *_, change, _ in log]
        before = {change.capture.mono for no in gone for change in server.ever[device, no]}
        written = [clock for clock, (by, *_) in self.written.items() if by == phone]
        assert sorted({*taken, *before}) == written
        assert gone or taken == written
        refused = [(no, index) for _, no, index, _, told in log if told.outcome not in ("applied", "merged")]
        told = sorted((told.no, told.index) for told in self.devices[phone].told() if told.no not in gone)
        assert told == ([] if wiped else refused)

    def what_was_held_came_back(self) -> None:
        """Each revision that a phone held when it met another epoch was known there or since, or was brought."""
        for epoch, held in self.held:
            known = set().union(*(self.server.known[later] for later in range(epoch, self.server.epoch + 1)))
            assert held <= known | self.server.salvaged


@settings(max_examples=200, deadline=None, print_blob=True)
@example(seed=0, steps=400)
@example(seed=1, steps=400)
@example(seed=54, steps=129)
@example(seed=29223, steps=36)
@given(seed=st.integers(0, 2**32), steps=st.integers(20, 300))
def test_devices_end_as_a_fresh_full_pull_and_lose_nothing(seed: int, steps: int) -> None:
    phones = Phones(Random(seed))
    for _ in range(steps):
        note(phones.step())
    phones.come_to_rest()
    for phone in range(3):
        phones.holds_what_a_full_pull_gives(phone)
        phones.no_edit_is_lost(phone)
    phones.what_was_held_came_back()


def test_the_scripts_meet_everything() -> None:
    """Without overlaps, refusals, moves, repairs, restores and wipes the property above would say little."""
    met: Counter[str] = Counter()
    for seed in range(20):
        phones = Phones(Random(seed))
        for _ in range(250):
            phones.step()
        met.update(outcome.outcome for *_, outcome in phones.server.log)
        met["salvaged"] += len(phones.server.salvaged)
        met["void"] += len(phones.server.voids)
        met["wiped"] += sum(device.wiped for device in phones.devices)
        met["repaired"] += sum(device.repairs for device in phones.devices)
    assert min(met[word] for word in ("applied", "merged", "parked", "quarantined", "rejected", "salvaged")) > 10
    assert min(met[word] for word in ("void", "wiped", "repaired")) > 0
