"""Streams and their feeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import msgspec

from server.db.database import Connection, Outrun, Row, Transaction, to_json
from server.db.named import sql

Reading = tuple[int, int, int, int]
"""What to read of a stream: its id, the position after which, where the device's fill began, and how many at most."""

FirstEntry = tuple[int, UUID, int, int, int, int, int]
"""A new item in a stream: the stream's id, the item's, its place among the entries that the stream is given with it
(from 1 on), version, rev, touch and hash."""


async def lock_streams(tx: Transaction, keys: Sequence[str]) -> dict[str, int]:
    """Lock these streams until the transaction ends, making those that are not there yet: {key: id}.

    Raises Outrun where the transaction places items by a registry that is not the current one any more.
    """
    rows = await tx.connection.fetch(sql("lock_streams"), keys)
    if len(rows) < len(keys):
        await tx.connection.execute(sql("ensure_streams"), keys)
        rows = await tx.connection.fetch(sql("lock_streams"), keys)
    if tx.registry is not None and any(row["registry"] != tx.registry for row in rows):
        raise Outrun
    return {row["key"]: row["id"] for row in rows}


async def write(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Give each row the next position of its stream, and bring heads and digests up; streams must be locked."""
    await connection.execute(sql("write_feed"), to_json(rows))


async def begin(connection: Connection, entries: Iterable[FirstEntry]) -> None:
    """The same for present items that no stream ever held, at least one."""
    await connection.execute(sql("begin_feed"), *zip(*entries, strict=True))


async def touch_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Lock items in order and count up their touch; returns their rows as they now are."""
    await connection.fetch(sql("lock_items"), item_ids)
    return await connection.fetch(sql("touch_items").replace("{life_floor}", sql("life_floor")), item_ids)


async def streams_of_scope(connection: Connection, keys: Sequence[str]) -> list[Row]:
    """id, key, head, digest and gc_floor of those streams that exist, by key."""
    return await connection.fetch(sql("streams_of_scope"), keys)


async def heads_of_scope(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    """{key: head} of those streams that exist."""
    return {row["key"]: row["head"] for row in await connection.fetch(sql("heads_of_scope"), keys)}


async def entries_after(connection: Connection, reads: Sequence[Reading]) -> list[Row]:
    """The next entries of some streams, each stream's by position, with what they tell of their items.

    An absence from before the fill began concerns nothing that the device was given, so it is left out.
    """
    ids, after, fills, most = zip(*reads, strict=True) if reads else ((), (), (), ())
    return await connection.fetch(_telling("entries_after"), ids, after, fills, most)


async def erased_absences(connection: Connection, stream_ids: Sequence[int]) -> list[Row]:
    """The absences of erased items in these streams, by position."""
    return await connection.fetch(sql("erased_absences"), stream_ids) if stream_ids else []


async def places_of_streams(connection: Connection, stream_ids: Sequence[int]) -> list[Row]:
    """digest (signed) and number of entries present at each place of each stream, see `sync.repair`."""
    return await connection.fetch(sql("places_of_streams"), stream_ids)


async def hashes_at_places(connection: Connection, places: Sequence[tuple[int, int]]) -> list[Row]:
    """stream_id, place and hash (signed) of what is present at places, given as (stream id, place)."""
    ids, at = zip(*places, strict=True) if places else ((), ())
    return await connection.fetch(sql("hashes_at_places"), ids, at)


async def entries_with_hashes(connection: Connection, wanted: Sequence[tuple[int, int]]) -> list[Row]:
    """Those of the wanted entries that are still present, in no order, told as by `entries_after`.

    `wanted`: given as (stream id, signed hash).
    """
    ids, hashes = zip(*wanted, strict=True) if wanted else ((), ())
    return await connection.fetch(_telling("entries_with_hashes"), ids, hashes)


async def bodies_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Items with key, review, case and photos; their times are for `moment`."""
    return await connection.fetch(_telling("bodies_of_items"), item_ids)


async def bodies_of_notices(connection: Connection, notice_ids: Sequence[UUID]) -> list[Row]:
    """Notices with what their body is made of."""
    return await connection.fetch(sql("bodies_of_notices"), notice_ids)


@cache
def _telling(name: str) -> str:
    """A statement that tells items."""
    statement = sql(name).replace("{told_entries}", sql("told_entries"))
    return statement.replace("{told_item}", sql("told_item"))


def values(sent: bytes) -> dict[str, Any]:
    """The values behind the bytes in which PostgreSQL sends a `jsonb`: its version, and the text.

    Rows that hold bytes are read at once and opened one by one, so that the values of many are never there together.
    """
    return _VALUES(sent[1:])


_VALUES = msgspec.json.Decoder(dict[str, Any]).decode
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1_000)
def moment(sent: bytes | None) -> Any:
    """The time behind the bytes in which PostgreSQL sends a `timestamptz`, microseconds since 2000; None behind none.

    Items come in sets, so a page tells few times, and each of them often: to make one takes as long as three look-ups.
    """
    return None if sent is None else _EPOCH + timedelta(microseconds=int.from_bytes(sent, "big", signed=True))
