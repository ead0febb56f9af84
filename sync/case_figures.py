"""How well cases are dealt with: three rates that answer three questions, from counts.

处置率, how much of what was taken up has been handled; 结案率, how much of it is closed; 按期结案率, how much of what
should be closed by now was handled within its limit. What was not accepted or is void counts in none of them, what
nobody has taken up only in the last, once its limit has passed. What its author fixed on the spot was taken up, handled
and closed at once.
"""

from __future__ import annotations

from msgspec import Struct


class Tally(Struct, frozen=True, kw_only=True):
    """Numbers of cases. `waiting`: reported, and nobody has taken them up yet.

    `due`: closed, or past the limit of handling without having been handled in it; cases on hold are not due.
    `in_time`: of these, closed and handled within the limit. `overdue`: not handled, and the limit has passed.
    """

    waiting: int
    taken_up: int
    handled: int
    closed: int
    due: int
    in_time: int
    overdue: int


class Figures(Struct, frozen=True, kw_only=True):
    """The rates of a tally between 0 and 1; None where there was nothing of which it could be one."""

    tally: Tally
    handling_rate: float | None
    closing_rate: float | None
    punctual_rate: float | None


def figures(tally: Tally) -> Figures:
    """处置率, 结案率 and 按期结案率 of a tally."""
    return Figures(
        tally=tally,
        handling_rate=_rate(tally.handled, tally.taken_up),
        closing_rate=_rate(tally.closed, tally.taken_up),
        punctual_rate=_rate(tally.in_time, tally.due),
    )


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
