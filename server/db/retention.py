"""What is due to be erased by the catalogue's retention."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import to_builtins

from server.db.database import Connection, Row
from server.db.named import sql
from sync.case_table import OPEN
from sync.retention import Limit

Limits = Sequence[Limit]


async def count_due(connection: Connection, limits: Limits) -> list[Row]:
    """How many items are due by type and community (null without a grid), linked ones as one: type, division, items."""
    return await connection.fetch(_due("count_due"), to_builtins(limits), OPEN)


async def list_due(connection: Connection, limits: Limits, after: UUID | None, number: int) -> list[UUID]:
    """Items that are due, of linked ones the winner alone, in the order of their ids."""
    rows = await connection.fetch(_due("list_due"), to_builtins(limits), OPEN, after, number)
    return [row["id"] for row in rows]


async def still_due(connection: Connection, limits: Limits, item_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these locked items that are due."""
    return {row["id"] for row in await connection.fetch(_due("still_due"), to_builtins(limits), OPEN, item_ids)}


def _due(name: str) -> str:
    return sql(name).replace("{due}", sql("due").replace("{lives_on}", sql("lives_on")))
