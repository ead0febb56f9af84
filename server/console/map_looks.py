"""How the shapes of a division's map look: what is drawn of each tier, in which order, named and coloured how."""

from __future__ import annotations

from typing import NamedTuple

from server.console.map_drawing import Area
from server.console.map_lines import MapLine
from server.console.registry_words import KINDS, grid_address, kind_words, map_address
from server.console.visit import Visit
from server.console.work_scale import Step, step_of, steps_of
from server.usecases.registry_map import DivisionMap, MapShape

_LOOKS = {
    "city": {("county", 1): "land", ("street", 2): "place"},
    "county": {("county", 0): "land", ("street", 1): "place", ("community", 2): "thin"},
    "street": {("street", 0): "edge", ("community", 1): "thick", ("grid", 2): "grid"},
    "community": {("community", 0): "edge", ("grid", 1): "grid"},
}
"""By the tier of the map, what is drawn and how: (tier, depth) to a look."""

_PAINTED = ("around", "land", "place", "thin", "grid", "thick", "edge")
"""Looks in the order of painting: outlines of what holds grids are painted over these."""

_COUNTED = {"city": "land", "county": "place", "street": "grid", "community": "grid"}
"""By the tier of the map, the look of what is coloured by the work that is open in it."""

_LETTERS = {"land": (17.0, 0), "thick": (15.0, 0), "place": (12.0, 1), "grid": (12.0, 2), "around": (12.0, 3)}
"""Size and rank of the names of a look; the others are not named."""


WORKLOAD = "workload"
"""The layer that colours by open work, as addresses say it."""


class Shown(NamedTuple):
    """A shape with its look; `open`: how much work is open in it, where the map tells that."""

    look: str
    shape: MapShape
    open: int | None


class Key(NamedTuple):
    """An entry of the legend: classes as on the map, and words."""

    look: str
    fill: str
    words: str


class Look:
    """The looks of one map."""

    def __init__(self, visit: Visit, found: DivisionMap) -> None:
        here = found.sheet.here.division
        looks = _LOOKS[here.tier] | {(here.tier, -1): "around"}
        drawn = [(looks[one.tier, one.depth], one) for one in found.shapes if (one.tier, one.depth) in looks]
        drawn.sort(key=lambda pair: _PAINTED.index(pair[0]))
        self._visit, self._tier, self._community = visit, here.tier, here.name_zh
        self._counts, self._counted = found.work is not None, _COUNTED[here.tier]
        self.shown = [Shown(look, one, self._open(found, look, one)) for look, one in drawn if one.parts]
        self.steps: list[Step] = steps_of(one.open for one in self.shown if one.open is not None)

    def areas(self) -> list[Area]:
        """What is drawn."""
        return [self._area(one) for one in self.shown]

    def lines(self) -> list[MapLine]:
        """What is said of it, in the order of painting."""
        return [self._line(one) for one in self.shown]

    def legend(self) -> list[Key]:
        """What stands on this map, in words."""
        say, looks = self._visit.say, {one.look for one in self.shown}
        keys = [Key(look, "", say(words)) for look, words in _LEGEND if look in looks]
        if self._counts:
            return [*keys, *self._scale()]
        kinds = {one.shape.kind for one in self.shown}
        return [*keys, *(Key("grid", kind, kind_words(self._visit, kind)) for kind in KINDS if kind in kinds)]

    def _scale(self) -> list[Key]:
        say = self._visit.say
        none = Key(self._counted, "work0", say("map.work_none"))
        return [
            none,
            *(Key(self._counted, f"work{n}", _range(self._visit, one)) for n, one in enumerate(self.steps, 1)),
        ]

    def _open(self, found: DivisionMap, look: str, one: MapShape) -> int | None:
        return found.open_in(one.prefix) if self._counts and look == self._counted else None

    def _area(self, one: Shown) -> Area:
        size, rank = _LETTERS.get(one.look, (0.0, 0))
        labels = self._labels(one) if size and one.shape.depth else []
        return Area(one.shape.code, one.shape.parts, labels, size, rank, framed=one.look != "around")

    def _labels(self, one: Shown) -> list[tuple[str, ...]]:
        """The best first."""
        name = self._visit.either(one.shape.name_zh, one.shape.name_en)
        number = [str(one.open)] if one.open else []
        if one.look != "grid":
            return [] if one.look == "place" and self._counts and one.open is None else [(name, *number)]
        serial = one.shape.code[-3:]
        if self._tier == "street":
            return [(*number,)] if number else [] if self._counts else [(serial,)]
        return [(serial, *(number or [name.removeprefix(self._community)])), (serial,)]

    def _line(self, one: Shown) -> MapLine:
        address, more = map_address(one.shape.code, layer=WORKLOAD if self._counts else None), list[str]()
        if one.shape.tier == "grid":
            address, more = grid_address(one.shape.code), [kind_words(self._visit, one.shape.kind)]
        elif one.shape.depth == 0:
            address = ""
        if one.open is not None:
            more.append(self._visit.say("map.work_of", count=one.open))
        name = self._visit.either(one.shape.name_zh, one.shape.name_en)
        fill = one.shape.kind if one.open is None else f"work{step_of(self.steps, one.open)}"
        return MapLine(one.shape.code, address, one.look, " · ".join([name, one.shape.code, *more]), fill)


_LEGEND = (
    ("land", "map.legend_land"),
    ("place", "map.legend_street"),
    ("thick", "map.legend_community"),
    ("thin", "map.legend_community"),
    ("around", "map.legend_around"),
)


def _range(visit: Visit, step: Step) -> str:
    if step.low == step.high:
        return visit.say("map.work_one", low=step.low)
    return visit.say("map.work_range", low=step.low, high=step.high)
