"""What waited for photos moves on once they were looked at: submissions, cases that close by themselves, and steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from server.db.database import Transaction
from server.services import Services
from server.usecases.awaited_steps import take_awaited
from server.usecases.feeding import FeedWrite
from server.usecases.standings import (
    Moved,
    Standing,
    lock_standings,
    merged_moves,
    review_step,
    steps_by_itself,
    store_moves,
)
from sync.cases import advance
from sync.review import evidence_changed as after_photos


async def evidence_changed(tx: Transaction, services: Services, item_ids: Sequence[UUID]) -> list[FeedWrite]:
    """Move on the items whose photos changed their state; the caller holds their locks and moves their entries.

    What has no grid, or lost it again, stands still until it has one. Returns the entries of notices that closed.
    """
    now = datetime.now(UTC)
    standings = await lock_standings(tx, services, item_ids)
    moves = [_moved(services, one, now) for one in standings.values() if one.review is not None and one.item.grid_id]
    taken = await take_awaited(tx, services, [one.after for one in moves], now)
    await store_moves(tx, services, merged_moves([*moves, *taken.moves]), now)
    return taken.writes


def _moved(services: Services, standing: Standing, now: datetime) -> Moved:
    before = standing.review
    review = after_photos(before, standing.evidence_verified()) if before else None
    after = replace(standing, review=review)
    if standing.case is not None:
        case = advance(standing.case, standing.ruling, after.circumstances(services, now), standing.nearest)
        after = replace(after, case=case)
    approved = before is not None and review is not None and review.state == "approved" != before.state
    steps = [review_step(after, review, "approved", None, 0, now)] if approved and review else []
    return Moved(standing, after, steps, list(steps_by_itself(standing.case, after, now)))
