"""Who refers to whom, and who holds what must be unique; ids and values stand there as blind indexes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, hexed, to_json
from server.db.named import sql

Rows = list[dict[str, Any]]
Reference = tuple[UUID, str, bytes]
"""An item, its field, and what that refers to."""


async def claim(
    connection: Connection, hints: Mapping[bytes, UUID], references: Sequence[Reference]
) -> dict[bytes, UUID]:
    """Take hints, {claim: item}, and note references; returns who holds each hint now.

    The holders of the claims cannot change before the transaction ends.
    """
    taken = [{"claim": hexed(claimed), "item_id": item_id} for claimed, item_id in hints.items()]
    noted = [{"item_id": item_id, "field": field, "target": hexed(target)} for item_id, field, target in references]
    rows = await connection.fetch(sql("claim"), taken, noted)
    return {row["claim"]: row["item_id"] for row in rows}


async def drop_references(connection: Connection, rows: Rows) -> None:
    """Forget references: item_id, field."""
    if rows:
        await connection.execute(sql("drop_references"), to_json(rows))


async def end_duplicates(connection: Connection, hints: Rows, at: datetime) -> list[Row]:
    """Close the conflicts of duplicates that let go of these hints (claim, item_id): id, author_id, item_id, take."""
    return await connection.fetch(sql("end_duplicates"), to_json(hints), at)


async def release_hints(connection: Connection, hints: Rows) -> list[bytes]:
    """Let go of those of these hints (claim, item_id) that the item holds; returns their claims."""
    return [row["claim"] for row in await connection.fetch(sql("release_hints"), to_json(hints))]


async def release_hints_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[bytes]:
    """Let go of all hints of these items; returns their claims."""
    return [row["claim"] for row in await connection.fetch(sql("release_hints_of_items"), item_ids)]


async def successors(connection: Connection, claims: Sequence[bytes]) -> list[Row]:
    """The duplicates that may hold these claims next, the first of each first: id, hint, item_id, author_id, state."""
    return await connection.fetch(sql("successors"), claims)


async def pass_hints_on(connection: Connection, hints: Rows) -> None:
    """Give hints that nobody holds to their next holders: claim, item_id."""
    await connection.execute(sql("pass_hints_on"), to_json(hints))


async def referrers(connection: Connection, targets: Sequence[bytes]) -> dict[bytes, frozenset[UUID]]:
    """The live items that refer to each of these targets."""
    return {row["target"]: frozenset(row["items"]) for row in await connection.fetch(sql("referrers"), targets)}


async def holder_of_hint(connection: Connection, claimed: bytes) -> UUID | None:
    """The item that holds a hint."""
    return await connection.fetchval(sql("holder_of_hint"), claimed)


async def holding_conflicts(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Of items that are held what they wait in: item_id, group_id, claim."""
    return await connection.fetch(sql("holding_conflicts"), item_ids)
