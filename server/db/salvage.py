"""Salvage: what devices still hold of items and the database does not, kept sealed in the quarantine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql

Rows = list[dict[str, Any]]
Revision = tuple[UUID, int, int]
"""Item, version, rev as the database holds it."""


async def unknown(connection: Connection, revisions: Sequence[Revision]) -> set[Revision]:
    """Those of these revisions that stand nowhere: not in the history, not in the quarantine."""
    asked: Rows = [{"item": item, "version": version, "rev": rev} for item, version, rev in revisions]
    rows = await connection.fetch(sql("unknown_revisions"), to_json(asked))
    return {(row["item"], row["version"], row["rev"]) for row in rows}


async def insert(connection: Connection, rows: Rows) -> int:
    """Keep salvage; returns how much of it was new."""
    return len(await connection.fetch(sql("insert_salvage"), to_json(rows))) if rows else 0


async def held(connection: Connection, after: UUID | None, limit: int) -> list[Row]:
    """What nobody has looked at yet, in the order of ids, without the bodies."""
    return await connection.fetch(sql("held_salvage"), after, limit)


async def sealed(connection: Connection, salvage_id: UUID) -> Row | None:
    """id, sealed, wrapped; None if there is none or its item was erased."""
    return await connection.fetchrow(sql("sealed_salvage"), salvage_id)


async def unreadable(connection: Connection) -> AsyncGenerator[Row]:
    """id, sealed, wrapped of what names no item; each has to be opened to know what it is about."""
    async for row in connection.cursor(sql("unreadable_salvage")):
        yield row


async def destroy(connection: Connection, item_ids: Sequence[UUID], salvage_ids: Sequence[UUID]) -> int:
    """Destroy the bodies of erased items, and these; returns how many there were."""
    return len(await connection.fetch(sql("destroy_salvage"), item_ids, salvage_ids))
