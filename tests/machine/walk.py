"""Walks: episodes of random rules by a seed, each in a city of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import monotonic

from tests.machine import befalling, desks, linking, remapping, sending, twins, writing
from tests.machine.books import Counts
from tests.machine.city import City
from tests.machine.house import House
from tests.machine.rest import come_to_rest
from tests.machine.rules import RULES, apply_rule

EPISODE = 500
"""Steps of one episode; a check at rest comes every `REST` of them, and at the end."""
REST = 125

__all__ = ["RULES", "Walk", "befalling", "desks", "linking", "remapping", "sending", "twins", "walk", "writing"]


@dataclass
class Walk:
    """What a walk came to. `fault` tells what fell, with the steps before it."""

    steps: int = 0
    seeds: list[int] = field(default_factory=list)
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)
    fault: str | None = None


async def walk(
    embedded: dict[str, str], template: str, steps: int, seed: int, tell: Callable[[Walk], object] = id
) -> Walk:
    """Episodes with the seeds from `seed` on, until so many steps are done or something falls.

    `tell` is given what the walk has come to after each.
    """
    result, began = Walk(), monotonic()
    while result.steps < steps and result.fault is None:
        await _episode(embedded, template, min(EPISODE, steps - result.steps), seed, result)
        seed += 1
        result.seconds = monotonic() - began
        tell(result)
    return result


async def _episode(embedded: dict[str, str], template: str, steps: int, seed: int, result: Walk) -> None:
    chance = Random(seed)
    result.seeds.append(seed)
    house = House(embedded, template, chance)
    await house.build()
    city = await City.found(house, chance)
    done = 0
    try:
        while done < steps:
            if await _step(city, chance):
                done += 1
                if done % REST == 0:
                    await come_to_rest(city)
        await come_to_rest(city)
    except Exception as error:
        result.fault = _told(seed, done, city, error)
    finally:
        result.steps += done
        result.counts.add(city.counts)
        await house.demolish()


async def _step(city: City, chance: Random) -> bool:
    """One rule that found something to do."""
    names = list(RULES)
    (name,) = chance.choices(names, [RULES[one].weight for one in names])
    return await apply_rule(city, RULES[name], chance)


def _told(seed: int, step: int, city: City, error: Exception) -> str:
    said = "".join(traceback.format_exception(error))
    trail = "\n".join(city.trail)
    return f"seed {seed}, step {step} of its episode\n{trail}\n\n{city.house.log.getvalue()[-1500:]}\n{said}"
