"""What a hundred times more items in the database cost a phone whose own streams are as they were."""

from __future__ import annotations

import asyncio
from statistics import median
from time import perf_counter

from server.bench.exchange.house import House
from server.bench.exchange.pulls import Stocked
from server.bench.exchange.pushing import once
from server.bench.exchange.reading import check_unchanged, light
from server.db.database import Connection, Transaction

TIMES = 100
_ASKED = 60
# Each new id follows from the old one, so that the tables fit together without a list. Revisions are left out: neither
# a poll nor a pull reads them.
_TABLES = (
    ("item", "id"),
    ("item_key", "item_id"),
    ("review", "item_id"),
    ("cases", "item_id"),
    ("item_search", "item_id"),
)
_STREAMS = """
INSERT INTO stream (key, head, digest)
SELECT 'grid/' || md5(s.key || n::text)::uuid, s.head, s.digest FROM stream s, generate_series(2, $1::integer) n
"""
_FEED = """
INSERT INTO feed (stream_id, object_id, kind, position, present, version, rev, touch, hash)
SELECT t.id, md5(f.object_id::text || n::text)::uuid, f.kind, f.position, f.present, f.version, f.rev, f.touch, f.hash
FROM feed f
JOIN stream s ON s.id = f.stream_id
CROSS JOIN generate_series(2, $1::integer) n
JOIN stream t ON t.key = 'grid/' || md5(s.key || n::text)::uuid
"""
_COLUMNS = """
SELECT attname FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
ORDER BY attnum
"""


async def multiply(house: House) -> int:
    """Put copies of everything into streams that nobody reads, so that there is `TIMES` as much; items there are."""

    async def work(tx: Transaction) -> int:
        for table, key in _TABLES:
            await tx.connection.execute(await _copying(tx.connection, table, key), TIMES)
        await tx.connection.execute(_STREAMS, TIMES)
        await tx.connection.execute(_FEED, TIMES)
        found: int | None = await tx.connection.fetchval("SELECT count(*) FROM item")
        return found or 0

    return await house.services.database.write(work)


async def settle(house: House) -> None:
    """Let the planner know what there is, as a database at work does by itself."""
    async with house.services.database.pool.acquire() as connection:
        await connection.execute("VACUUM ANALYZE item, item_key, review, cases, feed, stream")


async def _copying(connection: Connection, table: str, key: str) -> str:
    columns = [row["attname"] for row in await connection.fetch(_COLUMNS, table)]
    values = [f"md5(o.{name}::text || n::text)::uuid" if name == key else f"o.{name}" for name in columns]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608 - names of our own tables
        f"FROM {table} o CROSS JOIN generate_series(2, $1::integer) n"
    )


async def seconds_to_answer(house: House, stocked: Stocked, poll: bytes) -> tuple[float, float]:
    """Median seconds of a poll and of a pull of ten changes, each by itself. Raises Void."""
    pull = stocked.reader.request()
    polled, pulled = list[float](), list[float]()
    for _ in range(_ASKED):
        began = perf_counter()
        check_unchanged(await once(house.port, poll))
        between = perf_counter()
        came = await once(house.port, pull)
        pulled.append(perf_counter() - between)
        polled.append(between - began)
        assert light(came).entries
        await asyncio.sleep(0)
    return median(polled), median(pulled)
