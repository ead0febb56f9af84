"""The territorial rebase: what a change said of its grid, carried to the registry of today. No I/O.

    claim: a code and the registry version at which it was written -> the grids of today that it may mean
    settle: the type's sources in the catalogue's order; the code gives its only grid, or the one that a position is in
    derivation: how that came about, as plain values that are stored with the revision

A position decides among the grids that a code may mean only if one of them holds it and its accuracy circle reaches no
other of them; a border to a grid that is not among them is none between them. Two grids and no such position make a
conflict: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from schemas.item_type import GridSource
from schemas.wire import LegacyCode
from sync.clocks import city_day
from sync.crosswalk import Reading, choose
from sync.derivation import Derivation, Legacy, Other, SeenFix, Written
from sync.registry import Registry
from sync.territory import Finding, Fix, Sighting, Territory, decide_territory


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """A grid as a change names it, by its unified code or by a department's, read by the registry of today.

    `version`: the registry version at which it was written.
    """

    code: str
    version: int
    reading: Reading
    department: str | None = None


class Rebase(Struct, frozen=True, kw_only=True, gc=False):
    """Where an item belongs and why. `chosen_by`: the position that chose among the grids of the claim, if one had to.

    `fixes`: the positions that were asked, by source.
    """

    territory: Territory
    claim: Claim | None
    fixes: Mapping[GridSource, Fix]
    chosen_by: GridSource | None = None

    @property
    def rebased(self) -> bool:
        """Whether the lineage changed the territory: the grid that was named has ended, and another one was told."""
        ended = self.claim is not None and any(hop.ends for hop in self.claim.reading.path)
        return ended and self.territory.grid_id is not None


def read_claim(
    grid: str | None, legacy: LegacyCode | None, version: int, captured_at: datetime, registry: Registry
) -> Claim | None:
    """The unified code as long as grids of today came out of its grid, else the legacy one, by the day of capture."""
    if grid is not None:
        claim = Claim(code=grid, version=version, reading=registry.read_code(grid, version))
        if legacy is None or claim.reading.answer in ("one", "several"):
            return claim
    if legacy is None:
        return None
    reading = registry.crosswalk.read(legacy.department, legacy.code, city_day(captured_at))
    return Claim(code=legacy.code, version=version, reading=reading, department=legacy.department)


def settle(
    sources: Iterable[GridSource],
    claim: Claim | None,
    *,
    fixes: Mapping[GridSource, Fix],
    reference_grid: UUID | None,
    registry: Registry,
    sighting: Sighting,
) -> Rebase:
    """Ask the sources in their order. `fixes` are of those sources alone; `reference_grid` is a current grid."""
    claimed, chosen_by = _grid_of(claim, fixes, registry) if claim else (None, None)
    territory = decide_territory(
        sources,
        point=fixes.get("point"),
        reference_grid=reference_grid,
        capture=fixes.get("capture"),
        claimed_grid=claimed,
        sighting=sighting,
    )
    return Rebase(territory=territory, claim=claim, fixes=fixes, chosen_by=chosen_by)


def _grid_of(
    claim: Claim, fixes: Mapping[GridSource, Fix], registry: Registry
) -> tuple[UUID | None, GridSource | None]:
    """The only grid of a claim, or the one of several that a position chooses, and which position that was."""
    if claim.reading.answer == "one":
        return claim.reading.grids[0], None
    if claim.reading.fault == "ambiguous":
        for source, fix in fixes.items():
            if (grid_id := choose(claim.reading.grids, fix, registry.index)) is not None:
                return grid_id, source
    return None, None


# What is stored -------------------------------------------------------------------------------------------------


def derivation(rebase: Rebase, registry: Registry) -> Derivation:
    """How a grid was told, or why none was. A code that is its grid's own today needs no mention."""
    territory, claim = rebase.territory, rebase.claim
    told = claim if claim and (claim.department or claim.reading.path or claim.reading.fault) else None
    return Derivation(
        registry=registry.version,
        source=territory.source,
        code=registry.code(territory.grid_id),
        disagreeing=tuple([Other(one.source, str(one.grid_id)) for one in territory.disagreeing]),
        written=Written(told.code, told.version, told.reading.answer) if told and not told.department else None,
        legacy=_legacy(rebase),
        path=told.reading.path if told else (),
        candidates=_codes(told.reading.grids, registry) if told else (),
        fix=_seen_fix(rebase, registry) if told or territory.grid_id is None else None,
    )


def _legacy(rebase: Rebase) -> Legacy | None:
    claim = rebase.claim
    if claim is None or claim.department is None:
        return None
    gave = rebase.territory.grid_id if rebase.territory.source == "claimed" else None
    return Legacy(claim.department, claim.code, claim.reading.answer, str(gave) if gave else None)


def _codes(grids: Iterable[UUID], registry: Registry) -> tuple[str, ...]:
    return tuple(registry.code(grid_id) or "" for grid_id in grids)


def _seen_fix(rebase: Rebase, registry: Registry) -> SeenFix | None:
    """The position that decided, with its distance from the border; where nothing did, the first with its reach."""
    territory = rebase.territory
    if territory.grid_id is None:
        return next((_reaching(one, rebase.fixes[one.source], registry) for one in _asked(rebase)), None)
    source = rebase.chosen_by if territory.source == "claimed" else territory.source
    fix = rebase.fixes.get(source) if source else None
    return _deciding(source, fix, territory.grid_id, registry) if source and fix else None


def _asked(rebase: Rebase) -> Iterator[Finding]:
    return (one for one in rebase.territory.findings if one.source in rebase.fixes)


def _deciding(source: GridSource, fix: Fix, grid_id: UUID, registry: Registry) -> SeenFix:
    border_m = registry.index.border_m(grid_id, *fix.wgs84)
    return SeenFix(source, round(fix.accuracy_m), border_m=round(border_m))


def _reaching(finding: Finding, fix: Fix, registry: Registry) -> SeenFix:
    return SeenFix(finding.source, round(fix.accuracy_m), reaches=_codes(finding.candidates, registry))
