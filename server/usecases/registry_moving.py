"""The items of grids that changed are moved, batch by batch, while the city goes on syncing.

    lock the move -> lock the next items -> decide (pure) -> heads, revisions, conflicts, counts -> streams, last of all

Each batch is one transaction, and where the next one begins is written in it: a job that is killed is gone on with by
whoever comes next, and nothing is done twice. No batch begins before all have ended who wrote when the version was
published: whoever writes later and places items looks whether he has heard of it (`Outrun`). What was deleted in a grid
without a successor stays there; if it is restored, the sweep moves it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from msgspec import to_builtins

from server.db import audit, items, registry_moves
from server.db.database import Connection, Transaction
from server.db.registry_moves import NOWHERE, MoveRow, Place
from server.errors import Problem
from server.services import Services
from server.usecases.feeding import FeedWrite, write_feed
from server.usecases.registry_following import Follower
from server.usecases.registry_moved import MovedItems
from server.usecases.registry_moves import Moving, load_moving, result_of
from server.usecases.registry_posts import acts_of_ended
from server.usecases.registry_reports import Counts, Followed
from server.usecases.telling import Teller
from sync.registry_changes.succession import ranks

BATCH: Final = 200
"""Items of one transaction: a push that wants one of them, or one of their streams, waits for so many at most."""

_SECONDS_BETWEEN_LOOKS: Final = 0.02
_LONGEST_WAIT_SECONDS: Final = 60.0


async def run_moves(services: Services) -> None:
    """Go on with what is under way, and look after what came in late: what the sweep does."""
    async with services.database.read() as connection:
        versions = await registry_moves.moves_to_run(connection)
    for version in versions:
        await move_items(services, version, Teller())


async def move_items(services: Services, version: int, teller: Teller) -> Followed:
    """Move every item of a registry version; returns what became of them, all runs together.

    Raises Problem `not_ready` where somebody has been writing for a minute: the sweep goes on with it.
    """
    await _earlier_writers(services, teller)
    async with services.database.read() as connection:
        moving = await load_moving(connection, version)
        known = await registry_moves.move_report(connection, version)
    assert known is not None
    teller.phase("转移台账", "Moving the items", max(known["total"] - known["looked"], 0))
    job = MoveJob(services, moving)
    while (looked := await job.batch()) is not None:
        for _ in range(looked):
            teller.step()
    async with services.database.read() as connection:
        return await result_of(connection, moving)


async def _earlier_writers(services: Services, teller: Teller) -> None:
    """Wait for the end of all who are writing now: they may place items by the registry before this version."""
    async with services.database.single() as connection:
        begun = await registry_moves.writers_begun(connection)
    if await _have_ended(services, begun):
        return
    teller.phase("等待此前的写入结束", "Waiting for those who were writing before", 0)
    try:
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            while not await _have_ended(services, begun):  # noqa: ASYNC110 nobody tells when others commit
                await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
    except TimeoutError:
        raise Problem(
            "not_ready",
            detail_zh="有事务持续写入已超过一分钟,台账稍后由后台继续转移,也可用 onegrid registry resume 继续。",
            detail_en="A transaction has been writing for over a minute: the items are moved in the background later, "
            "or with onegrid registry resume.",
            retry_after=60,
        ) from None


async def _have_ended(services: Services, begun: int) -> bool:
    async with services.database.single() as connection:
        return await registry_moves.writers_ended(connection) >= begun


class MoveJob:
    """Moves the items of one registry version."""

    def __init__(self, services: Services, moving: Moving) -> None:
        self._services = services
        self._moving = moving
        self._follower = Follower(services, moving.succession(), moving.version)
        self._ranks = ranks(services.catalogue)

    async def batch(self) -> int | None:
        """Do one batch; returns how many items it looked at, None once there is nothing left."""
        return await self._services.database.write(self._batch)

    async def _batch(self, tx: Transaction) -> int | None:
        row = await registry_moves.lock_move(tx.connection, self._moving.version)
        ids, place = await self._next(tx.connection, row)
        if not ids:
            await self._finish(tx, row)
            return None
        writes, counts = await self._move(tx, ids)
        await registry_moves.count_moves(tx.connection, self._moving.version, list(_count_rows(counts)))
        unplaced = sum(number for (_, to, _), number in counts.items() if to is None)
        await registry_moves.note_move(
            tx.connection,
            self._moving.version,
            place,
            looked=len(ids),
            moved=counts.total() - unplaced,
            unplaced=unplaced,
        )
        await write_feed(tx, writes)
        return len(ids)

    async def _next(self, connection: Connection, row: MoveRow) -> tuple[Sequence[UUID], Place]:
        """The next items by rank, grid and id; last those that came into ended grids meanwhile."""
        place = Place(row.rank, row.grid_id, row.after_id)
        while row.finished_at is None and place.rank < len(self._ranks):
            if place.grid_id is None:
                place = self._following(place)
                continue
            types = self._ranks[place.rank]
            version = self._moving.version
            ids = await registry_moves.items_to_follow(connection, version, place.grid_id, types, place.after_id, BATCH)
            if ids:
                return ids, place._replace(after_id=ids[-1])
            place = self._following(place)
        return await registry_moves.items_left_behind(connection, self._moving.ended, BATCH), place

    def _following(self, place: Place) -> Place:
        """The next grid, or the first one for the next rank."""
        left = [one for one in self._moving.touched if place.grid_id is None or one > place.grid_id]
        if left:
            return Place(place.rank, left[0], None)
        return Place(place.rank + 1, None, None)

    async def _move(self, tx: Transaction, ids: Sequence[UUID]) -> tuple[list[FeedWrite], Counts]:
        """Locked wholly, for their territory changes; who is no longer in a grid of this change is left alone."""
        touched = set(self._moving.touched)
        rows = [
            row
            for row in await items.lock_items(tx.connection, ids, wholly=True)
            if row["grid_id"] in touched and row["erased_at"] is None
        ]
        moved = MovedItems(self._services, self._moving, datetime.now(UTC))
        subjects = [moved.open(row) for row in rows]
        verdicts = await self._follower.follow(tx.connection, subjects)
        for subject, verdict in zip(subjects, verdicts, strict=True):
            moved.take(subject, verdict)
        return await moved.store(tx), moved.counts

    async def _finish(self, tx: Transaction, row: MoveRow) -> None:
        """Nobody works in the ended grids any more, now that there is nothing left in them."""
        if row.finished_at is None:
            ended = await registry_moves.end_assignments(tx.connection, self._moving.ended)
            await audit.record_all(tx.connection, list(acts_of_ended(self._moving, ended)))
        actual = await result_of(tx.connection, self._moving)
        await registry_moves.finish_move(tx.connection, self._moving.version, to_builtins(actual))


def _count_rows(counts: Counts) -> list[dict[str, object]]:
    return [
        {"from_grid": one, "to_grid": other or NOWHERE, "type": kind, "items": number}
        for (one, other, kind), number in counts.items()
    ]
