"""The rules of `tests.machine` under Hypothesis: short cities whose steps it chooses, the same ones every time.

`python -m tests.machine` walks on for as long as one likes.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.machine import befalling
from tests.machine.city import City
from tests.machine.handset import Handset
from tests.machine.hearing import hear, send, sync
from tests.machine.house import House
from tests.machine.rest import come_to_rest
from tests.machine.rules import Rule, apply_rule
from tests.machine.table import KINDS, OUTCOMES, STATUSES, is_enough
from tests.machine.walk import RULES, Walk, walk
from tests.machine.writing import create, edit, home

pytestmark = pytest.mark.long

_STEPS = 40
_CHANCE = st.randoms(use_true_random=False)


class CityMachine(RuleBasedStateMachine):
    """One city, opened by its first step and closed by its last."""

    services: tuple[dict[str, str], str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.house: House | None = None
        self.city: City | None = None

    @initialize(seed=st.integers(0, 2**32))
    def found(self, seed: int) -> None:
        """Build it."""
        chance = Random(seed)
        self.house = House(*self.services, chance)
        self.runner.run(self.house.build())
        self.city = self.runner.run(City.found(self.house, chance))

    @invariant()
    def everybody_has_a_phone(self) -> None:
        """Whatever is given up is replaced."""
        assert self.city is None or self.city.phones

    def do(self, one: Rule, chance: Random) -> None:
        """One step."""
        if self.city is not None:
            self.runner.run(apply_rule(self.city, one, chance))

    def teardown(self) -> None:
        """Come to rest and look, then leave nothing behind."""
        try:
            if self.city is not None:
                self.runner.run(come_to_rest(self.city))
        finally:
            if self.house is not None:
                self.runner.run(self.house.demolish())
            self.runner.close()


def _step(one: Rule) -> Any:
    def step(self: CityMachine, chance: Random) -> None:
        self.do(one, chance)

    step.__name__ = one.name
    return rule(chance=_CHANCE)(step)


def test_whatever_happens_devices_and_server_converge(embedded: dict[str, str], template: str) -> None:
    steps = {name: _step(one) for name, one in RULES.items()}
    machine = type("Machine", (CityMachine,), {"services": (embedded, template), **steps})
    wanted = settings(
        max_examples=5,
        stateful_step_count=_STEPS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=wanted)


async def test_a_walk_by_a_seed_holds(embedded: dict[str, str], template: str) -> None:
    """One short walk in which the rules come by their weights; what falls is told with its steps."""
    walked = await walk(embedded, template, 150, seed=20)
    assert walked.fault is None, walked.fault
    assert walked.counts.checks >= 2
    assert walked.counts.outcomes["applied"] > 10


def test_a_long_walk_in_which_something_is_rare_says_so() -> None:
    named = [*RULES, *OUTCOMES, *STATUSES, *KINDS]
    rare = is_enough(Walk(steps=10_000, seeds=[1]))
    assert len(rare) == len(named)
    assert is_enough(Walk(steps=9_999, seeds=[1])) == []


async def test_an_answer_from_before_a_restore_replaces_what_is_held(embedded: dict[str, str], template: str) -> None:
    """What a phone takes in before it hears of the restore it holds from then on, and that alone comes back."""
    chance = Random(0)
    house = House(embedded, template, chance)
    await house.build()
    try:
        await _hear_late(await City.found(house, chance), chance)
    finally:
        await house.demolish()


async def _hear_late(city: City, chance: Random) -> None:
    reader, writer = city.phones[0], await city.give_phone(city.phones[0].person)
    item = create(city, writer, "0102", home(writer, chance))
    await _push(city, writer, chance)
    await befalling.backup(city, chance)
    for version in (2, 3):
        edit(city, writer, writer.device.visible(item), "address")
        await _push(city, writer, chance)
        reader.air.append(await send(city, reader))
        if version == 2:
            hear(city, reader, reader.air.pop())
    city.phones.remove(writer)
    await befalling.silent_restore(city, chance)
    await come_to_rest(city)
    kept = await city.rows("SELECT item_version FROM quarantine WHERE outcome = 'salvaged' AND item_id = $1", item)
    assert [row["item_version"] for row in kept] == [3]


async def _push(city: City, phone: Handset, chance: Random) -> None:
    phone.seal(chance)
    await sync(city, phone)
