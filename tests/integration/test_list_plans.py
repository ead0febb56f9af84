"""How much a page of a list reads where a street holds far more than a page: never a whole table.

Rows that are read are counted, not time: by what the database says of each part of the plan that it carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest
from msgspec import json

from server.db import cases, conflicts, evidence_reading, quarantine, reading, reviews
from server.db.cases import CaseFilter
from server.db.conflicts import ConflictFilter
from server.db.database import prepare_connection
from server.db.directory import Sight
from server.db.evidence_reading import PhotoFilter
from server.db.quarantine import QuarantineFilter, QuarantineSight
from server.db.reading import ItemFilter
from server.services import Services
from server.usecases.cases import case_grants, office_areas
from server.usecases.reading import grants_of
from server.usecases.reviews import desks_of
from sync.access import Grant
from tests import builders
from tests.builders import CADRE, CENTRE, CHIEF, POLICEMAN, STREET_CADRE, caller

pytestmark = pytest.mark.long

ITEMS, PAGE, MOST = 40_000, 51, 8_000
"""More than a page of candidates needs, a fifth of what there is."""
_BIG = {"item", "item_key", "revision", "review", "cases", "evidence", "evidence_link", "conflict", "quarantine"}
_BEGAN = datetime(2026, 5, 4, tzinfo=UTC)
_MIDDLE = _BEGAN + timedelta(seconds=ITEMS // 2)

# Everything by the number n of an item, which is its rev: its instant, its grid (one of four in turn), its author. Few
# of a hundred are open in any sense; none has the type 0301, and records (0102) have neither case nor photo.
_NUMBERED = """
    SELECT n, ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
        timestamptz '2026-05-04 00:00:00+00' + n * interval '1 second' AS at
    FROM generate_series(1, $1::int) n
