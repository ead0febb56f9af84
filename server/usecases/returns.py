"""What was returned to somebody who cannot correct it any more is handed on to the team of its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from msgspec.structs import replace

from server.db import items, reviews
from server.db.database import Connection, Transaction
from server.services import Services
from server.usecases.feeding import write_feed, writes_for_notices
from server.usecases.standings import Standing, lock_standings, returned_notice, submission_row
from sync.access import Assignment
from sync.duties import first_to_correct

_AT_ONCE = 200

Team = Mapping[UUID, tuple[Assignment, ...]]


async def answerers(connection: Connection, standings: Sequence[Standing]) -> dict[UUID, UUID | None]:
    """By item, who is to correct it if it is returned now: who it would be, else a chief or a worker of its grid.

    None where there is nobody who may.
    """
    known = await _colleagues(connection, standings)
    return {one.item.id: _answerer(one, known) for one in standings}


async def sweep_returns(services: Services) -> int:
    """Hand on what lapsed assignments have left behind, a few at a time; returns how many items it was."""
    return await services.database.write(partial(hand_on_returns, services=services))


async def hand_on_returns(tx: Transaction, services: Services, user_id: UUID | None = None) -> int:
    """Move the to-dos of returned items from who may not correct them any more to a colleague who may.

    `user_id`: of this person alone. Where there is no colleague they stay, until there is one. Returns how many items
    it was.
    """
    records = [one.type.code for one in services.catalogue.types.values() if one.type.kind == "record"]
    found = await reviews.returned_to_nobody(tx.connection, records, user_id, _AT_ONCE)
    if not found:
        return 0
    now = datetime.now(UTC)
    locked = await lock_standings(tx, services, found)
    standings = [one for one in locked.values() if one.review is not None and one.review.state == "returned"]
    chosen = await answerers(tx.connection, standings)
    moves = [
        (one, replace(one, answers=chosen[one.item.id]))
        for one in standings
        if chosen[one.item.id] not in (None, one.answers)
    ]
    rows = [submission_row(services, after, after.review, now) for _, after in moves if after.review]
    await reviews.upsert_reviews(tx.connection, rows)
    notices = [returned_notice(before, now, is_open=False) for before, _ in moves]
    notices += [returned_notice(after, now, is_open=True) for _, after in moves]
    writes = writes_for_notices(await items.upsert_notices(tx.connection, notices))
    await write_feed(tx, writes)
    return len(moves)


def _answerer(standing: Standing, known: Team) -> UUID | None:
    facts, item_type = standing.facts, standing.compiled.type
    first = [] if standing.answers is None else [(standing.answers, known.get(standing.answers, ()))]
    return first_to_correct([*first, *known.items()], facts, item_type)


async def _colleagues(connection: Connection, standings: Sequence[Standing]) -> Team:
    """Who is asked first and the teams of the grids, chiefs before workers; nobody who has left."""
    users = {one.answers for one in standings if one.answers is not None}
    grids = {one.item.grid_id for one in standings if one.item.grid_id is not None}
    held: dict[UUID, tuple[Assignment, ...]] = {}
    for row in await reviews.correctors(connection, sorted(users), sorted(grids)):
        fields = dict(row)
        user_id = fields.pop("user_id")
        held[user_id] = (*held.get(user_id, ()), Assignment(**fields))
    return held
