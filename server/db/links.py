"""Items that a person found to be one and the same: which belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from server.db.database import Connection
from server.db.named import sql


class NewLink(NamedTuple):
    """A link as its row; `winner_version`: the winner's when they were linked."""

    loser: UUID
    winner: UUID
    winner_version: int
    conflict_id: UUID
    linked_at: datetime


async def insert_link(connection: Connection, link: NewLink) -> None:
    """Both items are locked by the caller."""
    await connection.execute(sql("insert_link"), *link)


async def delete_link(connection: Connection, loser: UUID) -> None:
    """The loser is an item of its own again."""
    await connection.execute(sql("delete_link"), loser)


async def winners_of(connection: Connection, item_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, int]]:
    """By loser the item to which it belongs in the end, and that one's version when they were linked."""
    rows = await connection.fetch(sql("winners_of"), item_ids)
    return {row["loser"]: (row["winner"], row["winner_version"]) for row in rows}


async def families_of(connection: Connection, item_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """By item all that are one with it, itself included: the winner, and every loser."""
    families: dict[UUID, set[UUID]] = {}
    for row in await connection.fetch(sql("families_of"), item_ids):
        families.setdefault(row["first"], set()).add(row["id"])
    return families


async def is_loser(connection: Connection, item_id: UUID) -> bool:
    """Whether the item belongs to another one."""
    return bool(await connection.fetchval(sql("is_loser"), item_id))


async def was_carried(connection: Connection, loser: UUID) -> bool:
    """Whether anything that was written of the loser, or of a loser of its own, has gone to a winner."""
    return bool(await connection.fetchval(sql("was_carried"), loser))


async def settlement_of_conflict(connection: Connection, conflict_id: UUID) -> dict[str, Any]:
    """What is remembered of how a settled conflict was settled; empty for an open one."""
    return await connection.fetchval(sql("settlement_of_conflict"), conflict_id) or {}
