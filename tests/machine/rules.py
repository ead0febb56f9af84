"""The rules by name: what each does once, and how often it is chosen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

from tests.machine.city import City
from tests.machine.handset import Handset

Doing = Callable[[City, Random], Awaitable[bool]]


class Rule(NamedTuple):
    """`doing` gives False where it found nothing to be done to."""

    name: str
    weight: float
    doing: Doing


RULES: dict[str, Rule] = {}


def rule(weight: float) -> Callable[[Doing], Doing]:
    """Enter a rule under its own name; of all weights together it is chosen by its share."""

    def enter(doing: Doing) -> Doing:
        name = doing.__name__.strip("_")
        RULES[name] = Rule(name, weight, doing)
        return doing

    return enter


async def apply_rule(city: City, rule: Rule, chance: Random) -> bool:
    """Do it once; what was done is counted."""
    city.trail.append(rule.name)
    done = await rule.doing(city, chance)
    if done:
        city.counts.rules[rule.name] += 1
    else:
        city.trail.pop()
    return done


def writers(city: City) -> list[Handset]:
    """Phones on which somebody may write: he has work, as far as the phone knows."""
    return [one for one in city.phones if not one.device.wiping and not one.outdated and one.plots]


def senders(city: City) -> list[Handset]:
    """Phones that have signal."""
    return [one for one in city.phones if one.online]


def tell(city: City, text: object) -> None:
    """Say more of the last step in the trail."""
    city.trail[-1] += f" {text}"
