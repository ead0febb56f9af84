"""What waited for photos moves on once they were looked at: submissions, and cases that close by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from server.db.database import Transaction
from server.services import Services
from server.usecases.standings import Moved, Standing, lock_standings, review_step, steps_by_itself, store_moves
from sync.cases import advance
from sync.review import evidence_changed as after_photos


async def evidence_changed(tx: Transaction, services: Services, item_ids: Sequence[UUID]) -> None:
    """Move on the items whose photos changed their state; the caller holds their locks and moves their entries.

    What has no grid, or lost it again, stands still until it has one.
    """
    now = datetime.now(UTC)
    standings = await lock_standings(tx, services, item_ids)
    moves = [_moved(services, one, now) for one in standings.values() if one.review is not None and one.item.grid_id]
    await store_moves(tx, services, moves, now)


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
