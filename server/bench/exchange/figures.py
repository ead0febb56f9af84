"""What the bench of the exchange says: figures with bar and aim, the machine, and how steady the rounds were."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Sense = Literal["more", "less"]


class Mark(Struct, frozen=True):
    """What is asked of a figure: of its ratio to the ceiling, or of its value where there is none.

    `sense`: whether more or less is better.
    """

    bar: float
    aim: float
    sense: Sense
    of: Literal["ratio", "value"]


MARKS: dict[str, Mark] = {
    "push_c1": Mark(0.25, 0.4, "more", "ratio"),
    "push_c8": Mark(0.25, 0.4, "more", "ratio"),
    "push_c32": Mark(0.25, 0.4, "more", "ratio"),
    "push_100_grids": Mark(0.15, 0.25, "more", "ratio"),
    "full_pull": Mark(0.6, 0.85, "more", "ratio"),
    "poll_rate": Mark(1.0, 2.0, "more", "ratio"),
    "poll_bytes": Mark(300, 200, "less", "value"),
    "poll_requests": Mark(1, 1, "less", "value"),
    "pull10_bytes": Mark(3000, 2300, "less", "value"),
    "pull10_dict_bytes": Mark(2000, 1300, "less", "value"),
    "record_bytes": Mark(130, 105, "less", "value"),
    "repair_bytes": Mark(30_000, 12_000, "less", "value"),
    "repair_trips": Mark(4, 2, "less", "value"),
    "growth_poll": Mark(1.2, 1.05, "less", "value"),
    "growth_pull10": Mark(1.2, 1.05, "less", "value"),
    "evening_p99_s": Mark(2.0, 0.5, "less", "value"),
    "evening_lost": Mark(0, 0, "less", "value"),
}


class Figure(Struct, frozen=True, omit_defaults=True):
    """One figure: the median of its rounds, the ceiling's, and the product's share of it.

    `spread`: the least and the greatest value of the rounds.
    """

    name: str
    value: float
    unit: str
    ceiling: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None

    def reaches(self, wanted: Literal["bar", "aim"]) -> bool | None:
        """Whether it meets what is asked of it; None where nothing is."""
        mark = MARKS.get(self.name)
        measured = None if mark is None else self.ratio if mark.of == "ratio" else self.value
        if mark is None or measured is None:
            return None
        limit = mark.bar if wanted == "bar" else mark.aim
        return measured >= limit if mark.sense == "more" else measured <= limit


class Machine(Struct, frozen=True):
    """Where and when it was measured."""

    cores: int
    memory_mb: int
    cpu: str
    python: str
    postgresql: str
    os: str
    date: str


class ExchangeFigures(Struct, frozen=True):
    """Everything that one run says. `ceiling_of_bare`: by figure, how much of the bare database the ceiling reached."""

    figures: list[Figure]
    machine: Machine
    rounds: int
    workers: int
    ceiling_of_bare: dict[str, float]
