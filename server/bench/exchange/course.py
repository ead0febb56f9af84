"""What is wished for, what was measured so far, and the refusal to tell what cannot be stood for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct

from server.bench.exchange.evening import MINUTES
from server.bench.exchange.figures import Figure
from server.bench.exchange.house import House

LEAST_OF_BARE = 0.6
"""A ceiling below this share of the bare database is no ceiling."""


class CeilingTooLow(Exception):
    """The ceiling did not reach its share of the bare database, so that its ratios would flatter."""

    def __init__(self, reached: float) -> None:
        super().__init__(
            f"对照只达到裸数据库的 {reached:.2f}（至少须 {LEAST_OF_BARE}），其比值没有意义，不予报告；"
            "请在空闲的机器上重测 / "
            f"the ceiling reached only {reached:.2f} of the bare database, {LEAST_OF_BARE} are needed, so its "
            "ratio would mean nothing and is not told: measure again on a quiet machine"
        )


class Wish(Struct, frozen=True):
    """What to measure and how.

    `sets`: change sets of a phone in a round; `items`: what a reading phone holds; `few`: what the database
    holds before it grows; `minutes`: how long the evening lasts, of which a shorter one has as many fewer phones.
    """

    only: frozenset[str] = frozenset()
    rounds: int = 5
    workers: int = 2
    sets: int = 10
    items: int = 20_000
    few: int = 2_000
    minutes: float = MINUTES
    grids: int = 2100
    least_of_bare: float = LEAST_OF_BARE


class Course:
    """What has been measured so far, and whom to tell how far it has come."""

    def __init__(self, house: House, wish: Wish, say: Callable[[str], None]) -> None:
        self.house, self.wish, self.say = house, wish, say
        self.figures: list[Figure] = []
        self.of_bare: dict[str, float] = {}

    def wants(self, *names: str) -> bool:
        """Whether any of these figures was wished for."""
        return not self.wish.only or not self.wish.only.isdisjoint(names)

    def add(self, figure: Figure) -> None:
        """Keep a figure, if it was wished for."""
        if self.wants(figure.name):
            self.figures.append(figure)


def compared(name: str, product: Sequence[float], ceiling: Sequence[float], unit: str) -> Figure:
    """The median of the product beside that of the ceiling."""
    value, top = median(product), median(ceiling)
    return Figure(name, round(value, 1), unit, round(top, 1), round(value / top, 3), span(product, 1))


def told(name: str, values: Sequence[float], unit: str, digits: int = 1) -> Figure:
    """The median of the rounds."""
    return Figure(name, round(median(values), digits), unit, spread=span(values, digits))


def span(values: Sequence[float], digits: int) -> tuple[float, float]:
    """The least and the greatest."""
    return round(min(values), digits), round(max(values), digits)
