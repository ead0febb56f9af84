"""The lineage of one grid as two trees: what it came from, and what came of it. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from uuid import UUID

from msgspec import Struct

from sync.lineage import Step


class Kin(Struct, frozen=True):
    """A grid in a tree of lineage.

    `changed`: the steps that it went through without ending. `by`: the step between it and the grids one further on,
    None where the tree ends.
    """

    grid_id: UUID
    changed: tuple[Step, ...]
    by: Step | None
    kin: tuple[Kin, ...]


class Lines(Struct, frozen=True):
    """Both trees of a grid; it is the root of either."""

    up: Kin
    down: Kin


def lines_of(grid_id: UUID, steps: Sequence[Step]) -> Lines:
    """Both trees, by all steps in the order in which they were taken.

    A merge of what was split before shows a grid more than once, each time with all that lies behind it.
    """
    changed: defaultdict[UUID, list[Step]] = defaultdict(list)
    began: dict[UUID, Step] = {}
    ended: dict[UUID, Step] = {}
    for step in steps:
        if set(step.predecessors) == set(step.successors):
            changed[step.predecessors[0]].append(step)
            continue
        began |= dict.fromkeys(step.successors, step)
        ended |= dict.fromkeys(step.predecessors, step)

    def grow(grid: UUID, further: dict[UUID, Step], beyond: Callable[[Step], tuple[UUID, ...]]) -> Kin:
        step = further.get(grid)
        kin = tuple(grow(one, further, beyond) for one in beyond(step)) if step else ()
        return Kin(grid, tuple(changed[grid]), step, kin)

    return Lines(
        grow(grid_id, began, lambda step: step.predecessors), grow(grid_id, ended, lambda step: step.successors)
    )
