"""The checker of a simulation against a database that somebody alters by hand: each alteration is found and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from rich.console import Console

from server.simulate.demo_file import read_demo
from server.simulate.look_sql import open_view
from server.simulate.net import Net
from server.simulate.plan import DAYS
from server.simulate.progress import Teller
from server.simulate.report import Outcome
from server.simulate.run import Run, Wish
from server.simulate.tamper import Tamper
from server.simulate.verify import SqlInspector
from tests.integration.simulated_city import City, served_city

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.long]


class Bench(NamedTuple):
    """A run that has sent everything, not yet checked; and a way into its database."""

    run: Run
    inspector: SqlInspector
    truth: asyncpg.Connection

    async def found(self) -> tuple[int, int, int]:
        """Check now: (lost, duplicated, diverged)."""
        outcome: Outcome = await self.run.check(self.inspector, by_sql=True)
        figures = outcome.figures
        return figures.lost, figures.duplicated, figures.diverged


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with served_city() as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(city: City) -> AsyncIterator[Bench]:
    net = Net(city.url)
    wish = Wish(city.url, read_demo(city.demo_file), city.data, 6, 9)
    run = Run(wish, net, Tamper(), Teller(Console(stderr=True)))
    await run.enrol()
    truth = await asyncpg.connect(city.settings().database_url)
    async with open_view(Path(city.data), run.workers[0].phone.device.epoch or "") as view:
        assert view is not None
        inspector = SqlInspector(view, run.ledger, await view.begin())
        for day in range(DAYS):
            await run.live(day)
        await run.drain()
        assert run.stuck == {}
        yield Bench(run, inspector, truth)
    await truth.close()
    await net.close()


# An item that was edited once, in open fields, and about which nothing is in conflict.
EDITED_ONCE = """SELECT i.id FROM item i JOIN revision r ON r.item_id = i.id AND r.version = 2 AND r.op = 'update'
    JOIN revision first ON first.item_id = i.id AND first.version = 1 AND first.clear ?& r.fields
    WHERE i.version = 2 AND i.type IN ('0103', '0105') AND r.fields <@ '{owner_unit,employees,state,nine_small}'
    AND NOT EXISTS (SELECT FROM conflict c WHERE c.item_id = i.id) ORDER BY i.id LIMIT 1"""
NEVER_EDITED = (
    """SELECT id FROM item WHERE version = 1 AND stream_class = 'grid' AND clear ? 'people' ORDER BY id LIMIT 1"""
)
HOLDERS = """SELECT count(*) FROM device d WHERE d.user_id IN (
    SELECT a.user_id FROM assignment a JOIN item i ON i.grid_id = a.grid_id WHERE i.id = $1)"""
COPY = UUID("00000000-0000-7000-8000-000000000001")


async def test_untouched_it_is_whole(bench: Bench) -> None:
    assert await bench.found() == (0, 0, 0)


async def test_an_edit_taken_out_with_its_effect_is_one_loss(bench: Bench) -> None:
    item = await bench.truth.fetchval(EDITED_ONCE)
    back = f"""UPDATE item SET version = 1, clear = item.clear || (
            SELECT jsonb_object_agg(key, first.clear -> key)
            FROM revision first, revision r, unnest(r.fields) key
            WHERE first.item_id = item.id AND first.version = 1 AND r.item_id = item.id AND r.version = 2)
        WHERE id = '{item}'"""
    async with changed(bench, back, f"DELETE FROM revision WHERE item_id = '{item}' AND version = 2"):
        assert await bench.found() == (1, 0, await bench.truth.fetchval(HOLDERS, item))


async def test_a_revision_taken_out_alone_leaves_a_value_that_nobody_set(bench: Bench) -> None:
    item = await bench.truth.fetchval(EDITED_ONCE)
    async with changed(bench, f"DELETE FROM revision WHERE item_id = '{item}' AND version = 2"):
        # Lost are the edit and what was there before it, which nothing supersedes any more; a version has no revision.
        assert await bench.found() == (2, 1, 0)


async def test_a_value_altered_behind_the_history_is_a_loss_and_each_phone_differs(bench: Bench) -> None:
    item = await bench.truth.fetchval(NEVER_EDITED)
    holders = await bench.truth.fetchval(HOLDERS, item)
    assert holders >= 1
    alter = f"""UPDATE item SET clear = clear || '{{"people": 98765}}' WHERE id = '{item}'"""
    async with changed(bench, alter):
        assert await bench.found() == (1, 0, holders)


async def test_a_revision_written_twice_is_one_duplicate(bench: Bench) -> None:
    item = await bench.truth.fetchval(EDITED_ONCE)
    again = f"""INSERT INTO revision SELECT (jsonb_populate_record(r, jsonb_build_object(
            'version', version + 1, 'set_no', set_no + 100000))).*
        FROM revision r WHERE item_id = '{item}' AND version = 2"""
    async with changed(bench, again):
        assert await bench.found() == (0, 1, 0)


async def test_an_item_copied_whole_is_one_duplicate_that_phones_miss(bench: Bench) -> None:
    item = await bench.truth.fetchval(NEVER_EDITED)
    holders = await bench.truth.fetchval(HOLDERS, item)
    copies = [
        f"INSERT INTO item_key SELECT '{COPY}', wrapped FROM item_key WHERE item_id = '{item}'",
        f"""INSERT INTO item SELECT (jsonb_populate_record(i, jsonb_build_object('id', '{COPY}'))).*
            FROM item i WHERE id = '{item}'""",
    ]
    async with changed(bench, *copies):
        assert await bench.found() == (0, 1, holders)


async def test_a_conflict_that_lost_its_values_is_a_loss(bench: Bench) -> None:
    conflict = await _conflict_with_the_only_copy(bench)
    async with changed(bench, f"UPDATE conflict SET clear = '{{}}', sealed = NULL WHERE id = '{conflict}'"):
        assert (await bench.found())[:2] == (1, 0)


async def _conflict_with_the_only_copy(bench: Bench) -> UUID:
    """One about a single field, whose value nobody else wrote into that field: it stands nowhere but here."""
    rows = await bench.truth.fetch(
        """SELECT c.id, c.item_id, (c.device_id, c.set_no, c.set_index) AS key, c.fields[1] AS field FROM conflict c
        WHERE kind = 'update_update' AND c.version = 1 AND cardinality(c.fields) = 1
        AND NOT EXISTS (SELECT FROM conflict o WHERE o.item_id = c.item_id AND o.id <> c.id) ORDER BY c.id"""
    )
    ledger = bench.run.ledger
    for row in rows:
        value = ledger.by_key[tuple(row["key"])].fields[row["field"]]
        written = [change.fields.get(row["field"]) for change in ledger.by_item[row["item_id"]]]
        if written.count(value) == 1:
            return row["id"]
    raise AssertionError("no conflict holds the only copy of a value")


async def test_a_rejected_change_whose_bytes_are_gone_is_a_loss(bench: Bench) -> None:
    held = await bench.truth.fetchrow("SELECT device_id, set_no FROM quarantine ORDER BY id LIMIT 1")
    where = f"device_id = '{held['device_id']}' AND set_no = {held['set_no']}"
    count = await bench.truth.fetchval(f"SELECT count(*) FROM quarantine WHERE {where}")
    async with changed(bench, f"UPDATE change_set SET sealed = '' WHERE {where.replace('set_no', 'no')}"):
        assert await bench.found() == (count, 0, 0)


async def test_a_wrong_digest_is_a_difference_of_each_phone(bench: Bench) -> None:
    key = await bench.truth.fetchval("SELECT key FROM stream WHERE key LIKE 'own/%' AND head > 0 ORDER BY key LIMIT 1")
    async with changed(bench, f"UPDATE stream SET digest = digest # 1 WHERE key = '{key}'"):
        assert await bench.found() == (0, 0, 1)


KEYS = {
    "revision": "item_id, version",
    "item": "id",
    "item_key": "item_id",
    "conflict": "id",
    "change_set": "device_id, epoch, no",
    "stream": "key",
}
ALTERED = {"item": "version clear", "conflict": "clear sealed", "change_set": "sealed", "stream": "digest"}


@asynccontextmanager
async def changed(bench: Bench, *statements: str) -> AsyncIterator[None]:
    """The database after these statements; afterwards it is whole again."""
    for table in KEYS:
        await bench.truth.execute(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}")
    try:
        for statement in statements:
            assert not (await bench.truth.execute(statement)).endswith(" 0"), "nothing was changed"
        yield
    finally:
        for table, key in KEYS.items():
            await bench.truth.execute(_restoration(table, key))
    assert await bench.found() == (0, 0, 0)


def _restoration(table: str, key: str) -> str:
    kept = f"kept_{table}"
    undo = [f"DELETE FROM {table} WHERE ({key}) NOT IN (SELECT {key} FROM {kept})"]
    if table == "revision":
        undo.append(f"INSERT INTO {table} SELECT * FROM {kept} WHERE ({key}) NOT IN (SELECT {key} FROM {table})")
    if table in ALTERED:
        columns = ", ".join(f"{column} = k.{column}" for column in ALTERED[table].split())
        same = " AND ".join(f"t.{column.strip()} = k.{column.strip()}" for column in key.split(","))
        undo.append(f"UPDATE {table} t SET {columns} FROM {kept} k WHERE {same}")
    return "; ".join([*undo, f"DROP TABLE {kept}"])
