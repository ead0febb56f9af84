"""Plans of registry changes, as an office would write them for the ground as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

from tests.builders import EAST, WEST, Person
from tests.machine.city import City
from tests.machine.ground import LEAST, Plot

FEWEST, MOST = 3, 7
"""Between so many grids the city goes on: it is not split into dust, and has always something to merge."""


@dataclass
class Wish:
    """One operation: what the plan says, and what it makes of the ground.

    `ends`: grids that end; `begins`: what begins, with whom the plan names to take over, None for the former team;
    `changes`: grids as they go on; `hole`: ground that is given up, `filled` that has a grid again.
    """

    said: dict[str, Any]
    ends: list[Plot] = field(default_factory=list)
    begins: list[tuple[Plot, list[Person] | None]] = field(default_factory=list)
    changes: list[Plot] = field(default_factory=list)
    hole: tuple[int, int] | None = None
    filled: tuple[int, int] | None = None
    outlines: dict[str, dict[str, Any]] = field(default_factory=dict)


Drawing = Callable[[City, Random], Wish | None]
_NOT_YET = UUID(int=0)


def new_code(city: City, community: str) -> str:
    """A code that was never given, in no life of the database."""
    city.serial += 1
    return f"{community}{city.serial:03}"


def split(city: City, chance: Random) -> Wish | None:
    """A grid becomes two, or three; sometimes the plan names who takes one of them over."""
    able = [one for one in city.land.in_order if one.width >= 2 * LEAST]
    if not able or len(city.land.plots) >= MOST:
        return None
    former = chance.choice(able)
    cuts = [former.west, chance.randint(former.west + LEAST, former.east - LEAST), former.east]
    if cuts[2] - cuts[1] >= 2 * LEAST and chance.random() < 0.3:
        cuts.insert(2, chance.randint(cuts[1] + LEAST, cuts[2] - LEAST))
    parts = [_begun(city, former.community, west, east) for west, east in pairwise(cuts)]
    teams: list[list[Person] | None] = [None] * len(parts)
    if chance.random() < 0.4:
        teams[0] = _team(city, chance)
    labels = [_label(*one) for one in zip(parts, teams, strict=True)]
    outlines = {part.code: part.outline for part in parts}
    begins = list(zip(parts, teams, strict=True))
    return Wish({"split": former.code, "into": labels}, [former], begins, outlines=outlines)


def merge(city: City, chance: Random) -> Wish | None:
    """Two neighbours become one; it has the ground of both, without being drawn."""
    pairs = city.land.neighbours()
    if not pairs or len(city.land.plots) <= FEWEST:
        return None
    # The smallest first, or what is split once is all that is ever merged.
    pairs.sort(key=lambda pair: pair[0].width + pair[1].width)
    one, other = pairs[0] if chance.random() < 0.5 else chance.choice(pairs)
    whole = _begun(city, one.community, one.west, other.east)
    said = {"merge": [one.code, other.code], "into": _label(whole, None)}
    return Wish(said, [one, other], [(whole, None)])


def renumber(city: City, chance: Random) -> Wish | None:
    """The same grid under another code of its community."""
    plot = chance.choice(city.land.in_order)
    code = new_code(city, plot.community)
    return Wish({"renumber": plot.code, "to": code}, changes=[plot._replace(code=code)])


def give_away(city: City, chance: Random) -> Wish | None:
    """The same grid in the other community."""
    plot = chance.choice(city.land.in_order)
    code = new_code(city, WEST if plot.community == EAST else EAST)
    return Wish({"move": plot.code, "to": code}, changes=[plot._replace(code=code)])


def redraw(city: City, chance: Random) -> Wish | None:
    """The border between two neighbours is shifted."""
    pairs = [pair for pair in city.land.neighbours() if pair[1].east - pair[0].west > 2 * LEAST]
    if not pairs:
        return None
    one, other = chance.choice(pairs)
    places = [at for at in range(one.west + LEAST, other.east - LEAST + 1) if at != one.east]
    border = chance.choice(places)
    changes = [one._replace(east=border), other._replace(west=border)]
    said = {"redraw": [one.code, other.code]}
    return Wish(said, changes=changes, outlines={after.code: after.outline for after in changes})


def retire(city: City, chance: Random) -> Wish | None:
    """A grid ends, and nothing takes its place, until a new one is made there."""
    if city.land.holes or len(city.land.plots) <= FEWEST:
        return None
    plot = min(city.land.in_order, key=lambda one: (one.width, chance.random()))
    return Wish({"retire": plot.code}, [plot], hole=(plot.west, plot.east))


def found(city: City, chance: Random) -> Wish | None:
    """A new grid where none is, with people of its own."""
    if not city.land.holes:
        return None
    hole = city.land.holes[0]
    plot, team = _begun(city, chance.choice((EAST, WEST)), *hole), _team(city, chance)
    said = {"new": _label(plot, team)}
    return Wish(said, begins=[(plot, team)], filled=hole, outlines={plot.code: plot.outline})


def _begun(city: City, community: str, west: int, east: int) -> Plot:
    """A grid whose id the server makes."""
    return Plot(_NOT_YET, new_code(city, community), west, east)


def _label(plot: Plot, team: list[Person] | None) -> dict[str, Any]:
    label: dict[str, Any] = {"code": plot.code, "name": f"第{plot.code[-3:]}网格"}
    if team is not None:
        label["team"] = [{"user": one.phone, "role": one.role} for one in team]
    return label


def _team(city: City, chance: Random) -> list[Person]:
    """Some of those who are in office, a chief among them where there is one."""
    known = [city.people[one] for one in sorted(city.people) if one not in city.told.left]
    able = [one for one in known if one.role in ("grid_worker", "grid_chief")]
    return chance.sample(able, min(len(able), chance.randint(2, 4)))
