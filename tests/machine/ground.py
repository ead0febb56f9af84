"""The ground of the city as the machine knows it: a strip of equal cells, and which of them every grid has now.

It is kept by arithmetic of its own, so that the registry can be held against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from tests.builders import GRIDS, grid_id
from tests.integration.registry_change_scene import spot, strip

CELLS = 16
"""Cells of a grid of the beginning, of 59 metres each."""
LEAST = 3
"""Cells that a grid keeps, so that there is always one whose middle is far from its borders."""
_WEST, _DEGREES = 117.9, 0.01


class Plot(NamedTuple):
    """A grid: its id, its code, and its cells from `west` up to `east`."""

    id: UUID
    code: str
    west: int
    east: int

    @property
    def community(self) -> str:
        """The 12 digits of its community."""
        return self.code[:12]

    @property
    def width(self) -> int:
        """How many cells it has."""
        return self.east - self.west

    def place(self, chance: Random) -> dict[str, Any]:
        """A point in it: the middle of a cell, or now and then right on its border."""
        if chance.random() < 0.06:
            return spot(self.west / CELLS)
        return spot((self.west + chance.randrange(self.width) + 0.5) / CELLS)

    @property
    def outline(self) -> dict[str, Any]:
        """Its ground as a plan draws it."""
        return strip(self.west / CELLS, self.east / CELLS)


class Moving(NamedTuple):
    """A registry version whose items are still being moved, and the grids that it ended."""

    version: int
    ended: frozenset[UUID]


@dataclass
class Land:
    """The registry as the city was told of it: `codes` are all that were ever given, with their grids.

    `holes`: ground that no grid has.
    """

    version: int = 1
    plots: dict[UUID, Plot] = field(default_factory=dict)
    codes: dict[str, UUID] = field(default_factory=dict)
    holes: list[tuple[int, int]] = field(default_factory=list)
    moving: Moving | None = None

    @classmethod
    def of_the_beginning(cls) -> Land:
        """Four grids side by side."""
        plots = [Plot(grid_id(code), code, at * CELLS, (at + 1) * CELLS) for at, code in enumerate(GRIDS)]
        return cls(plots={one.id: one for one in plots}, codes={one.code: one.id for one in plots})

    @property
    def in_order(self) -> list[Plot]:
        """From west to east."""
        return sorted(self.plots.values(), key=lambda one: one.west)

    @property
    def ended_codes(self) -> list[str]:
        """Codes that no grid bears any more."""
        borne = {one.code for one in self.plots.values()}
        return sorted(self.codes.keys() - borne)

    def neighbours(self) -> list[tuple[Plot, Plot]]:
        """Grids with a common border."""
        row = self.in_order
        return [(one, other) for one, other in pairwise(row) if one.east == other.west]

    def at(self, ids: Iterable[UUID]) -> list[Plot]:
        """Those of these grids that are current, from west to east."""
        wanted = set(ids)
        return [one for one in self.in_order if one.id in wanted]


def plot_of(view: Any) -> Plot:
    """A grid as `GET /v1/registry` tells it."""
    lons = [lon for lon, _ in view["outline"][0]]
    return Plot(UUID(view["id"]), view["code"], _cell(min(lons)), _cell(max(lons)))


def cells_of(outline: Sequence[Sequence[Sequence[float]]]) -> tuple[int, int]:
    """The cells of an outline from west to east."""
    lons = [point[0] for point in outline[0]]
    return _cell(min(lons)), _cell(max(lons))


def _cell(lon: float) -> int:
    return round((lon - _WEST) / _DEGREES * CELLS)
