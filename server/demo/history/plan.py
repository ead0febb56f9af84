"""How much happened: so many items of each type a grid, and what became of the events."""

from __future__ import annotations

from math import floor

from msgspec import Struct

SEED = 341100


class Scale(Struct, frozen=True, kw_only=True):
    """Items a grid, on average. The whole city has 2,088 grids: 100,224 records and 10,000 events.

    `one_open_in`: of so many events one is not closed: 97 % are handled.
    """

    dwellings: float = 12.0
    residents: float = 27.0
    organisations: float = 4.0
    facilities: float = 2.5
    cared_for: float = 2.5
    events: float = 10_000 / 2_088
    one_open_in: int = 33


class Share(Struct, frozen=True):
    """The events of one grid, by their numbers in the city: `first` and how many."""

    first: int
    count: int


def share(rate: float, place: int) -> Share:
    """What falls to the grid in this place if each has so much on average: no grid far from it, the sum exact."""
    first = floor(place * rate)
    return Share(first, floor((place + 1) * rate) - first)
