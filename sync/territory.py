"""Which grid an item belongs to: an order of sources, each of which gives one grid or tells why not. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal, get_args
from uuid import UUID

from msgspec import Meta, Struct

from schemas.item_type import GridSource
from sync.coordinates import Crs, LonLat, to_wgs84
from sync.grid_index import GridIndex, Located

Answer = Literal["grid", "empty", "outside", "border", "not_current"]

_WORTH_ARRAYS = 30
"""From so many positions on, measuring all at once is cheaper than one by one, on square grids and on bent ones."""


class Fix(Struct, frozen=True, gc=False, rename={"accuracy_m": "accuracy"}):
    """A position in degrees of `crs`, accuracy in metres.

    Converted from the point of a form, one that cannot be is refused; one that is made here is believed.
    """

    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    crs: Crs
    accuracy_m: Annotated[float, Meta(ge=0, le=1_000_000)]

    @property
    def wgs84(self) -> LonLat:
        """Its longitude and latitude in WGS-84."""
        return (self.lon, self.lat) if self.crs == "wgs84" else to_wgs84(self.lon, self.lat, self.crs)


class Sighting:
    """A grid index that is asked by positions and remembers; those of a whole change set it measures at once."""

    def __init__(self, index: GridIndex, fixes: Iterable[Fix] = ()) -> None:
        """Measure these positions; any other is measured when it is asked for."""
        self._index = index
        asked = list(fixes)
        self._known: dict[Fix, Located] = {}
        if len(asked) >= _WORTH_ARRAYS:
            lons, lats = zip(*[fix.wgs84 for fix in asked], strict=True)
            located = index.locate_many(lons, lats, [fix.accuracy_m for fix in asked])
            self._known = dict(zip(asked, located, strict=True))

    def __contains__(self, grid_id: object) -> bool:
        return grid_id in self._index

    def locate(self, fix: Fix) -> Located:
        """`GridIndex.locate`, of a position in any system."""
        known = self._known.get(fix)
        if known is None:
            known = self._known[fix] = self._index.locate(*fix.wgs84, fix.accuracy_m)
        return known


class Finding(Struct, frozen=True, gc=False):
    """What one source said: a grid, or why it gives none, with the candidates of a fix across a border."""

    source: GridSource
    answer: Answer
    grid_id: UUID | None = None
    candidates: tuple[UUID, ...] = ()


_EMPTY: Final = {source: Finding(source, "empty") for source in get_args(GridSource)}


class Territory(Struct, frozen=True, gc=False):
    """The grid of an item and the source that decided; both None is a territory conflict.

    `disagreeing` are later sources that gave another grid: a flag, nothing moves. `findings` derives it.
    """

    grid_id: UUID | None
    source: GridSource | None
    disagreeing: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def decide_territory(
    sources: Iterable[GridSource],
    *,
    point: Fix | None,
    reference_grid: UUID | None,
    capture: Fix | None,
    claimed_grid: UUID | None,
    sighting: Sighting,
) -> Territory:
    """Decide an item's grid by the catalogue's `territory_from`: the first source to give one current grid.

    `reference_grid` and `claimed_grid` are carried to the current registry version, None where a field is
    empty or a grid has no single successor. GridSources that the type does not name are not asked.
    """
    said = {"point": point, "reference": reference_grid, "capture": capture, "claimed": claimed_grid}
    findings: list[Finding] = []
    disagreeing: list[Finding] = []
    decisive: Finding | None = None
    for source in sources:
        finding = _find(source, said[source], sighting)
        findings.append(finding)
        if finding.grid_id is None:
            continue
        if decisive is None:
            decisive = finding
        # Mostly it is the very same id, and need not be compared.
        elif finding.grid_id is not decisive.grid_id and finding.grid_id != decisive.grid_id:
            disagreeing.append(finding)
    if decisive is None:
        return Territory(None, None, (), tuple(findings))
    return Territory(decisive.grid_id, decisive.source, tuple(disagreeing), tuple(findings))


def _find(source: GridSource, said: Fix | UUID | None, sighting: Sighting) -> Finding:
    if said is None:
        return _EMPTY[source]
    if isinstance(said, UUID):
        return Finding(source, "grid", said) if said in sighting else Finding(source, "not_current")
    located = sighting.locate(said)
    if located.grid_id is not None:
        return Finding(source, "grid", located.grid_id)
    return Finding(source, "border" if located.on_border else "outside", None, located.candidates)