"""
_FILLED = (
    """
    INSERT INTO users (id, name, phone_index, phone_sealed)
    SELECT gen_random_uuid(), 'n' || (n % 100), sha256(id::text::bytea), '' FROM ({numbered}) s WHERE n <= 100
    """,
    """
    INSERT INTO item (id, type, grid_id, stream_class, author_id, in_own_stream, version, rev, touch, deleted, urgency,
        clear, captured_at, received_at, updated_at)
    SELECT s.id, CASE WHEN n % 3 = 0 THEN '0102' ELSE '0401' END, g.ids[1 + n % 4], 'grid', u.ids[1 + n / 4 % 100],
        false, 1, n, 0, false, 'normal', '{}', at, at, at
    FROM ({numbered}) s, (SELECT array_agg(grid_id ORDER BY code) AS ids FROM grid_label) g,
        (SELECT array_agg(id ORDER BY id) AS ids FROM users WHERE name LIKE 'n%') u
    """,
    "INSERT INTO item_key (item_id, wrapped) SELECT id, '' FROM ({numbered}) s",
    """
    INSERT INTO review (item_id, version, rev, state, level, steps, authors, answers, approvals, sampled,
        waits_for_evidence, asked_by, asked_tier, urgency_level, submitted_at, changed_at)
    SELECT i.id, 1, n, CASE WHEN n % 100 < 2 THEN 'pending' ELSE 'approved' END, 1, '[]', ARRAY[author_id], author_id,
        '[]', false, n % 100 = 1,
        CASE WHEN n % 100 = 0 THEN 'street' END, CASE WHEN n % 100 = 0 THEN 'street' END, 3, at, at
    FROM ({numbered}) s JOIN item i USING (id)
    """,
    """
    INSERT INTO cases (item_id, state, urgency, urgency_level, department, assisting, organisation_id, year_flagged,
        opened_at, changed_at, handle_by)
    SELECT i.id, CASE WHEN n % 100 < 4 THEN 'dispatched' ELSE 'closed' END, 'normal', 3, 'gongan', '{}',
        o.ids[1 + n / 4 % cardinality(o.ids)], false, at, at, at
    FROM ({numbered}) s JOIN item i USING (id), (SELECT array_agg(id ORDER BY id) AS ids FROM organisation) o
    WHERE i.type = '0401'
    """,
    """
    INSERT INTO evidence (sha256, size, state)
    SELECT sha256(id::text::bytea), 9, CASE WHEN n % 100 < 4 THEN 'declared' ELSE 'verified' END
    FROM ({numbered}) s WHERE n % 3 > 0
    """,
    """
    INSERT INTO evidence_link (item_id, sha256, size, role, version, flags, linked_at)
    SELECT id, sha256(id::text::bytea), 9, 'report', 1, '{}', at FROM ({numbered}) s WHERE n % 3 > 0
    """,
    """
    INSERT INTO revision (item_id, version, rev, op, author_id, device_id, fields, clear, catalogue, registry,
        captured_at, received_at)
    SELECT i.id, 1, n, 'create', author_id, d.id, '{}', '{}', 'x', 1, at, at
    FROM ({numbered}) s JOIN item i USING (id), (SELECT id FROM device LIMIT 1) d
    """,
    """
    INSERT INTO conflict (id, kind, op, item_id, state, author_id, fields, server_version, clear, captured_at,
        opened_at)
    SELECT gen_random_uuid(), 'update_update', 'update', i.id, CASE WHEN n % 100 < 4 THEN 'open' ELSE 'resolved' END,
        author_id, '{a}', 1, '{}', at, at
    FROM ({numbered}) s JOIN item i USING (id)
    """,
    """
    INSERT INTO quarantine (id, device_id, epoch, set_no, item_id, outcome, code, state, received_at)
    SELECT gen_random_uuid(), d.id, 'e', n, s.id, 'quarantined', 'x',
        CASE WHEN n % 100 < 4 THEN 'held' ELSE 'discarded' END, at
    FROM ({numbered}) s, (SELECT id FROM device LIMIT 1) d
    """,
)


class Looking(NamedTuple):
    """A reader as the lists know him."""

    grants: tuple[Grant, ...]
    case_grants: tuple[Grant, ...]
    areas: list[str]
    desks: list[dict[str, Any]]
    user: UUID


class Explaining:
    """A connection that carries out what it is asked and keeps, of the plan, how many rows were read of which table."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.rows: dict[str, float] = {}

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}"
        (plan,) = json.decode(await self._connection.fetchval(explain, *arguments) or "")
        for node in _nodes(plan["Plan"]):
            if node.get("Relation Name") in _BIG:
                looked = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                looked += node.get("Rows Removed by Index Recheck", 0)
                name = node["Relation Name"]
                self.rows[name] = self.rows.get(name, 0) + looked * node["Actual Loops"]
        return []


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


@pytest.fixture
async def crowded(services: Services, truth: asyncpg.Connection) -> asyncpg.Connection:
    """The mini city with 40,000 items."""
    await builders.build_city(services)
    await builders.enrol(services, builders.WORKER)
    async with truth.transaction():
        for statement in _FILLED:
            await truth.execute(statement.replace("{numbered}", _NUMBERED), ITEMS)
    await truth.execute("VACUUM ANALYZE")
    await prepare_connection(truth)
    return truth


def _of_cases(narrowed: CaseFilter, after: Any = None) -> Callable[[Any, Looking], Any]:
    return lambda c, who: cases.list_cases(c, who.case_grants, who.areas, narrowed, after, PAGE)


def _of_photos(narrowed: PhotoFilter, after: Any = None) -> Callable[[Any, Looking], Any]:
    return lambda c, who: evidence_reading.list_photos(c, who.grants, narrowed, after, PAGE)


def _of_conflicts(wanted: ConflictFilter) -> Callable[[Any, Looking], Any]:
    return lambda c, who: conflicts.select_conflicts(c, who.grants, wanted, PAGE)


def _of_items(narrowed: ItemFilter, after: Any = None) -> Callable[[Any, Looking], Any]:
    return lambda c, who: reading.list_items(c, who.grants, narrowed, after, PAGE)


