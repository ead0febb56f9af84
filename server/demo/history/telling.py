"""Tells the history of one community, grid by grid; the same for the same seed and moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import Random

from msgspec import Struct

from server.demo.city import City
from server.demo.grids import Grid
from server.demo.history.chronicle import Chronicle
from server.demo.history.events import Happening, plan_events, tell_event
from server.demo.history.ground import Common, Ground
from server.demo.history.moments import Days
from server.demo.history.pictures import Album, Picture
from server.demo.history.plan import SEED, Scale
from server.demo.history.records import Visit, plan_visits, write_visit
from server.demo.history.staff import Staff, division_of
from server.made_up.names import Locality, road
from server.services import Services
from server.usecases.sessions import Caller

_ROADS = 3


class Setting(Struct, frozen=True):
    """What all of the history follows from; `now`: aware, the end of it."""

    city: City
    now: datetime
    pictures: tuple[Picture, ...]
    scale: Scale = Scale()
    seed: int = SEED


class Historian:
    """Tells the communities of a city."""

    def __init__(self, services: Services, setting: Setting) -> None:
        self._services, self._setting = services, setting
        self._staff = Staff(setting.city, setting.now)
        self._days, self._album = Days(setting.now), Album(setting.pictures)
        self._places = {grid.code: place for place, grid in enumerate(setting.city.grids)}
        self._names = {division.code: division.name_zh for division in setting.city.divisions}
        self.communities = communities_of(setting.city)

    def tell(self, community: str) -> Chronicle:
        """Everything that happened in a community; no own stream of anybody reaches beyond it."""
        chronicle = Chronicle(self._services, self._staff)
        common = Common(chronicle, self._days, self._album)
        part_timers = self._staff.part_timers(community, self.communities)
        own = [grid for grid in self._setting.city.grids if grid.community_code == community]
        for grid in own:
            neighbours = [one.code for one in own if one is not grid]
            self._tell_grid(common, grid, neighbours, part_timers)
        return chronicle

    def _tell_grid(self, common: Common, grid: Grid, neighbours: Sequence[str], part_timers: Sequence[Caller]) -> None:
        rng = Random(f"{self._setting.seed}/{grid.code}")
        ground = Ground(common, grid, self._locality(grid, rng), rng)
        scale, place = self._setting.scale, self._places[grid.code]
        happenings = plan_events(scale, place, self._days, rng)
        told: list[Visit | Happening] = [*plan_visits(scale, place, self._days, rng), *happenings]
        for one in sorted(told, key=lambda one: one.received_at):
            if isinstance(one, Visit):
                write_visit(ground, one)
            else:
                tell_event(ground, one, neighbours, part_timers)

    def _locality(self, grid: Grid, rng: Random) -> Locality:
        return Locality(
            grid.code[:6],
            self._names[division_of(grid.code, "county")],
            self._names[division_of(grid.code, "street")],
            tuple(road(rng) for _ in range(_ROADS)),
            grid.compounds,
        )


def communities_of(city: City) -> list[str]:
    """The codes of all communities that have grids, in order."""
    return sorted({grid.community_code for grid in city.grids})
