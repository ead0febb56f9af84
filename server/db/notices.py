"""Notices that end without a change of what they are about; each comes back as id, user_id, kind, version, open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from schemas.wire import PutAway
from server.db.database import Connection, Row
from server.db.named import sql


async def put_away(connection: Connection, device_id: UUID, seen: Sequence[PutAway], codes: Iterable[str]) -> list[Row]:
    """End those of its holder's notices with these codes that he has seen as they are."""
    ids, versions = [one.notice for one in seen], [one.version for one in seen]
    return await connection.fetch(sql("put_away_notices"), device_id, ids, versions, sorted(codes))


async def lapse(connection: Connection, codes: Iterable[str], before: datetime, limit: int) -> list[Row]:
    """End those with these codes that were last told before this moment; at most so many."""
    return await connection.fetch(sql("lapse_notices"), sorted(codes), before, limit)
