"""The schema: from nothing to the head, once, and never a newer one."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.db.migrate import DatabaseNewer, upgrade
from sync.feed import digest, entry_hash, signed64
from tests.databases import drop_database


async def test_upgrade_is_repeatable(database_url, truth):
    await asyncio.to_thread(upgrade, database_url)
    tables = {row["tablename"] for row in await truth.fetch("SELECT tablename FROM pg_tables")}
    assert {"item", "revision", "stream", "feed", "change_set", "conflict"} <= tables


async def test_newer_database_is_left_alone(database_url, truth):
    await truth.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(DatabaseNewer):
        await asyncio.to_thread(upgrade, database_url)
    assert await truth.fetchval("SELECT version_num FROM alembic_version") == "from-the-future"


class Former(NamedTuple):
    """A database as a former program left it."""

    url: str
    truth: asyncpg.Connection


@pytest.fixture
async def former(embedded, request):
    """It stopped at the revision that the test names."""
    admin = await asyncpg.connect(embedded["ONEGRID_DATABASE_URL"])
    name = f"former_{uuid4().hex[:8]}"
    await admin.execute(f'CREATE DATABASE "{name}"')
    url = urlsplit(embedded["ONEGRID_DATABASE_URL"])._replace(path=f"/{name}").geturl()
    await asyncio.to_thread(upgrade, url, request.param)
    truth = await asyncpg.connect(url)
    yield Former(url, truth)
    await truth.close()
    await drop_database(admin, name)
    await admin.close()


@pytest.mark.parametrize("former", ["0013"], indirect=True)
async def test_entries_of_before_are_hashed_as_phones_hash_them(former):
    truth = former.truth
    entries = [(UUID(int=1), 1, -7, 0), (UUID(int=2), 3, 2**62, 5), (UUID(int=3), 2, 0, 2_000_000_000)]
    await truth.execute("INSERT INTO stream (id, key, head) OVERRIDING SYSTEM VALUE VALUES (900, 'grid/of-before', 3)")
    await truth.executemany(
        "INSERT INTO feed (stream_id, object_id, kind, position, present, version, rev, touch, hash) "
        "VALUES (900, $1, 'item', $4, true, $2, $3, $5, 0)",
        [(one, version, rev, place, touch) for place, (one, version, rev, touch) in enumerate(entries, 1)],
    )
    await asyncio.to_thread(upgrade, former.url)
    hashes = [entry_hash(one, version, rev % 2**64, touch) for one, version, rev, touch in entries]
    found = await truth.fetch("SELECT hash FROM feed WHERE stream_id = 900 ORDER BY position")
    assert [row["hash"] for row in found] == [signed64(one) for one in hashes]
    assert await truth.fetchval("SELECT digest FROM stream WHERE id = 900") == signed64(digest(hashes))


@pytest.mark.parametrize("former", ["0014"], indirect=True)
async def test_steps_of_before_are_told_as_they_were(former):
    truth = former.truth
    await truth.execute(
        "INSERT INTO item (id, type, stream_class, author_id, in_own_stream, version, rev, urgency, clear, "
        "captured_at, received_at, updated_at) "
        "VALUES ($1, '0401', 'grid', $1, false, 1, 0, 'normal', '{}', now(), now(), now())",
        UUID(int=1),
    )
    await truth.execute(
        "INSERT INTO review (item_id, version, rev, state, level, steps, authors, answers, approvals, sampled, "
        "waits_for_evidence, urgency_level, submitted_at, changed_at) "
        "VALUES ($1, 1, 0, 'pending', 1, '[]', '{}', $1, '[]', false, false, 1, now(), now())",
        UUID(int=1),
    )
    await truth.execute(
        "INSERT INTO review_step (item_id, seq, version, action, level, at) VALUES ($1, 1, 1, 'submitted', 1, now())",
        UUID(int=1),
    )
    await truth.execute(
        "INSERT INTO cases (item_id, state, urgency, urgency_level, department, assisting, year_flagged, opened_at, "
        "changed_at) VALUES ($1, 'reported', 'normal', 1, 'x', '{}', false, now(), now())",
        UUID(int=1),
    )
    await truth.execute(
        "INSERT INTO case_step (item_id, seq, action, to_state, detail, at) "
        "VALUES ($1, 1, 'report', 'reported', '{}', now())",
        UUID(int=1),
    )
    told = [await truth.fetch(f"SELECT * FROM {table}") for table in ("review_step", "case_step")]
    await asyncio.to_thread(upgrade, former.url)
    assert [await truth.fetch(f"SELECT * FROM {view}") for view in ("review_steps", "case_steps")] == told
