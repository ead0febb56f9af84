"""What will become of work that nobody has heard of yet, told from the ledger by the functions that decide it. Pure.

A real city cannot do this, for it does not know what is on its phones. A rehearsal does, and so it shows whether the
rules that the plan's report stands on are the rules by which the server decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import pairwise
from uuid import UUID

from msgspec import Struct, convert

from schemas.forms import packaged
from schemas.item_type import GridSource
from server.rehearse.work import Claimed
from server.simulate.ledger import Written
from sync.crosswalk import CrosswalkRow
from sync.lineage import CodeValidity, Lineage
from sync.merge import merge_fields
from sync.rebase import read_claim, settle
from sync.registry import Registry
from sync.registry_changes.changes import Changed
from sync.territory import Fix, Sighting


class Forecast(Struct, frozen=True):
    """Of unsent work: new items that come into a grid that begins, and conflicts."""

    moves: int
    conflicts: int


def registry_after(now: Registry, rows: Iterable[CrosswalkRow], changed: Changed) -> Registry:
    """The registry that a plan would make of one that has no lineage yet. `rows`: those of the crosswalk."""
    version, gone = now.version + 1, {label.id for label in (*changed.ended, *changed.relabelled)}
    former = [
        CodeValidity(label.code, label.id, 1, version if label.id in gone else None) for label in now.labels.values()
    ]
    begun = [CodeValidity(label.code, label.id, version) for label in changed.labels]
    staying = [label for label in now.labels.values() if label.id not in gone]
    lineage = Lineage(changed.steps, [*former, *begun])
    return Registry(version, [*staying, *changed.labels], lineage, rows)


def foretell(
    claims: Iterable[Claimed], changes: Iterable[Written], after: Registry, begun: Collection[UUID], known: int
) -> Forecast:
    """Hold new items and edits against the registry to be. `known`: the registry version that phones have."""
    told = [_grid_of(claim, after, known) for claim in claims]
    moves = sum(grid_id in begun for grid_id in told)
    return Forecast(moves, sum(grid_id is None for grid_id in told) + _overlaps(changes))


def _grid_of(claim: Claimed, after: Registry, known: int) -> UUID | None:
    compiled = packaged().types[claim.type]
    sources: list[GridSource] = list(compiled.territory)
    read = read_claim(claim.grid, claim.legacy, known, claim.at, after) if "claimed" in sources else None
    fixes: dict[GridSource, Fix] = {}
    if compiled.point_field in claim.fields:
        fixes["point"] = convert(claim.fields[compiled.point_field], Fix)
    if claim.position is not None and "capture" in sources:
        at = claim.position
        fixes["capture"] = Fix(at.lon, at.lat, at.crs, at.accuracy)
    sighting = Sighting(after.index)
    rebase = settle(sources, read, fixes=fixes, reference_grid=None, registry=after, sighting=sighting)
    return rebase.territory.grid_id


def _overlaps(changes: Iterable[Written]) -> int:
    """Edits of one item by two phones of which neither knew the other's, where a person has to settle a field."""
    by_item: defaultdict[UUID, list[Written]] = defaultdict(list)
    for change in changes:
        by_item[change.item].append(change)
    return sum(_meet(one, other, edits[0]) for edits in by_item.values() for one, other in _unseen(edits))


def _unseen(edits: list[Written]) -> list[tuple[Written, Written]]:
    offline = [one for one in edits if one.op == "update"]
    return [(one, other) for one, other in pairwise(offline) if one.device != other.device]


def _meet(one: Written, other: Written, created: Written) -> bool:
    form = packaged().types[created.type]
    merged = merge_fields(
        other.fields,
        server=created.fields | one.fields,
        base=created.fields,
        changed=set(one.fields),
        policy_of=form.merge_policy,
        longest=lambda key: form.fields[key].max_length,
    )
    return bool(merged.overlaps)
