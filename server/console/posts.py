"""What people do and where, in the reader's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.console.visit import Visit
from server.db.directory import Post

_STATES = {"coming": "people.post.coming", "ended": "people.post.ended"}


class PostLine(NamedTuple):
    """A role in a place; `code` of the grid, or of the division; `state` where it is not held now, else empty."""

    role: str
    place: str
    code: str
    state: str


def post_lines(visit: Visit, posts: Sequence[Post]) -> list[PostLine]:
    """A line for each post."""
    source = visit.services.catalogue.source
    roles = {role.code: visit.either(role.zh, role.en) for role in source.roles}
    departments = {one.code: visit.either(one.name_zh, one.name_en) for one in source.departments}

    def line(post: Post) -> PostLine:
        place = visit.either(post.place_zh or "", post.place_en or "")
        parts = (departments.get(post.department or ""), place, post.grid_name)
        words = " · ".join(part for part in parts if part)
        state = "" if post.state == "now" else visit.say(_STATES[post.state])
        return PostLine(roles.get(post.role, post.role), words, post.grid or post.division or "", state)

    return [line(post) for post in posts]
