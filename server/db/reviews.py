"""Submissions, the steps of their reviews, and who may be asked for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from server.db.reading import FIRST, Grants, ItemFilter, grant_rows, listed, of_type


async def reviews_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """The submissions of these items; whoever changes one holds its item's lock."""
    return await connection.fetch(sql("reviews_of_items"), item_ids)


async def upsert_reviews(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New submissions, or their new state."""
    if rows:
        await connection.execute(sql("upsert_reviews"), to_json(rows))


async def insert_review_steps(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Steps in the order given; each item's are numbered on."""
    if rows:
        await connection.execute(sql("insert_review_steps"), to_json(rows))


async def assignments_of_users(connection: Connection, user_ids: Sequence[UUID], at: datetime) -> list[Row]:
    """The assignments of these users that are valid at an instant, each with its user_id."""
    return await connection.fetch(sql("assignments_of_users"), user_ids, at)


async def review_queue(
    connection: Connection,
    grants: Grants,
    user_id: UUID,
    desks: list[dict[str, Any]],
    narrowed: ItemFilter,
    after: tuple[int, datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """Submissions that this user may decide now; `desks` are rows of reader, and tier and prefix, or grid_id."""
    arguments = queue_arguments(grants, user_id, desks, narrowed, after, limit)
    return await connection.fetch(listed("review_queue", "$4"), *arguments)


def queue_arguments(
    grants: Grants,
    user_id: UUID,
    desks: list[dict[str, Any]],
    narrowed: ItemFilter,
    after: tuple[int, datetime, UUID] | None,
    limit: int,
) -> tuple[Any, ...]:
    """What the statement of the queue takes."""
    return grant_rows(of_type(grants, narrowed.type)), user_id, desks, narrowed.division, *(after or FIRST), limit


async def built_upon(connection: Connection, item_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these items whose case moved on the last approval, or after it."""
    return {row["item_id"] for row in await connection.fetch(sql("built_upon"), item_ids)}


async def correctors(connection: Connection, user_ids: Sequence[UUID], grid_ids: Sequence[UUID]) -> list[Row]:
    """What these people and the field teams of these grids are assigned to now, each with its user_id, chiefs first."""
    return await connection.fetch(sql("correctors"), user_ids, grid_ids)


async def returned_to_nobody(
    connection: Connection, record_types: Sequence[str], user_id: UUID | None, limit: int
) -> list[UUID]:
    """Returned items, the oldest first, that who is asked (`user_id`: he alone) cannot correct and a colleague can."""
    rows = await connection.fetch(sql("returned_to_nobody"), record_types, user_id, limit)
    return [row["item_id"] for row in rows]
