"""The records of a grid: visits from door to door in the first days, a few later, and what is put right afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from schemas.wire import Change
from server.demo.history.chronicle import Life
from server.demo.history.ground import Ground, LonLat
from server.demo.history.moments import DAYS, Days
from server.demo.history.plan import Scale, share
from server.made_up.forms import make_fields

_SURVEY_DAYS = 9
_AFTER_THE_SURVEY = 0.2
_HOME_EDITED = 0.06
_EDITED_AGAIN = 0.2
# Where a phone knows its place no more: people are written down at home.
_INDOORS = ("0101", "0104")


class Visit(NamedTuple):
    """What one worker writes down in one place and sends as one set; a dwelling comes with those who live there."""

    received_at: datetime
    code: str
    residents: int = 0


def plan_visits(scale: Scale, place: int, days: Days, rng: Random) -> list[Visit]:
    """The visits in a grid; `place`: its place in the city. Public places first, so that others may refer to them."""
    visits = [
        *_of_type("0105", share(scale.facilities, place).count, 3, days, rng),
        *_of_type("0103", share(scale.organisations, place).count, _SURVEY_DAYS, days, rng),
        *_of_homes(share(scale.dwellings, place).count, share(scale.residents, place).count, days, rng),
        *_of_type("0104", share(scale.cared_for, place).count, _SURVEY_DAYS, days, rng, after=4),
    ]
    return sorted(visits)


def _of_type(code: str, count: int, within: int, days: Days, rng: Random, after: int = 0) -> Iterator[Visit]:
    return (Visit(_survey_moment(within, days, rng, after), code) for _ in range(count))


def _of_homes(dwellings: int, residents: int, days: Days, rng: Random) -> Iterator[Visit]:
    living = [0] * dwellings
    for _ in range(residents if dwellings else 0):
        living[rng.randrange(dwellings)] += 1
    return (Visit(_survey_moment(_SURVEY_DAYS, days, rng), "0102", count) for count in living)


def _survey_moment(within: int, days: Days, rng: Random, after: int = 0) -> datetime:
    """In the first days, or, less often, on some later one."""
    late = rng.random() < _AFTER_THE_SURVEY
    back = rng.randrange(0, DAYS - within - after) if late else DAYS - after - rng.randrange(within)
    return days.on_day(back, rng)


def write_visit(ground: Ground, visit: Visit) -> None:
    """What was written on a visit, how it was reviewed, and what was put right later."""
    author = ground.rng.choice(ground.staff.team(ground.grid.code))
    if visit.code == "0104" and not _uncared(ground):
        return
    lives = ground.chronicle.push(author, list(_changes(ground, visit)), visit.received_at)
    for life in lives:
        ground.keep(life)
        ground.be_reviewed(life, visit.received_at)
        _edit_later(ground, life)


def _uncared(ground: Ground) -> bool:
    return len(ground.held.get("0101", ())) > len(ground.cared)


def _changes(ground: Ground, visit: Visit) -> Iterator[tuple[Change, datetime]]:
    spot, rng = ground.spot(), ground.rng
    at = ground.written_before(visit.received_at) - timedelta(minutes=3 * visit.residents)
    first = _written(ground, visit.code, at, spot, None if visit.code in _INDOORS else spot)
    yield first
    home = {"0102": [str(first[0].item)]}
    for _ in range(visit.residents):
        at += timedelta(seconds=rng.randint(60, 180))
        yield _written(ground, "0101", at, spot, None, home)


def _written(
    ground: Ground,
    code: str,
    at: datetime,
    spot: LonLat,
    fix: LonLat | None,
    items: dict[str, list[str]] | None = None,
) -> tuple[Change, datetime]:
    return ground.create(code, make_fields(code, ground.rng, ground.scene(at, spot, items)), at, fix)


def _edit_later(ground: Ground, life: Life) -> None:
    """A second visit days later, by whoever works there then."""
    rng, at = ground.rng, life.stirred_at
    chance = _HOME_EDITED
    while rng.random() < chance:
        at = ground.days.working(at + timedelta(days=rng.expovariate(1 / 6), hours=1), rng)
        if at >= ground.days.latest or not ground.correct(life, rng.choice(ground.staff.team(ground.grid.code)), at):
            return
        ground.be_reviewed(life, at)
        at, chance = max(at, life.stirred_at), _EDITED_AGAIN
