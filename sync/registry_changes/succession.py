"""Which grid an item belongs to once grids have changed: by its own point, what it refers to, else the only successor.

A position tells something only if its ground changed hands: it lay in the item's grid before, and lies in a grid now.
So an item that was put into its grid by something else, as by the code that its author chose, follows that grid.
Positions count here without the circle of their accuracy: the grid was settled before, and which part of it a point
lies in is asked of the point alone. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from schemas.forms import CompiledCatalogue, CompiledType
from schemas.item_type import GridSource
from sync.coordinates import to_wgs84
from sync.grid_index import GridIndex
from sync.items import Fields
from sync.territory import Fix

Source = Literal["point", "reference", "capture", "successor", "none"]


class Ground(NamedTuple):
    """The grid that a position lay in before the change, and the one that it lies in now; None for none."""

    before: UUID | None
    now: UUID | None


class Referred(NamedTuple):
    """The grid of what an item refers to, as it is now, and the one that this change took it from, if it did."""

    grid_id: UUID | None
    taken_from: UUID | None = None


class Clues(Struct, frozen=True, kw_only=True):
    """What is known of where an item lies: its grid until now, and by source what tells more."""

    grid_id: UUID
    sources: tuple[GridSource, ...]
    point: Ground | None = None
    capture: Ground | None = None
    reference: Referred | None = None


class Verdict(NamedTuple):
    """The grid that an item belongs to from now on, None where a person must tell; and what told it."""

    grid_id: UUID | None
    source: Source


class Succession:
    """The grids that one registry version ended or redrew, and what takes their place."""

    def __init__(self, successors: Mapping[UUID, tuple[UUID, ...]], current: GridIndex, former: GridIndex) -> None:
        """`successors`: per grid that ended what takes its place; `current`: the grids since then; `former`: those that
        ended or were redrawn, as they were before."""
        self._successors = successors
        self.current = current
        self.former = former

    def successors(self, grid_id: UUID) -> tuple[UUID, ...]:
        """The grids that take the place of one that ended, if they are still current."""
        return tuple(one for one in self._successors.get(grid_id, ()) if one in self.current)

    def ended(self, grid_id: UUID) -> bool:
        """Whether this change ended a grid."""
        return grid_id in self._successors

    def ground(self, fixes: Sequence[Fix]) -> list[Ground]:
        """Where positions lay and lie, in their order."""
        if not fixes:
            return []
        lons, lats = zip(*(to_wgs84(fix.lon, fix.lat, fix.crs) for fix in fixes), strict=True)
        exactly = [0.0] * len(fixes)
        before = self.former.locate_many(lons, lats, exactly)
        now = self.current.locate_many(lons, lats, exactly)
        return [Ground(one.grid_id, other.grid_id) for one, other in zip(before, now, strict=True)]

    def follow(self, item: Clues) -> Verdict:
        """The grid of an item whose grid was ended or redrawn, by the sources of its type in their order."""
        for source in item.sources:
            found = self._asked(source, item)
            if found is not None:
                return Verdict(found, "reference" if source == "reference" else _position(source))
        if not self.ended(item.grid_id):
            return Verdict(item.grid_id, "successor")
        successors = self.successors(item.grid_id)
        return Verdict(successors[0], "successor") if len(successors) == 1 else Verdict(None, "none")

    def _asked(self, source: GridSource, item: Clues) -> UUID | None:
        if source == "reference":
            return self._by_reference(item)
        ground = {"point": item.point, "capture": item.capture}.get(source)
        return ground.now if ground and ground.before == item.grid_id else None

    def _by_reference(self, item: Clues) -> UUID | None:
        """A grid that still stands is left only for what this very change took out of it."""
        referred = item.reference
        if referred is None or referred.grid_id is None or referred.grid_id not in self.current:
            return None
        follows = self.ended(item.grid_id) or referred.taken_from == item.grid_id
        return referred.grid_id if follows else None


def place_of_deleted(grid_id: UUID, verdict: Verdict, successors: Sequence[UUID]) -> UUID:
    """Where a deleted item goes: along with the others, to the first of the successors where nothing tells which, and
    nowhere where there is none. For it may be restored, and what still refers to it follows it.
    """
    return verdict.grid_id or (successors[0] if successors else grid_id)


def _position(source: GridSource) -> Source:
    return "point" if source == "point" else "capture"


def own_position(compiled: CompiledType, fields: Fields) -> Fix | None:
    """The item's own point, where its type tells the grid from one."""
    value = fields.get(compiled.territory.get("point") or "")
    return Fix(value["lon"], value["lat"], value["crs"], value["accuracy"]) if value else None


def grid_reference(compiled: CompiledType, fields: Fields) -> UUID | None:
    """The item that its type tells the grid from, if it names one."""
    value = fields.get(compiled.territory.get("reference") or "")
    return UUID(value) if value else None


def ranks(catalogue: CompiledCatalogue) -> list[tuple[str, ...]]:
    """The item types in the order in which their items follow: what others are placed by comes before these.

    A type that may refer to itself comes once; of two of its items the later one by id sees where the earlier one went.
    """
    named: Mapping[str, frozenset[str]] = {code: told_by(compiled) for code, compiled in catalogue.types.items()}
    ordered: list[tuple[str, ...]] = []
    done: set[str] = set()
    while left := [code for code in sorted(named) if code not in done]:
        ready = tuple(code for code in left if named[code] - {code} <= done) or tuple(left)
        ordered.append(ready)
        done.update(ready)
    return ordered


def told_by(compiled: CompiledType) -> frozenset[str]:
    """The types of the items that an item of this type may be placed by."""
    field = compiled.territory.get("reference")
    return frozenset(compiled.reference_fields[field]) if field else frozenset()
