"""Devices against a model server under every kind of bad luck: they end as a fresh full pull, and no edit is lost."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from schemas.wire import Capture, Clock, Entry, ExchangeAnswer
from sync.device import Device
from tests.property.model_server import GRIDS, NOW, Item, ModelServer

CLOCK = Clock(NOW, 1, "boot")
CAPTURE = Capture(NOW, 1, "boot")
NAMES = ["height", "colour", "remark"]
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
        self.written: list[tuple[int, UUID, dict[str, Any]]] = []
        self.count = 0

    def step(self) -> str:
        name = self.random.choices(list(HAPPENINGS), list(HAPPENINGS.values()))[0]
        phone = self.random.randrange(3)
        getattr(self, name)(phone)
        self.the_worker_sees_his_unsent_edits(phone)
        return f"{name} {phone}"

    # Workers ---------------------------------------------------------------------------------------------

    def create(self, phone: int) -> None:
        self.count += 1
        item, fields = numbered(3, self.count), {"height": self.count}
        self.devices[phone].create_item(item, "0401", CAPTURE, fields, grid=self.random.choice(GRIDS))
        self.written.append((phone, item, fields))

    def _seen_item(self, phone: int) -> UUID | None:
        seen = [item.id for item in self.devices[phone].items()]
        return self.random.choice(seen) if seen else None

    def edit(self, phone: int) -> None:
        if item := self._seen_item(phone):
            self.count += 1
            fields = {self.random.choice(NAMES): self.count}
            self.devices[phone].edit_item(item, CAPTURE, fields)
            self.written.append((phone, item, fields))

    def delete(self, phone: int) -> None:
        if item := self._seen_item(phone):
            self.devices[phone].delete_item(item, CAPTURE)
            self.written.append((phone, item, {}))

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

    def exchange(self, phone: int) -> None:
        for _ in range(self.random.randint(1, 4)):
            serial, answer = self._exchange(phone, self.random.randint(1, 3))
            self.devices[phone].apply_answer(serial, answer)

    def exchange_twice_delivered(self, phone: int) -> None:
        serial, answer = self._exchange(phone, 2)
        self.devices[phone].apply_answer(serial, answer)
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
        device.apply_answer(slow.serial, slow_answer)
        device.apply_answer(fast.serial, fast_answer)

    def arrive(self, _: int, again: bool = False) -> None:
        if self.air:
            index = self.random.randrange(len(self.air))
            phone, serial, answer = self.air[index] if again else self.air.pop(index)
            self.devices[phone].apply_answer(serial, answer)

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

    # What must hold --------------------------------------------------------------------------------------

    def the_worker_sees_his_unsent_edits(self, phone: int) -> None:
        """Whatever was pulled, moved or taken away meanwhile."""
        device = self.devices[phone]
        for item, fields in self._undecided(phone).items():
            seen = device.visible(item)
            if fields is None:
                assert seen is None
            else:
                assert seen is not None
                assert fields.items() <= seen.fields.items()

    def _undecided(self, phone: int) -> dict[UUID, dict[str, Any] | None]:
        """By item what the worker wrote since the server last decided something of his; None for deleted."""
        decided = Counter(by for by, *_ in self.server.log)[numbered(2, phone)]
        last: dict[UUID, dict[str, Any] | None] = {}
        for _, item, fields in [one for one in self.written if one[0] == phone][decided:]:
            last[item] = {**(last.get(item) or {}), **fields} if fields else None
        return last

    def come_to_rest(self) -> None:
        for phone in (0, 1, 2, 0, 1, 2):
            self.seal(phone)
            for _ in range(1000):
                serial, answer = self._exchange(phone, 50)
                if not self.devices[phone].apply_answer(serial, answer).again:
                    break
            else:
                pytest.fail("the device never comes to rest")

    def holds_what_a_full_pull_gives(self, phone: int) -> None:
        device, user = self.devices[phone], self.users[phone]
        expected = {key: self.server.feed(key).present() for key in self.server.streams_of(user)}
        held = {key: set(members) for key, members in device.memberships().items()}
        assert held == {key: set(present) for key, present in expected.items()}
        for key in expected:
            assert device.digest(key) == self.server.feed(key).digest()
        self._sees(device, [entry for present in expected.values() for entry in present.values()])
        assert (device.unsent, device.repairs) == (0, 0)

    def _sees(self, device: Device, entries: list[Entry]) -> None:
        items = {entry.id: (entry.item.version, entry.item.fields) for entry in entries if entry.item}
        assert {one.id: (one.version, one.fields) for one in device.items()} == items
        assert {one.id for one in device.parked()} == {entry.id for entry in entries if entry.notice}

    def no_edit_is_lost(self, phone: int) -> None:
        log = [entry for entry in self.server.log if entry[0] == numbered(2, phone)]
        written = [(item, fields) for by, item, fields in self.written if by == phone]
        assert [(change.item, change.fields) for *_, change, _ in log] == written
        refused = [(no, index) for _, no, index, _, told in log if told.outcome not in ("applied", "merged")]
        assert sorted((told.no, told.index) for told in self.devices[phone].told()) == refused


@settings(max_examples=300, deadline=None, print_blob=True)
@example(seed=0, steps=400)
@example(seed=1, steps=400)
@example(seed=54, steps=129)
@given(seed=st.integers(0, 2**32), steps=st.integers(20, 300))
def test_devices_end_as_a_fresh_full_pull_and_lose_nothing(seed: int, steps: int) -> None:
    phones = Phones(Random(seed))
    for _ in range(steps):
        note(phones.step())
    phones.come_to_rest()
    for phone in range(3):
        phones.holds_what_a_full_pull_gives(phone)
        phones.no_edit_is_lost(phone)


def test_the_scripts_meet_every_outcome() -> None:
    """Without overlaps, refusals and moves the property above would say little."""
    outcomes: Counter[str] = Counter()
    for seed in range(20):
        phones = Phones(Random(seed))
        for _ in range(150):
            phones.step()
        outcomes.update(outcome.outcome for *_, outcome in phones.server.log)
    assert set(outcomes) == {"applied", "merged", "parked", "quarantined"}
    assert min(outcomes.values()) > 10
