"""What measurements say."""

from __future__ import annotations

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One figure with its unit."""

    name: str
    value: float
    unit: str


class Figures(Struct, frozen=True):
    """The figures of one measurement."""

    figures: list[Figure]
