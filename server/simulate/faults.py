"""Bad luck, drawn from the seed: what happens to the requests of one phone."""

from __future__ import annotations

from random import Random
from typing import Literal

from msgspec import Struct

Fate = Literal["fine", "request_lost", "answer_lost", "doubled", "raced"]
"""Of a request that carries change sets.

`request_lost`: never sent. `answer_lost`: sent in full, the answer thrown away. `doubled`: the same bytes once more
afterwards. `raced`: the same bytes twice at once.
"""

_FATES: tuple[Fate, ...] = ("request_lost", "answer_lost", "doubled", "raced")
_MOST_IN_A_ROW = 6


class Rates(Struct, frozen=True):
    """How often each thing happens, as a share of the occasions for it."""

    request_lost: float = 0.06
    answer_lost: float = 0.22
    doubled: float = 0.04
    raced: float = 0.04
    answer_applied_late: float = 0.5
    app_killed: float = 0.2
    token_expired: float = 0.15
    old_token_used: float = 0.02
    token_answer_lost: float = 0.35
    enrolment_answer_lost: float = 0.1
    upload_cut: float = 0.1
    day_offline: float = 0.22


class Luck:
    """The dice of one phone: separate ones for each kind of luck, so that none shifts another."""

    def __init__(self, seed: str, rates: Rates) -> None:
        self._dice = {what: Random(f"{seed}/{what}") for what in (*Rates.__struct_fields__, "fate")}
        self._rates = rates
        self._in_a_row = 0

    def fate(self) -> Fate:
        """What happens to the next request; bad luck never lasts longer than six tries."""
        if self._in_a_row >= _MOST_IN_A_ROW:
            self._in_a_row = 0
            return "fine"
        drawn = self._draw_fate()
        self._in_a_row = self._in_a_row + 1 if drawn.endswith("lost") else 0
        return drawn

    def strikes(self, what: str) -> bool:
        """Whether this piece of bad luck, named as in `Rates`, happens now."""
        return self._dice[what].random() < getattr(self._rates, what)

    def _draw_fate(self) -> Fate:
        drawn = self._dice["fate"].random()
        for fate in _FATES:
            drawn -= getattr(self._rates, fate)
            if drawn < 0:
                return fate
        return "fine"
