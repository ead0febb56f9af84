"""The schema: from nothing to the head, once, and never a newer one."""

from __future__ import annotations

import asyncio

import pytest

from server.db.migrate import DatabaseNewer, upgrade


async def test_upgrade_is_repeatable(database_url, truth):
    await asyncio.to_thread(upgrade, database_url)
    tables = {row["tablename"] for row in await truth.fetch("SELECT tablename FROM pg_tables")}
    assert {"item", "revision", "stream", "feed", "change_set", "conflict"} <= tables


async def test_newer_database_is_left_alone(database_url, truth):
    await truth.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(DatabaseNewer):
        await asyncio.to_thread(upgrade, database_url)
    assert await truth.fetchval("SELECT version_num FROM alembic_version") == "from-the-future"
