"""Who works in grids that change, who goes on where, and the devices that learn of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from server.db import registry_moves
from server.db.database import Connection, Row
from server.usecases.registry_reports import DeviceBehind, PostChange
from sync.access import Assignment, device_streams
from sync.registry_changes.changes import Changed, successors_of
from sync.registry_changes.handover import Post, Team, hand_over


class Workforce(NamedTuple):
    """People of the grids concerned, the posts that begin, and their devices."""

    held: list[Row]
    begun: list[Post]
    devices: list[Row]
    successors: Mapping[UUID, tuple[UUID, ...]]
    named: Mapping[UUID, Team]

    def posts(self, codes: Mapping[UUID, str]) -> list[PostChange]:
        """What becomes of every post in a grid that ends, in the order of its code."""
        told = [self._post(row, codes) for row in self.held if row["grid_id"] in self.successors]
        return sorted(told, key=lambda one: (one.grid, one.role, one.name))

    def unstaffed(self, changed: Changed) -> list[str]:
        """The codes of grids that begin with nobody in them."""
        staffed = {post.grid_id for post in self.begun}
        return sorted(label.code for label in changed.begun if label.id not in staffed)

    def behind(self, version: int) -> list[DeviceBehind]:
        """Devices that have not said that they have this registry version."""
        names = {row["user_id"]: row["name"] for row in self.held}
        return [
            DeviceBehind(
                device=row["id"],
                name=row["name"],
                user_name=names.get(row["user_id"], ""),
                registry=row["registry"],
                last_exchange_at=row["last_exchange_at"],
                unsent=row["unsent"],
            )
            for row in self.devices
            if row["registry"] is None or row["registry"] < version
        ]

    @property
    def unsent(self) -> int:
        """How many change sets still lie on these devices."""
        return sum(row["unsent"] for row in self.devices)

    def readers(self) -> Counter[str]:
        """How many devices read each stream, before or after."""
        devices = Counter(row["user_id"] for row in self.devices)
        posts = [Post(*(row[key] for key in Post._fields)) for row in self.held]
        held: dict[UUID, list[Assignment]] = {}
        for post in (*posts, *self.begun):
            told = Assignment(role=post.role, grid_id=post.grid_id, valid_from=post.valid_from)
            held.setdefault(post.user_id, []).append(told)
        readers: Counter[str] = Counter()
        for user_id, assignments in held.items():
            readers.update(dict.fromkeys(device_streams(user_id, assignments), devices[user_id]))
        return readers

    def _post(self, row: Row, codes: Mapping[UUID, str]) -> PostChange:
        successors = self.successors[row["grid_id"]]
        goes_on = {post.grid_id for post in self.begun if post.user_id == row["user_id"] and post.grid_id in successors}
        return PostChange(
            user=row["user_id"],
            name=row["name"],
            role=row["role"],
            grid=codes[row["grid_id"]],
            goes_on=sorted(codes[one] for one in goes_on),
            named=any(one in self.named for one in successors),
        )


async def load_workforce(
    connection: Connection, changed: Changed, named: Mapping[UUID, Team], touched: Sequence[UUID], now: datetime
) -> Workforce:
    """The people of the grids that are touched, and of those that begin."""
    held = await registry_moves.teams_of_grids(connection, touched)
    ended = successors_of(changed.steps)
    leaving = [Post(*(row[key] for key in Post._fields)) for row in held if row["grid_id"] in ended]
    begun = hand_over(changed.steps, leaving, named, now)
    users = sorted({row["user_id"] for row in held} | {post.user_id for post in begun})
    devices = await registry_moves.devices_of_users(connection, users)
    return Workforce(list(held), begun, list(devices), ended, named)
