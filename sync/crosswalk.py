"""What a department's own grid code stands for today: the crosswalk from legacy codes to current grids. No I/O.

Departments' grids were merged into unified ones, and the old codes live on in ledgers and on door plates. So a code
goes on being translated after its last day, by what it meant last; `retired` is only what was given up without a
successor, or whose places have no grid any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from math import cos, radians
from typing import Final, Literal
from unicodedata import normalize
from uuid import UUID

import shapely
from msgspec import Struct

from sync.coordinates import EARTH_RADIUS_M, to_wgs84
from sync.grid_index import GridIndex, Rings
from sync.lineage import Hop, Lineage
from sync.territory import Fix

Sense = Literal["covers", "one_of", "retired"]
Answer = Literal["one", "several", "ambiguous", "retired", "unknown"]
Fault = Literal["unknown", "retired", "ambiguous"]

_COMMUNITY_DIGITS: Final = 12


class CrosswalkRow(Struct, frozen=True, kw_only=True):
    """A place of a legacy code: all grids of a community, or one grid; days in the city's time, the last inclusive.

    `sense`: the code `covers` the place; or it belongs to `one_of` the places of its rows and nobody wrote down which;
    or it was `retired`, given up without a successor.
    """

    department: str
    legacy_code: str
    valid_from: date
    valid_to: date | None = None
    sense: Sense = "covers"
    community: str | None = None
    grid_id: UUID | None = None


class Reading(Struct, frozen=True):
    """What a code says: `grids` are current ones, in the order of codes.

    `one` has that grid, `several` and `ambiguous` those of which a point may choose one, `retired` those of the places
    that the code once had; none of them follows from it. `unknown` has none. `path`: the steps of the lineage that led
    to these grids, in the order of versions.
    """

    answer: Answer
    grids: tuple[UUID, ...] = ()
    path: tuple[Hop, ...] = ()

    @property
    def fault(self) -> Fault | None:
        """Why this code alone decides nothing; None for one grid."""
        return None if self.answer == "one" else "ambiguous" if self.answer == "several" else self.answer


class Crosswalk:
    """The crosswalk of one registry version. Immutable."""

    def __init__(
        self,
        rows: Iterable[CrosswalkRow] = (),
        grids: Sequence[tuple[UUID, str]] = (),
        lineage: Lineage | None = None,
    ) -> None:
        """Index the rows; `grids` are the current ones as (id, community), in the order of codes."""
        self._lineage = lineage or Lineage()
        self._rows: dict[tuple[str, str], list[CrosswalkRow]] = defaultdict(list)
        for row in rows:
            self._rows[row.department, plain_code(row.legacy_code)].append(row)
        self._places = {grid_id: place for place, (grid_id, _) in enumerate(grids)}
        self._of_community: dict[str, list[UUID]] = defaultdict(list)
        for grid_id, community in grids:
            self._of_community[community].append(grid_id)
        communities = dict(grids)
        # What lay in a community once is still meant by its legacy codes, wherever it lies now and whatever it became.
        for code, grid_id in self._lineage.codes:
            if communities.get(grid_id) != code[:_COMMUNITY_DIGITS]:
                self._of_community[code[:_COMMUNITY_DIGITS]].append(grid_id)

    def read(self, department: str, legacy_code: str, day: date) -> Reading:
        """What this code of this department stands for on that day, or meant last before it.

        Rows that begin later say nothing yet. Of rows that have ended, those that ended last count.
        """
        begun = [row for row in self._rows.get((department, plain_code(legacy_code)), ()) if row.valid_from <= day]
        if not begun:
            return Reading("unknown")
        meant = _latest(begun, day)
        kept = [row for row in meant if row.sense != "retired"]
        grids, path = self._grids(kept or meant), self._path(kept or meant)
        if not kept or not grids:
            return Reading("retired", grids, path)
        if len(grids) == 1:
            return Reading("one", grids, path)
        return Reading("ambiguous" if any(row.sense == "one_of" for row in kept) else "several", grids, path)

    def _path(self, rows: Iterable[CrosswalkRow]) -> tuple[Hop, ...]:
        """What became of grids that are named; of a whole community's ground nothing needs to be told."""
        carried = (self._lineage.carry(row.grid_id, 0).path for row in rows if row.grid_id)
        hops = dict.fromkeys(hop for path in carried for hop in path)
        return tuple(sorted(hops, key=lambda hop: hop.version))

    def _grids(self, rows: Iterable[CrosswalkRow]) -> tuple[UUID, ...]:
        found: set[UUID] = set()
        for row in rows:
            for grid_id in [row.grid_id] if row.grid_id else self._of_community.get(row.community or "", ()):
                found.update(self._lineage.carry(grid_id, 0).grids)
        return tuple(sorted(found & self._places.keys(), key=self._places.__getitem__))


def plain_code(text: str) -> str:
    """A legacy code as it is compared: full-width letters and digits, case and outer blanks make no difference."""
    return normalize("NFKC", text).strip().upper()


def choose(candidates: Iterable[UUID], fix: Fix, index: GridIndex) -> UUID | None:
    """The one candidate that a position lies in, if its accuracy circle touches no other candidate."""
    among = frozenset(candidates)
    lon, lat = to_wgs84(fix.lon, fix.lat, fix.crs)
    inside = _touched(index, lon, lat, 0.0) & among
    near = _touched(index, lon, lat, fix.accuracy_m) & among
    return next(iter(inside)) if len(inside) == 1 and near == inside else None


def metres_to(outline: Rings, fix: Fix) -> float:
    """How far a position is from a grid's outline in WGS-84, 0 inside; its accuracy is not counted."""
    lon, lat = to_wgs84(fix.lon, fix.lat, fix.crs)
    north = radians(1.0) * EARTH_RADIUS_M
    east = north * cos(radians(lat))
    rings = [[((x - lon) * east, (y - lat) * north) for x, y in ring] for ring in outline]
    return float(shapely.Point(0.0, 0.0).distance(shapely.Polygon(rings[0], rings[1:])))


def _touched(index: GridIndex, lon: float, lat: float, accuracy_m: float) -> frozenset[UUID]:
    located = index.locate(lon, lat, accuracy_m)
    return frozenset({located.grid_id} if located.grid_id else located.candidates)


def _latest(rows: Sequence[CrosswalkRow], day: date) -> list[CrosswalkRow]:
    """The rows that hold on the day; where none does, those that ended last."""
    held = [row for row in rows if row.valid_to is None or row.valid_to >= day]
    if held:
        return held
    last = max(row.valid_to for row in rows if row.valid_to is not None)
    return [row for row in rows if row.valid_to == last]
