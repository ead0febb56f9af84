"""The schema: from nothing to the head, once, and never a newer one."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from server.db.migrate import DatabaseNewer, upgrade
from sync.feed import digest, entry_hash, signed64


async def test_upgrade_is_repeatable(database_url, truth):
    await asyncio.to_thread(upgrade, database_url)
    tables = {row["tablename"] for row in await truth.fetch("SELECT tablename FROM pg_tables")}
    assert {"item", "revision", "stream", "feed", "change_set", "conflict"} <= tables


async def test_newer_database_is_left_alone(database_url, truth):
    await truth.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(DatabaseNewer):
        await asyncio.to_thread(upgrade, database_url)
    assert await truth.fetchval("SELECT version_num FROM alembic_version") == "from-the-future"


async def test_entries_of_before_are_hashed_as_phones_hash_them(database_url, truth):
    entries = [(UUID(int=1), 1, -7, 0), (UUID(int=2), 3, 2**62, 5), (UUID(int=3), 2, 0, 90_000_000_000)]
    await truth.execute("INSERT INTO stream (id, key, head) OVERRIDING SYSTEM VALUE VALUES (900, 'grid/of-before', 3)")
    await truth.executemany(
        "INSERT INTO feed (stream_id, object_id, kind, position, present, version, rev, touch, hash) "
        "VALUES (900, $1, 'item', $4, true, $2, $3, $5, 0)",
        [(one, version, rev, place, touch) for place, (one, version, rev, touch) in enumerate(entries, 1)],
    )
    # What came after is made once more.
    await truth.execute("DROP TABLE catalogue")
    await truth.execute("DROP INDEX lineage_predecessors")
    await truth.execute("UPDATE alembic_version SET version_num = '0013'")
    await asyncio.to_thread(upgrade, database_url)
    hashes = [entry_hash(one, version, rev % 2**64, touch) for one, version, rev, touch in entries]
    found = await truth.fetch("SELECT hash FROM feed WHERE stream_id = 900 ORDER BY position")
    assert [row["hash"] for row in found] == [signed64(one) for one in hashes]
    assert await truth.fetchval("SELECT digest FROM stream WHERE id = 900") == signed64(digest(hashes))
