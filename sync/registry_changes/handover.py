"""Who works in the grids that begin: whom the plan names, else everybody of the grids that they come from. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sync.lineage import Step


class Post(NamedTuple):
    """Somebody's role in a grid, until when it lasts (None: for good), and from when where that lies ahead."""

    user_id: UUID
    role: str
    grid_id: UUID
    valid_from: datetime
    valid_to: datetime | None


Team = Sequence[tuple[UUID, str]]
"""People with their roles."""


def hand_over(steps: Iterable[Step], held: Sequence[Post], named: Mapping[UUID, Team], now: datetime) -> list[Post]:
    """The posts that begin with these steps. `held`: those in grids that end; `named`: per new grid whom a plan names.

    A post lasts as long as the one that it comes from, and of several that somebody brings together the longest; one
    that a plan names lasts for good.
    """
    begun: dict[tuple[UUID, str, UUID], Post] = {}
    for step in steps:
        if step.kind in ("split", "merge", "new"):
            for grid_id in step.successors:
                for post in _posts(step, grid_id, held, named, now):
                    key = (post.user_id, post.role, post.grid_id)
                    begun[key] = _longer(begun.get(key), post)
    return list(begun.values())


def _posts(
    step: Step, grid_id: UUID, held: Sequence[Post], named: Mapping[UUID, Team], now: datetime
) -> Iterable[Post]:
    if grid_id in named:
        return (Post(user_id, role, grid_id, now, None) for user_id, role in named[grid_id])
    former = (post for post in held if post.grid_id in step.predecessors)
    return (post._replace(grid_id=grid_id, valid_from=max(now, post.valid_from)) for post in former)


def _longer(one: Post | None, other: Post) -> Post:
    if one is None:
        return other
    lasting = one.valid_to is None or other.valid_to is None
    ends = None if lasting else max(post.valid_to for post in (one, other) if post.valid_to)
    return one._replace(valid_from=min(one.valid_from, other.valid_from), valid_to=ends)
