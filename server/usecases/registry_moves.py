"""What is known of a registry version whose items are moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from server.db import registry_moves
from server.db.database import Connection
from server.db.registry import load_registry
from server.db.registry_moves import NOWHERE
from server.usecases.registry_drafting import index_of
from server.usecases.registry_reports import Counts, Followed, followed
from sync.lineage import Step
from sync.registry import GridLabel, Registry
from sync.registry_changes.changes import successors_of
from sync.registry_changes.succession import Succession


class Moving(NamedTuple):
    """A registry version whose items are moved, and the registry of today.

    `former`: the grids that it ended or changed, as they were, by id; `touched`: those whose items are looked at.
    `successors`: per ended grid what it is today; where a successor has ended itself since, what became of that.
    """

    version: int
    reason: str
    registry: Registry
    steps: list[Step]
    former: Mapping[UUID, GridLabel]
    touched: list[UUID]
    successors: Mapping[UUID, tuple[UUID, ...]]

    @property
    def ended(self) -> list[UUID]:
        """The grids that it ended."""
        return sorted(self.successors)

    def code(self, grid_id: UUID) -> str:
        """The code that a grid bears now, or bore last."""
        lineage, known = self.registry.lineage, self.registry.code(grid_id)
        return known or lineage.code_at(grid_id, self.registry.version) or str(grid_id)

    def succession(self) -> Succession:
        """How items follow."""
        return Succession(self.successors, self.registry.index, index_of(list(self.former.values())))


async def load_moving(connection: Connection, version: int) -> Moving:
    """What is to be known for moving the items of a registry version; read in one snapshot."""
    registry = await load_registry(connection)
    former = {label.id: label for label in await registry_moves.former_grids(connection, version)}
    steps = await registry_moves.steps_of_version(connection, version)
    reason = await registry_moves.reason_of_version(connection, version)
    touched = sorted(grid_id for grid_id, label in former.items() if _altered(label, registry))
    carry = registry.lineage.carry
    successors = {grid_id: carry(grid_id, version - 1).grids for grid_id in successors_of(steps)}
    return Moving(version, reason, registry, steps, former, touched, successors)


async def result_of(connection: Connection, moving: Moving) -> Followed:
    """What became of the items so far."""
    counts: Counts = Counter()
    for row in await registry_moves.counted_moves(connection, moving.version):
        to = row["to_grid"] if row["to_grid"] != NOWHERE else None
        counts[row["from_grid"], to, row["type"]] += row["items"]
    report = await registry_moves.move_report(connection, moving.version)
    assert report is not None
    grids = {grid_id for one, other, _ in counts for grid_id in (one, other) if grid_id}
    return followed(counts, report["looked"], {grid_id: moving.code(grid_id) for grid_id in grids})


def _altered(label: GridLabel, registry: Registry) -> bool:
    now = registry.labels.get(label.id)
    return now is None or (now.outline, now.community) != (label.outline, label.community)
