"""Items, their keys and revisions, conflicts and notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql


async def lock_items(connection: Connection, item_ids: Sequence[UUID], *, wholly: bool = False) -> list[Row]:
    """Lock items in the order of their ids and return them with their wrapped keys; `wholly`: against referrers too.

    What is left of an erased item is returned too: by `erased_at` it is to be told apart.
    """
    return await connection.fetch(sql("lock_items_wholly" if wholly else "lock_items"), item_ids)


async def share_references(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Keep these items from being deleted until the transaction ends: id, type, grid_id, deleted."""
    return await connection.fetch(sql("share_references"), item_ids)


async def past_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Every revision of these items, by item and version."""
    return await connection.fetch(sql("past_of_items"), item_ids)


async def open_conflicts_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """The unsettled conflicts of these items, oldest first."""
    return await connection.fetch(sql("open_conflicts_of_items"), item_ids)


async def insert_item_keys(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Rows of item_id, wrapped."""
    await _many(connection, "insert_item_keys", rows)


async def insert_items(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New items."""
    await _many(connection, "insert_items", rows)


async def update_items(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New heads of locked items."""
    await _many(connection, "update_items", rows)


async def insert_revisions(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New revisions; history is append-only."""
    await _many(connection, "insert_revisions", rows)


async def insert_conflicts(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New open conflicts."""
    await _many(connection, "insert_conflicts", rows)


async def rewrite_conflicts(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New values of open conflicts: id, clear, sealed."""
    await _many(connection, "rewrite_conflicts", rows)


async def upsert_notices(connection: Connection, rows: list[dict[str, Any]]) -> list[Row]:
    """Open, change or close notices; returns id, user_id, kind, version, open."""
    statement = sql("upsert_notices").replace("{life_floor}", sql("life_floor"))
    return await connection.fetch(statement, to_json(rows)) if rows else []


async def _many(connection: Connection, name: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(sql(name), to_json(rows))
