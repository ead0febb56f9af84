"""Tells the grid of an item from its change, by the sources that the catalogue names for its type."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct, ValidationError, convert, to_builtins

from schemas.forms import CompiledType
from schemas.item_type import GridSource
from schemas.wire import Change
from sync.crosswalk import Fault
from sync.items import Fields
from sync.rebase import Background, Rebase, derivation, read_claim, settle
from sync.registry import Registry
from sync.territory import Fix, Sighting

PlaceFault = Fault | Literal["border", "untold"]
PlacingKind = Literal["code", "territory"]

Fixes = dict[GridSource, Fix]
"""By source, the position that it has: the item's own point, and where its author stood."""


class UnsettledCode(Struct, frozen=True, kw_only=True):
    """The code of an item that no source placed: why it decides nothing, and the current grids it may stand for.

    `code`: empty where none was given; then `fault` is `border` for a position too near to one, else `untold`.
    `department`: whose legacy code it is; None for a unified one. `counties`: the first 6 digits of where its author
    worked when he wrote it, which is all that is known of its place without a candidate.
    """

    code: str
    fault: PlaceFault
    candidates: tuple[UUID, ...] = ()
    department: str | None = None
    counties: tuple[str, ...] = ()


class Placement(Struct, frozen=True, gc=False):
    """The grid and how it was found, as plain values to be stored; without a grid what a person has to settle.

    `kind`: of the conflict that this makes: about a code that says nothing, or about where an understood one leads.
    `rebased`: the registry changed the territory. `then`: the grid that it was written in, where that may differ.
    """

    grid_id: UUID | None
    derivation: dict[str, Any]
    unsettled: UnsettledCode | None = None
    kind: PlacingKind = "code"
    rebased: bool = False
    then: UUID | None = None


class Writing(Struct, frozen=True, gc=False):
    """When a change was written: by estimate, and at which registry version by its set.

    `known`: the version by which its ground is judged, see `Registry.known`. `reference_grid`: where the item in the
    field of the source `reference` lay at that version.
    """

    captured_at: datetime
    version: int
    known: int
    reference_grid: UUID | None = None


def place(
    change: Change,
    compiled: CompiledType,
    fixes: Fixes,
    reference_grid: UUID | None,
    registry: Registry,
    writing: Writing,
    sighting: Sighting | None = None,
) -> Placement:
    """Ask the sources in the catalogue's order. A legacy code is read by the day of the capture.

    `reference_grid`: that of the item in the field of the source `reference`. `sighting`: the registry's index with
    positions that were measured beforehand. The derivation's `from` is the grid that it was written in, if another one.
    """
    seen = sighting or Sighting(registry.index)
    claimed = registry.by_code.get(change.grid) if change.grid else None
    of_today = writing.known >= registry.version <= writing.version and change.legacy is None
    if of_today and (claimed is not None or change.grid is None):
        placement = agreed(compiled.territory, claimed, fixes, reference_grid, registry, seen)
        if placement is not None:
            return placement
    return settled(change, compiled, fixes, reference_grid, registry, writing, seen)


def agreed(
    sources: Iterable[GridSource],
    claimed_grid: UUID | None,
    fixes: Fixes,
    reference_grid: UUID | None,
    registry: Registry,
    sighting: Sighting,
) -> Placement | None:
    """What `settled` gives for nearly all changes: all that they tell is one grid of today. None for any other."""
    told: UUID | None = None
    told_by: GridSource | None = None
    for source in sources:
        if source in fixes:
            grid_id = sighting.locate(fixes[source]).grid_id
        elif source == "reference":
            grid_id = registry.current(reference_grid)
        else:
            grid_id = claimed_grid if source == "claimed" else None
        if told is None:
            told, told_by = grid_id, source
        elif grid_id is not None and grid_id is not told:
            return None
    if told is None:
        return None
    return Placement(told, {"registry": registry.version, "source": told_by, "code": registry.code(told)})


def settled(
    change: Change,
    compiled: CompiledType,
    fixes: Fixes,
    reference_grid: UUID | None,
    registry: Registry,
    writing: Writing,
    sighting: Sighting,
) -> Placement:
    """The placement by `sync.rebase`, with all that there is to say of it."""
    asked, version, captured_at = compiled.territory, writing.version, writing.captured_at
    rebase = settle(
        asked,
        read_claim(change.grid, change.legacy, version, captured_at, registry) if "claimed" in asked else None,
        fixes=fixes,
        reference_grid=reference_grid,
        registry=registry,
        sighting=sighting,
        background=Background(writing.known, writing.reference_grid) if writing.known < registry.version else None,
    )
    told, then, grid_id = to_builtins(derivation(rebase, registry)), rebase.then, rebase.territory.grid_id
    if then is not None and then != grid_id:
        told["from"] = str(then)
    if grid_id is not None:
        return Placement(grid_id, told, rebased=rebase.rebased, then=then)
    return Placement(None, told, _unsettled(rebase), _kind(rebase), then=then)


def _unsettled(rebase: Rebase) -> UnsettledCode:
    claim = rebase.claim
    if claim is not None and claim.reading.fault is not None:
        candidates, department = claim.reading.grids, claim.department
        return UnsettledCode(code=claim.code, fault=claim.reading.fault, candidates=candidates, department=department)
    reached = dict.fromkeys(one for finding in rebase.territory.findings for one in finding.candidates)
    return UnsettledCode(code="", fault="border" if reached else "untold", candidates=tuple(reached))


def _kind(rebase: Rebase) -> PlacingKind:
    claim = rebase.claim
    return "territory" if claim is None or (claim.reading.path and not claim.department) else "code"


def positions(change: Change, compiled: CompiledType, fields: Fields) -> Fixes:
    """The positions that the type asks for, as far as they can be told from an unchecked form."""
    fixes: Fixes = {}
    point, position = fields.get(compiled.point_field), change.capture.position
    if point is not None and (own := _unchecked(point)) is not None:
        fixes["point"] = own
    if position is not None and "capture" in compiled.territory:
        fixes["capture"] = Fix(position.lon, position.lat, position.crs, position.accuracy)
    return fixes


def _unchecked(point: object) -> Fix | None:
    try:
        return convert(point, Fix)
    except (ValidationError, UnicodeError):
        return None  # no position at all: the form's own check says so
