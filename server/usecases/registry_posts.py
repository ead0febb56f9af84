"""What a registry change does with people's posts, on the audit trail: a row for each, about the person it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from server.db.audit import Act
from server.db.database import Row
from server.usecases.registry_moves import Moving
from server.usecases.registry_workforce import Workforce
from server.usecases.sessions import Caller
from sync.registry_changes.changes import Changed
from sync.registry_changes.handover import Post


def acts_of_begun(actor: Caller, reason: str, version: int, changed: Changed, workforce: Workforce) -> Iterator[Act]:
    """That the posts begin which come with a version; `came_from`: the grids that somebody leaves for it, if any."""
    codes = {label.id: label.code for label in (*changed.ended, *changed.labels)}
    for post in workforce.begun:
        told: dict[str, Any] = {
            "role": post.role,
            "grid": codes[post.grid_id],
            "came_from": sorted(codes[one] for one in _left_for(post, changed, workforce)),
            "from": post.valid_from,
            "registry": version,
        }
        if post.valid_to is not None:
            told["to"] = post.valid_to
        yield _act("user.assigned", post.user_id, reason, told, actor)


def acts_of_ended(moving: Moving, ended: Iterable[Row]) -> Iterator[Act]:
    """That these assignments (id, user_id, role, grid_id) ended with their grids, once nothing was left in them."""
    for row in ended:
        told = {
            "assignment": row["id"],
            "role": row["role"],
            "grid": moving.former[row["grid_id"]].code,
            "goes_on": sorted(moving.code(one) for one in moving.successors[row["grid_id"]]),
            "registry": moving.version,
        }
        yield _act("user.unassigned", row["user_id"], moving.reason, told)


def _left_for(post: Post, changed: Changed, workforce: Workforce) -> set[UUID]:
    """The grids in whose place a post's grid is, of those in which the person had the same role."""
    former = {one for step in changed.steps if post.grid_id in step.successors for one in step.predecessors}
    held = {row["grid_id"] for row in workforce.held if (row["user_id"], row["role"]) == (post.user_id, post.role)}
    return former & held


def _act(action: str, user_id: UUID, reason: str, detail: dict[str, Any], actor: Caller | None = None) -> Act:
    return Act(
        actor_id=actor.user_id if actor else None,
        action=action,
        subject_kind="user",
        subject_id=str(user_id),
        reason=reason,
        detail=detail,
        request_id=actor.request_id if actor else None,
    )
