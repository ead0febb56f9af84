"""Submissions, the steps of their reviews, and who may be asked for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql


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
