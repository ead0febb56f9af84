"""What a user was assigned to at any instant, asked many times over: assignments change at few instants."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from schemas.item_type import ItemType
from sync.access import Assignment, ItemFacts, Operation, WriteRefusal, assignments_at, write_refusal


class Held:
    """The assignments that were valid at one instant, by the grids they name."""

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        self.assignments = tuple(assignments)
        self._anywhere = tuple(one for one in self.assignments if one.grid_id is None)
        self._near: dict[UUID | None, tuple[Assignment, ...]] = {None: self._anywhere}
        for one in self.assignments:
            if one.grid_id is not None:
                self._near[one.grid_id] = (*self._near.get(one.grid_id, self._anywhere), one)

    def near(self, grid_id: UUID | None) -> tuple[Assignment, ...]:
        """Those that name this grid, and those that name none."""
        return self._near.get(grid_id, self._anywhere)

    def refusal(
        self, user_id: UUID, facts: ItemFacts, item_type: ItemType, operation: Operation
    ) -> WriteRefusal | None:
        """`write_refusal`, asked first of the few assignments that mostly decide."""
        if write_refusal(user_id, self.near(facts.grid_id), facts, item_type, operation) is None:
            return None
        return write_refusal(user_id, self.assignments, facts, item_type, operation)


class Authority:
    """Every assignment that a user has or had."""

    def __init__(self, assignments: Iterable[Assignment]) -> None:
        self._assignments = tuple(assignments)
        ends = {one.valid_to for one in self._assignments if one.valid_to}
        self._edges = sorted(ends.union(one.valid_from for one in self._assignments))
        self._held: dict[int, Held] = {}

    def at(self, moment: datetime) -> Held:
        """What was valid at an instant; between two edges it is always the same."""
        span = bisect_right(self._edges, moment)
        held = self._held.get(span)
        if held is None:
            held = self._held[span] = Held(assignments_at(self._assignments, moment))
        return held
