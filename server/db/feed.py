"""Streams and their feeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql


async def lock_streams(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    """Lock these streams until the transaction ends, making those that are not there yet: {key: id}."""
    rows = await connection.fetch(sql("lock_streams"), keys)
    if len(rows) < len(keys):
        await connection.execute(sql("ensure_streams"), keys)
        rows = await connection.fetch(sql("lock_streams"), keys)
    return {row["key"]: row["id"] for row in rows}


async def write(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Give each row the next position of its stream, and bring heads and digests up; streams must be locked."""
    await connection.execute(sql("write_feed"), to_json(rows))


async def touch_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Lock items in order and count up their touch; returns their rows as they now are."""
    await connection.fetch(sql("lock_items"), item_ids)
    return await connection.fetch(sql("touch_items"), item_ids)


async def streams_of_scope(connection: Connection, keys: Sequence[str]) -> list[Row]:
    """id, key, head, digest and gc_floor of those streams that exist, by key."""
    return await connection.fetch(sql("streams_of_scope"), keys)


async def heads_of_scope(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    """{key: head} of those streams that exist."""
    return {row["key"]: row["head"] for row in await connection.fetch(sql("heads_of_scope"), keys)}


async def entries_after(connection: Connection, starts: Sequence[tuple[int, int, int]], limit: int) -> list[Row]:
    """At most `limit` entries of each stream after a position; `starts` holds (stream id, position, fill).

    An absence from before the fill began concerns nothing that the device was given, so it is left out.
    """
    ids, after, fills = zip(*starts, strict=True) if starts else ((), (), ())
    return await connection.fetch(sql("entries_after"), ids, after, fills, limit)


async def bodies_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Items with key, review, case and photos."""
    return await connection.fetch(sql("bodies_of_items"), item_ids)


async def bodies_of_notices(connection: Connection, notice_ids: Sequence[UUID]) -> list[Row]:
    """Notices with what their body is made of."""
    return await connection.fetch(sql("bodies_of_notices"), notice_ids)
