"""The territorial rebase: what a change said of its grid, carried to the registry of today. No I/O.

    claim: a code and the registry version at which it was written -> the grids of today that it may mean
    settle: the type's sources in the catalogue's order; the code gives its only grid, or the one that a position is in;
        and the same sources as of the version by which its author worked: the grid that he wrote it in
    derivation: how that came about, as plain values that are stored with the revision

A position decides among the grids that a code may mean only if one of them holds it and its accuracy circle reaches no
other of them; a border to a grid that is not among them is none between them. Two grids and no such position make a
conflict: nothing is guessed.

A border that moved between two grids that both go on is no step between them, so what their codes mean says nothing
about it. The grid that a change was written in then differs from the one that it belongs to now all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.item_type import GridSource
from schemas.wire import LegacyCode
from sync.clocks import city_day
from sync.crosswalk import Reading, choose
from sync.derivation import Derivation, Legacy, Other, SeenFix, Written
from sync.former_ground import Then
from sync.lineage import Hop, Lineage
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


class Background(Struct, frozen=True, gc=False):
    """The registry version that the author of a change worked by, and where what it refers to lay at that version."""

    known: int
    reference_grid: UUID | None = None


class Rebase(Struct, frozen=True, kw_only=True, gc=False):
    """Where an item belongs and why. `chosen_by`: the position that chose among the grids of the claim, if one had to.

    `fixes`: the positions that were asked, by source. `then`: the grid in which it was written, by the registry version
    `known`; None where that registry tells none, or where no ground has changed since. `ground`: as it was then.
    """

    territory: Territory
    claim: Claim | None
    fixes: Mapping[GridSource, Fix]
    chosen_by: GridSource | None = None
    known: int = 0
    then: UUID | None = None
    ground: Then | None = None

    @property
    def changed_hands(self) -> bool:
        """Whether it was written in one grid and belongs to another one now."""
        return self.then is not None and self.territory.grid_id not in (None, self.then)

    @property
    def rebased(self) -> bool:
        """Whether the registry changed the territory: what was named has ended, or the ground changed hands."""
        ended = self.claim is not None and any(hop.ends for hop in self.claim.reading.path)
        return (ended and self.territory.grid_id is not None) or self.changed_hands


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
    background: Background | None = None,
) -> Rebase:
    """Ask the sources in their order. `fixes` are of those sources alone; `reference_grid` is a current grid.

    `background`: None for what is written by the registry of today.
    """
    claimed, chosen_by = _grid_of(claim, fixes, registry) if claim else (None, None)
    territory = decide_territory(
        sources,
        point=fixes.get("point"),
        reference_grid=reference_grid,
        capture=fixes.get("capture"),
        claimed_grid=claimed,
        sighting=sighting,
    )
    if background is None or not registry.ground.changed_since(background.known):
        return Rebase(territory=territory, claim=claim, fixes=fixes, chosen_by=chosen_by)
    known = background.known
    ground = Then(registry.ground, registry.lineage, known, sighting)
    then = _grid_then(sources, claim, fixes, background, registry.lineage, ground)
    return Rebase(
        territory=territory, claim=claim, fixes=fixes, chosen_by=chosen_by, known=known, then=then, ground=ground
    )


def _grid_then(
    sources: Iterable[GridSource],
    claim: Claim | None,
    fixes: Mapping[GridSource, Fix],
    background: Background,
    lineage: Lineage,
    ground: Then,
) -> UUID | None:
    """The first grid that the sources tell as of the version that the author worked by."""
    for source in sources:
        if source in fixes:
            grid_id = ground.locate(fixes[source]).grid_id
        else:
            named = {"reference": background.reference_grid, "claimed": _named_then(claim, lineage)}.get(source)
            grid_id = named if named in ground else None
        if grid_id is not None:
            return grid_id
    return None


def _named_then(claim: Claim | None, lineage: Lineage) -> UUID | None:
    """A unified code names one grid for good; of a legacy one only what it means today is known."""
    if claim is None:
        return None
    if claim.department is None:
        return lineage.grid_of(claim.code)
    return claim.reading.grids[0] if claim.reading.answer == "one" else None


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
    """How a grid was told, or why none was. A code whose grid and ground are the same needs no mention."""
    territory, claim, ground = rebase.territory, rebase.claim, _ground_path(rebase, registry)
    needed = claim and (rebase.changed_hands or claim.department or claim.reading.path or claim.reading.fault)
    told = claim if needed else None
    return Derivation(
        registry=registry.version,
        source=territory.source,
        code=registry.code(territory.grid_id),
        disagreeing=tuple([Other(one.source, str(one.grid_id)) for one in territory.disagreeing]),
        written=_written(rebase, told, registry),
        legacy=_legacy(rebase),
        path=_with_ground(told.reading.path, ground) if told else ground,
        candidates=_codes(told.reading.grids, registry) if told else (),
        fix=_seen_fix(rebase, registry) if told or territory.grid_id is None or rebase.changed_hands else None,
    )


def _written(rebase: Rebase, told: Claim | None, registry: Registry) -> Written | None:
    """The code that was given; without one, that of the grid in which it was written, where it is another one today."""
    if told is not None:
        return None if told.department else Written(told.code, told.version, told.reading.answer)
    if rebase.then is None or not rebase.changed_hands:
        return None
    return Written(registry.lineage.code_at(rebase.then, rebase.known) or "", rebase.known)


def _with_ground(path: tuple[Hop, ...], ground: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """All steps in the order of versions. That a border was moved is told once: by where this piece of ground went."""
    left = [hop for hop in path if hop not in ground] if ground else path
    named = [hop for hop in left if not any(_is_told_by(hop, one) for one in ground)]
    return tuple(sorted([*named, *ground], key=lambda hop: hop.version)) if named else ground


def _is_told_by(hop: Hop, ground: Hop) -> bool:
    return hop.kind == ground.kind == "redraw" and (hop.version, hop.before) == (ground.version, ground.before)


def _ground_path(rebase: Rebase, registry: Registry) -> tuple[Hop, ...]:
    """The steps of the ground at the position that told; else those of the grid, if they lead to the item's."""
    then, now, told = rebase.then, rebase.territory.grid_id, _told_by(rebase)
    if then is None or not rebase.changed_hands:
        return ()
    if told and rebase.ground and now and (path := rebase.ground.path(told[1], then, now)):
        return path
    carried = registry.lineage.carry(then, rebase.known)
    if now in carried.grids:
        return carried.path
    after = registry.code(now) or ""
    redrawn = [hop for hop in carried.path if hop.kind == "redraw"]
    return tuple(replace(hop, after=(after,)) for hop in redrawn[:1])


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
    told = _told_by(rebase)
    return _deciding(*told, territory.grid_id, registry) if told else None


def _told_by(rebase: Rebase) -> tuple[GridSource, Fix] | None:
    """The position that decided, if one did."""
    source = rebase.chosen_by if rebase.territory.source == "claimed" else rebase.territory.source
    fix = rebase.fixes.get(source) if source else None
    return (source, fix) if source and fix else None


def _asked(rebase: Rebase) -> Iterator[Finding]:
    return (one for one in rebase.territory.findings if one.source in rebase.fixes)


def _deciding(source: GridSource, fix: Fix, grid_id: UUID, registry: Registry) -> SeenFix:
    border_m = registry.index.border_m(grid_id, *fix.wgs84)
    return SeenFix(source, round(fix.accuracy_m), border_m=round(border_m))


def _reaching(finding: Finding, fix: Fix, registry: Registry) -> SeenFix:
    return SeenFix(finding.source, round(fix.accuracy_m), reaches=_codes(finding.candidates, registry))