def _of_reviews(narrowed: ItemFilter, after: Any = None) -> Callable[[Any, Looking], Any]:
    return lambda c, who: reviews.review_queue(c, who.grants, who.user, who.desks, narrowed, after, PAGE)


def _of_quarantine(wanted: QuarantineFilter, *prefixes: str) -> Callable[[Any, Looking], Any]:
    return lambda c, _: quarantine.select(c, QuarantineSight(not prefixes, prefixes), wanted, PAGE)


_HALF = UUID(f"018f0000-0000-7000-8000-{ITEMS // 2:012x}")
_STREET = "341182001"
LISTS: dict[str, Callable[[Any, Looking], Any]] = {
    "cases": _of_cases(CaseFilter()),
    "cases later": _of_cases(CaseFilter(), (3, _MIDDLE, _HALF)),
    "cases in a state": _of_cases(CaseFilter(state="dispatched")),
    "cases closed": _of_cases(CaseFilter(state="closed"), (3, _MIDDLE, _HALF)),
    "cases overdue": _of_cases(CaseFilter(overdue_at=_BEGAN + timedelta(days=9))),
    "cases of a type without cases": _of_cases(CaseFilter(type="0102")),
    "cases of a type without items": _of_cases(CaseFilter(type="0301", state="closed")),
    "cases in a place": _of_cases(CaseFilter(division=builders.EAST)),
    "one case": _of_cases(CaseFilter(ids=(_HALF, _HALF))),
    "photos": _of_photos(PhotoFilter()),
    "photos later": _of_photos(PhotoFilter(), (_MIDDLE, _HALF, b"", "")),
    "photos that are not here": _of_photos(PhotoFilter(states=("declared", "uploading"))),
    "photos that closing waits for": _of_photos(PhotoFilter(waiting="closing")),
    "photos that an approval waits for": _of_photos(PhotoFilter(waiting="approval")),
    "photos of an item": _of_photos(PhotoFilter(items=(_HALF, _HALF))),
    "phones that owe photos": lambda c, _: evidence_reading.phones_owing_photos(c, Sight(True), None, None, PAGE),
    "conflicts": _of_conflicts(ConflictFilter()),
    "conflicts later": _of_conflicts(ConflictFilter(after=(_MIDDLE, _HALF))),
    "open conflicts": _of_conflicts(ConflictFilter(state="open")),
    "open conflicts later": _of_conflicts(ConflictFilter(state="open", after=(_MIDDLE, _HALF))),
    "items": _of_items(ItemFilter()),
    "items later": _of_items(ItemFilter(), _HALF),
    "items of a type without items": _of_items(ItemFilter(type="0301")),
    "items under review": _of_items(ItemFilter(review="pending")),
    "items returned": _of_items(ItemFilter(review="returned")),
    "items with a case in a state": _of_items(ItemFilter(case="dispatched")),
    "reviews": _of_reviews(ItemFilter()),
    "reviews later": _of_reviews(ItemFilter(), (3, _MIDDLE, _HALF)),
    "quarantine": _of_quarantine(QuarantineFilter()),
    "quarantine later": _of_quarantine(QuarantineFilter(after=(_MIDDLE, _HALF))),
    "quarantine of a street": _of_quarantine(QuarantineFilter(state="held"), _STREET),
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_no_page_reads_a_whole_table(services: Services, crowded: asyncpg.Connection, mode: str) -> None:
    """Whatever the planner knows of the values, and whether the reader reaches a county, a street or two grids."""
    await crowded.execute(f"SET plan_cache_mode = {mode}")
    read: dict[tuple[str, str, str], float] = {}
    for person in (CENTRE, STREET_CADRE, CADRE, CHIEF, POLICEMAN):
        by = await caller(services, person)
        who = Looking(
            grants_of(services, by), case_grants(services, by), office_areas(by), desks_of(by.assignments), by.user_id
        )
        for name, ask in LISTS.items():
            explaining = Explaining(crowded)
            await ask(explaining, who)
            assert explaining.rows
            read |= {(name, person.role, table): rows for table, rows in explaining.rows.items() if rows > MOST}
    assert read == {}
