"""Steps of a scale for numbers of open work: few, and of whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

STEPS = 4


class Step(NamedTuple):
    """Numbers from `low` to `high`, both inclusive."""

    low: int
    high: int


def steps_of(numbers: Iterable[int]) -> list[Step]:
    """At most STEPS steps that hold every number above 0, about equally wide; none where there is no such number."""
    most = max(numbers, default=0)
    ends = sorted({-(-most * part // STEPS) for part in range(1, STEPS + 1)} - {0})
    return [Step(low + 1, high) for low, high in zip([0, *ends], ends, strict=False)]


def step_of(steps: list[Step], number: int) -> int:
    """The place of a number among the steps, beginning with 1; 0 for none."""
    return next((place for place, step in enumerate(steps, 1) if step.low <= number <= step.high), 0)
