"""Records a second that phones push: the product, the ceiling and the bare database in turn, round by round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median

from msgspec import Struct

from server.bench.exchange.crew import Crew, pushing, rate
from server.bench.exchange.house import Cpu, House, cpu_seconds
from server.bench.exchange.town import enrol

RECORDS = 100
PROCESSES = 2
_SPARE = 3
"""How many times more sets the ceiling and the bare database are given: they need less time for each."""


class Load(Struct, frozen=True):
    """How many phones push, how many sets each in a round, and in how many grids each."""

    clients: int
    sets: int
    grids: int = 1
    first_grid: int = 0


class Rates(Struct, frozen=True):
    """Records a second in each round; `cpu`: seconds of the product for 1,000 records."""

    product: list[float]
    ceiling: list[float]
    bare: list[float]
    cpu: list[Cpu]

    def add(self, product: float, ceiling: float, bare: float, cpu: Cpu) -> None:
        """One more round."""
        self.product.append(product)
        self.ceiling.append(ceiling)
        self.bare.append(bare)
        self.cpu.append(cpu)

    @property
    def reached(self) -> float:
        """How much of the bare database the ceiling reached."""
        return median(self.ceiling) / median(self.bare)


async def measure(house: House, load: Load, rounds: int, told: Callable[[int], None]) -> Rates:
    """All rounds; a first one warms up both sides and is not counted. `told` hears of each. Raises Void."""
    teams = [_team(load, number) for number in range(load.clients)]
    phones = await enrol(house.services, "grid_chief", teams)
    rates = Rates([], [], [], [])
    with pushing(phones, f"push {load.clients} {load.grids}", RECORDS, min(PROCESSES, load.clients)) as crew:
        await asyncio.to_thread(crew.do, "warm", house.port)
        for number in range(rounds + 1):
            one = await asyncio.to_thread(_round, house, crew, load)
            if number:
                rates.add(*one)
            told(number)
    return rates


def _round(house: House, crew: Crew, load: Load) -> tuple[float, float, float, Cpu]:
    crew.do("make", load.sets, load.sets * _SPARE)
    before = cpu_seconds(house.supervisor)
    product = crew.do("push", house.port)
    after = cpu_seconds(house.supervisor)
    ceiling = crew.do("push_ceiling", house.ceiling_port)
    bare = crew.do("bare", house.ceiling_url)
    thousands = sum(one.done for one in product) / 1000
    spent = Cpu(*((one - other) / thousands for one, other in zip(after, before, strict=True)))
    return rate(product), rate(ceiling), rate(bare), spent


def _team(load: Load, number: int) -> tuple[int, ...]:
    first = load.first_grid + number * load.grids
    return tuple(range(first, first + load.grids))
