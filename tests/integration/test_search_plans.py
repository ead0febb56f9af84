"""How a search is carried out among 100,000 items: by the index of terms and the items' keys, never by reading all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import asyncpg
import pytest
from msgspec import json

from server.db.database import prepare_connection
from server.db.reading import grant_rows, reached
from server.services import Services
from server.usecases.reading import grants_of
from server.usecases.searching import tag
from sync.searching import pairs, surname_fact
from tests import builders
from tests.builders import CADRE, CENTRE, EAST, caller

ITEMS = 100_000

# A surname's tag is on one item of fifty, 琅琊 in the text of one of twenty: a city district among eight.
_ITEMS = """
INSERT INTO item (id, type, grid_id, stream_class, author_id, in_own_stream, version, rev, touch, deleted, urgency,
    clear, captured_at, received_at, updated_at)
SELECT ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    CASE WHEN n % 2 = 0 THEN '0101' ELSE '0103' END, g.ids[1 + n % cardinality(g.ids)], 'grid', u.id, false, 1, n, 0,
    false, 'normal', jsonb_build_object('name', '明光路' || n || '号百货'), now(), now(), now()
FROM generate_series(1, $1::int) n,
    (SELECT array_agg(id) AS ids FROM grid) g,
    (SELECT id FROM users LIMIT 1) u
"""
_TERMS = """
INSERT INTO item_search (item_id, terms)
SELECT ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
    ARRAY(SELECT left(md5((n * 37 + k * k) % 5000 || ''), 2) FROM generate_series(1, 12) k)
    || ARRAY['# ' || left(md5('phone' || n), 20), '# ' || left(md5('name' || n % 3000), 20)]
    || CASE WHEN n % 20 = 0 THEN ARRAY['琅琊', '琊区'] ELSE ARRAY['明光', '光路'] END
    || CASE WHEN n % 50 = 0 THEN ARRAY[$2::text] ELSE ARRAY['# ' || left(md5('surname' || n % 200), 20)] END
FROM generate_series(1, $1::int) n
"""


@pytest.fixture
async def crowded(services: Services, truth: asyncpg.Connection) -> asyncpg.Connection:
    """The mini city with 100,000 items."""
    await builders.build_city(services)
    wang = tag(services.keyring, surname_fact(EAST, "王"))
    async with truth.transaction():
        await truth.execute(_ITEMS, ITEMS)
        await truth.execute(_TERMS, ITEMS, wang)
        await truth.execute("INSERT INTO item_key (item_id, wrapped) SELECT id, '' FROM item WHERE rev % 50 = 0")
    await truth.execute("ANALYZE item, item_key, item_search, grid_label")
    await prepare_connection(truth)
    return truth


async def test_no_search_reads_every_item(services: Services, crowded: asyncpg.Connection) -> None:
    """Whatever the planner knows of the values, and whether the reader reaches a county or one community."""
    district, surname = sorted(pairs("琅琊")), [tag(services.keyring, surname_fact(EAST, "王"))]
    for person in (CENTRE, CADRE):
        grants = grant_rows(grants_of(services, await caller(services, person)))
        for mode, terms in product(("force_custom_plan", "force_generic_plan"), (district, surname)):
            await crowded.execute(f"SET plan_cache_mode = {mode}")
            plan = await _plan(crowded, grants, terms)
            scans = {(node["Node Type"], node["Relation Name"]) for node in plan if "Relation Name" in node}
            assert not {("Seq Scan", "item"), ("Seq Scan", "item_search")} & scans
            assert "item_search_terms" in {node.get("Index Name") for node in plan}
    assert len(await crowded.fetch(reached("search_items"), grants, None, None, None, surname, 51)) == 51


async def _plan(connection: asyncpg.Connection, grants: list[dict[str, Any]], terms: list[str]) -> list[dict[str, Any]]:
    explain = f"EXPLAIN (FORMAT JSON) {reached('search_items')}"
    (plan,) = json.decode(await connection.fetchval(explain, grants, None, None, None, terms, 51) or "")
    return list(_nodes(plan["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)
