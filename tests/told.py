"""A few grids of the demo city and their history, told in memory: dense enough for every ending an event can have."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from server.demo.city import City, one_street
from server.demo.history.chronicle import Chronicle, Life
from server.demo.history.plan import Scale
from server.demo.history.telling import Historian, Setting
from server.demo.people import Person
from server.services import Services

SCALE = Scale(
    dwellings=4, residents=9, organisations=2, facilities=1.5, cared_for=2, events=12, one_open_in=3
)  # 24 of 72 events stay open
_COMMUNITIES = 2

HOURS = [
    datetime.fromisoformat(moment)
    for moment in (
        "2025-01-01T00:00:30+08:00",  # the first minute of a year
        "2025-02-01T08:00:00+08:00",  # offices open, in the Spring Festival
        "2025-03-31T09:00:01+08:00",  # the day has just begun to be told
        "2025-06-18T12:50:00+08:00",
        "2025-09-27T18:00:00+08:00",  # offices close, on a Saturday
    )
]
"""Moments at which a history may end, and at which it once went wrong."""


class Told(NamedTuple):
    """What was told of a few grids, and until when."""

    setting: Setting
    chronicles: list[Chronicle]

    @property
    def lives(self) -> list[Life]:
        """All lives."""
        return [life for chronicle in self.chronicles for life in chronicle.lives.values()]


def few_grids(grids_each: int = 3) -> City:
    """So many grids each of two communities, with their teams and all offices."""
    whole = one_street()
    communities = sorted({grid.community_code for grid in whole.grids})[:_COMMUNITIES]
    grids = [
        grid
        for community in communities
        for grid in [one for one in whole.grids if one.community_code == community][:grids_each]
    ]
    codes = {grid.code for grid in grids}
    kept = (_within(person, codes) for person in whole.people)
    return replace(whole, grids=tuple(grids), people=tuple(one for one in kept if one.assignments), devices=())


def _within(person: Person, codes: set[str]) -> Person:
    held = tuple(one for one in person.assignments if one.grid_code is None or one.grid_code in codes)
    return replace(person, assignments=held)


def tell(services: Services, setting: Setting) -> Told:
    """Tell the history without loading it."""
    historian = Historian(services, setting)
    return Told(setting, [historian.tell(community) for community in historian.communities])
