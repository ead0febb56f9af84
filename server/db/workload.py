"""How much waits in the queues of reviews and cases, counted with the queues' own statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from server.db.cases import CaseFilter, case_arguments, cases_statement
from server.db.database import Connection
from server.db.named import sql
from server.db.reading import Grants, ItemFilter, listed
from server.db.reviews import queue_arguments


class ReviewLoad(NamedTuple):
    """Submissions that wait, and those of them that are urgent or critical."""

    waiting: int
    pressing: int


async def count_reviews(
    connection: Connection,
    grants: Grants,
    user_id: UUID,
    desks: list[dict[str, Any]],
    narrowed: ItemFilter,
    limit: int,
) -> ReviewLoad:
    """The length of a review queue; it is counted up to `limit`."""
    statement = _counting("count_reviews", listed("review_queue", "$4"))
    row = await connection.fetchrow(statement, *queue_arguments(grants, user_id, desks, narrowed, None, limit))
    return ReviewLoad(*row.values()) if row else ReviewLoad(0, 0)


async def count_cases(
    connection: Connection, grants: Grants, office_areas: Sequence[str], narrowed: CaseFilter, limit: int
) -> dict[str, int]:
    """How many cases of a list are in each state, up to `limit` in all."""
    statement = _counting("count_cases", cases_statement(narrowed))
    rows = await connection.fetch(statement, *case_arguments(grants, office_areas, narrowed, None, limit))
    return {row["state"]: row["number"] for row in rows}


def _counting(name: str, queue: str) -> str:
    # What follows the semicolon is the comment of the next statement in the file.
    return sql(name).replace("{list}", queue.rpartition(";")[0])
