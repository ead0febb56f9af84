"""The plan of work: what each worker will do on each day, drawn from the seed before anything happens."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from schemas.forms import packaged

DAYS = 5
"""Simulated days of work."""

RECORDS = ("0102", "0105", "0103", "0101", "0104")
"""Record types in the order in which they can be made: later ones refer to earlier ones."""

# Beside two of every type (one or two where a photo is needed), what is frequent in a grid.
_FREQUENT = {
    "0101": 8, "0102": 3, "0104": 3, "0201": 2, "0203": 1, "0401": 1, "0402": 2, "0403": 1, "0501": 1, "0502": 1,
    "0504": 1, "0702": 2, "0704": 1, "0802": 1,
}  # fmt: skip
_PART_TIME_ROUNDS = 4
_FIRST_DAY_RECORDS = 0.5
_FLAWED = 0.8
_OWN_EDITS_A_DAY = 3
_DELETES = 0.35
_LONG_SPELL = 0.4


class Day(Struct, frozen=True):
    """One worker's day, apart from what he shares with others.

    `creates`: item types. `online`: whether the phone finds a network in the evening.
    """

    creates: list[str]
    edits: int
    deletes: int
    flawed: bool
    online: bool


def plan_days(seed: str, part_time: bool, day_offline: float) -> list[Day]:
    """The days of one worker."""
    rng = Random(seed)
    creates = _part_time_creates(rng) if part_time else _full_time_creates(rng)
    flawed_on = rng.randrange(DAYS) if rng.random() < _FLAWED else -1
    online = _online(rng, day_offline)
    return [
        Day(
            creates=creates[day],
            edits=0 if day == 0 else rng.randint(1, 2 * _OWN_EDITS_A_DAY - 1),
            deletes=int(day > 0 and not part_time and rng.random() < _DELETES),
            flawed=day == flawed_on,
            online=online[day],
        )
        for day in range(DAYS)
    ]


def _full_time_creates(rng: Random) -> list[list[str]]:
    """The records that all else refers to come first, the rest in any order."""
    deck = [code for code, needs_photo in _types() for _ in range(rng.randint(1, 2) if needs_photo else 2)]
    deck += [code for code, more in _FREQUENT.items() for _ in range(more)]
    rng.shuffle(deck)
    first = sorted((code for code in deck if code in RECORDS), key=RECORDS.index)
    first = [code for code in first if rng.random() < _FIRST_DAY_RECORDS]
    for code in first:
        deck.remove(code)
    a_day = (len(deck) + len(first)) // DAYS
    return _dealt([*first, *deck], max(len(first), a_day))


def _part_time_creates(rng: Random) -> list[list[str]]:
    open_types = [code for code, form in packaged().types.items() if form.type.part_time == "report_only"]
    deck = open_types * _PART_TIME_ROUNDS
    rng.shuffle(deck)
    return _dealt(deck, len(deck) // DAYS)


def _dealt(deck: Sequence[str], on_first: int) -> list[list[str]]:
    rest = deck[on_first:]
    return [list(deck[:on_first]), *(list(rest[day :: DAYS - 1]) for day in range(DAYS - 1))]


def _types() -> list[tuple[str, bool]]:
    return [(code, form.type.photo.report_min > 0) for code, form in packaged().types.items()]


def _online(rng: Random, day_offline: float) -> list[bool]:
    """The first day ends with a network; a spell without lasts one day or two, and may outlast the plan."""
    online = [True] * DAYS
    for day in range(1, DAYS):
        if rng.random() < day_offline:
            online[day] = False
            if day + 1 < DAYS and rng.random() < _LONG_SPELL:
                online[day + 1] = False
    return online
