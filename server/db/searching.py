"""What items are found by, apart from the items themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from server.db.reading import Grants, ItemFilter, grant_rows, reached


async def upsert_terms(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """What locked items are found by from now on: rows of item_id, terms (None: the item is found no more)."""
    if rows:
        await connection.execute(sql("upsert_terms"), to_json(rows))


async def search_items(
    connection: Connection,
    grants: Grants,
    terms: Sequence[str],
    narrowed: ItemFilter,
    after: UUID | None,
    limit: int,
) -> list[Row]:
    """Items that have all these terms and that the grants reach, the newest first, with their values and keys."""
    return await connection.fetch(
        reached("search_items"), grant_rows(grants), after, narrowed.type, narrowed.division, terms, limit
    )


async def items_to_index(connection: Connection, after: UUID | None, limit: int, *, missing_only: bool) -> list[Row]:
    """Lock the next items in the order of ids, all or those that have no terms yet, and return them with their keys."""
    return await connection.fetch(sql("items_to_index"), after, missing_only, limit)
