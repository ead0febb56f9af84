"""The catalogue's retention: what is due, when, and that nothing else is touched."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from server.errors import Problem
from server.services import Services
from server.usecases import retention
from server.usecases.retention import Run, Wish, count_due, run_by_rule, run_for, show_rules
from server.usecases.telling import Teller
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    EAST,
    STREET_CADRE,
    TYPES,
    WORKER,
    Person,
    Phone,
    build_city,
    caller,
    enrol,
    form,
)
from tests.integration.erasing_scene import base_of, close_case, edit
from tests.integration.evidence_scene import until_someone_waits_for_a_lock
from tests.integration.lockpick import open_all
from tests.integration.terminal import shell
from tests.integration.test_conflicts import assert_streams_add_up

MONTH = timedelta(days=31)


@pytest.fixture
async def phone(services: Services) -> Phone:
    await build_city(services)
    return await enrol(services, WORKER)


async def delete(phone: Phone, truth: asyncpg.Connection, item: UUID, type_code: str, ago: timedelta) -> None:
    """The worker deletes a record, so long ago."""
    deletion = msgspec.structs.replace(edit(item, await base_of(truth, item), type_code), op="delete")
    assert (await phone.push(deletion)).outcomes[0].outcome == "applied"
    await truth.execute("UPDATE item SET updated_at = now() - $2::interval WHERE id = $1", item, ago)


async def gone(phone: Phone, truth: asyncpg.Connection, type_code: str, ago: timedelta, **fields: Any) -> UUID:
    """A record that was deleted so long ago."""
    item = await phone.report(type_code, **fields)
    await delete(phone, truth, item, type_code, ago)
    return item


async def closed(phone: Phone, truth: asyncpg.Connection, type_code: str, ago: timedelta, **fields: Any) -> UUID:
    """An event whose case was closed so long ago."""
    item = await phone.report(type_code, **fields)
    await close_case(truth, item, datetime.now(UTC) - ago)
    return item


async def erase_due(services: Services, by: Person = ADMINISTRATOR, **more: Any) -> Run:
    now = datetime.now(UTC)
    actor = await caller(services, by)
    given: dict[str, Any] = {"at": now, "by": actor.user_id, "reason": "按目录执行"}
    wish = Wish(**given | more)
    return await run_for(services, actor, wish, now, Teller())


async def erased(truth: asyncpg.Connection) -> set[UUID]:
    return {row["id"] for row in await truth.fetch("SELECT id FROM item WHERE erased_at IS NOT NULL")}


async def test_what_is_due_is_erased_and_nothing_else(phone: Phone, truth: asyncpg.Connection) -> None:
    services = phone.services
    due = {
        await gone(phone, truth, "0102", 13 * MONTH, address="吴家到期"),
        await gone(phone, truth, "0105", timedelta(0)),
        await closed(phone, truth, "0401", 62 * MONTH, description="吴家到期"),
    }
    kept = {
        await gone(phone, truth, "0102", 10 * MONTH),
        await phone.report("0102", address="吴家还在"),
        await closed(phone, truth, "0401", 50 * MONTH),
        await phone.report("0401"),
    }
    done = await erase_due(services)
    assert (done.erased, done.more) == (3, False)
    assert await erased(truth) == due
    opened = await open_all(truth, services.keyring)
    assert not any("吴家到期".encode() in text for texts in opened.values() for text in texts)
    assert any("吴家还在".encode() in text for texts in opened.values() for text in texts)
    keys = {row["item_id"] for row in await truth.fetch("SELECT item_id FROM item_key")}
    assert keys == kept
    await assert_streams_add_up(truth)
    assert (await erase_due(services)).erased == 0


async def test_the_figures_stay(phone: Phone, truth: asyncpg.Connection) -> None:
    item = await closed(phone, truth, "0401", 62 * MONTH, at_risk=7)
    figures = "SELECT type, grid_id, urgency, captured_at, received_at FROM item WHERE id = $1"
    case = "SELECT * FROM cases WHERE item_id = $1"
    before = [await truth.fetchrow(one, item) for one in (figures, case)]
    await erase_due(phone.services)
    assert [await truth.fetchrow(one, item) for one in (figures, case)] == before
    clear = json.loads(await truth.fetchval("SELECT clear FROM item WHERE id = $1", item) or "")
    assert clear == {"at_risk": 7, "hazards": form("0401")["hazards"], "fixed_on_site": False}
    revision = await truth.fetchrow("SELECT * FROM revision WHERE item_id = $1 AND op = 'erase'", item)
    assert revision is not None
    assert revision["reason"] == "按目录执行; retention of 0401: 60 months after closed"


async def test_a_resident_who_lives_elsewhere_is_kept(phone: Phone, truth: asyncpg.Connection) -> None:
    """`living_here` false says where he lives, not that he has gone."""
    dwelling = await phone.report("0102")
    resident = await phone.report("0101", dwelling=str(dwelling), living_here=False)
    await truth.execute("UPDATE item SET updated_at = now() - interval '10 years' WHERE id = $1", resident)
    await erase_due(phone.services)
    assert await erased(truth) == set()


async def test_a_case_that_was_opened_again_is_left_alone(phone: Phone, truth: asyncpg.Connection) -> None:
    item = await closed(phone, truth, "0401", 62 * MONTH)
    await truth.execute("UPDATE cases SET state = 'reopened', closed_at = NULL WHERE item_id = $1", item)
    assert (await erase_due(phone.services)).erased == 0
    assert await erased(truth) == set()


async def test_it_looks_again_under_the_lock(phone: Phone, truth: asyncpg.Connection, database_url: str) -> None:
    """While the run waits for the item, its case is opened again."""
    item = await closed(phone, truth, "0401", 62 * MONTH)
    other = await closed(phone, truth, "0401", 62 * MONTH)
    holder = await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("SELECT FROM item WHERE id = $1 FOR UPDATE", item)
        running = asyncio.create_task(erase_due(phone.services))
        await until_someone_waits_for_a_lock(truth)
        await holder.execute("UPDATE cases SET state = 'reopened', closed_at = NULL WHERE item_id = $1", item)
    await holder.close()
    assert (await running).erased == 1
    assert await erased(truth) == {other}


async def test_it_goes_in_batches_and_goes_on_where_it_stopped(
    phone: Phone, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = {await gone(phone, truth, "0105", timedelta(0)) for _ in range(5)}
    monkeypatch.setattr(retention, "_BATCH", 2)
    monkeypatch.setattr(retention, "_BATCHES", 2)
    told: list[str] = []

    class Counting(Teller):
        def step(self) -> None:
            told.append("step")

    now = datetime.now(UTC)
    actor = await caller(phone.services, ADMINISTRATOR)
    wish = Wish(at=now, by=actor.user_id, reason="按目录执行")
    first = await run_for(phone.services, actor, wish, now, Counting())
    assert (first.erased, first.more, len(told)) == (4, True, 4)
    assert (await erase_due(phone.services)).erased == 1
    assert await erased(truth) == due


async def test_two_runs_at_once_erase_each_item_once(phone: Phone, truth: asyncpg.Connection) -> None:
    due = {await gone(phone, truth, "0105", timedelta(0)) for _ in range(6)}
    runs = await asyncio.gather(*(erase_due(phone.services) for _ in range(3)))
    assert sum(one.erased for one in runs) == 6
    assert await erased(truth) == due
    assert await truth.fetchval("SELECT count(*) FROM revision WHERE op = 'erase'") == 6


async def test_a_dry_run_counts_by_type_and_community(phone: Phone, truth: asyncpg.Connection) -> None:
    await gone(phone, truth, "0105", timedelta(0))
    await gone(phone, truth, "0105", timedelta(0))
    await closed(phone, truth, "0401", timedelta(days=59 * 30))
    now = datetime.now(UTC)
    found = await count_due(phone.services, Wish(at=now))
    assert [(one.type, one.division, one.items) for one in found.due] == [("0105", EAST, 2)]
    later = await count_due(phone.services, Wish(at=now + timedelta(days=90), types=("0401",)))
    assert [(one.type, one.division, one.items) for one in later.due] == [("0401", EAST, 1)]
    assert await erased(truth) == set()
    rules = {one.type: one for one in await show_rules(phone.services, now)}
    assert rules.keys() == TYPES.keys()
    assert (rules["0105"].due, rules["0105"].soon) == (2, 0)
    assert (rules["0401"].due, rules["0401"].soon) == (0, 1)


async def test_who_may_and_what_is_refused(phone: Phone, truth: asyncpg.Connection) -> None:
    await gone(phone, truth, "0105", timedelta(0))
    for person in (WORKER, CADRE, STREET_CADRE):
        with pytest.raises(Problem, match="forbidden"):
            await erase_due(phone.services, person)
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"at": datetime.now(UTC) + timedelta(days=1)}, "parameter_invalid"),
        ({"types": ("9999",)}, "parameter_invalid"),
        ({"reason": " "}, "reason_needed"),
    ]
    for wrong, code in wishes:
        with pytest.raises(Problem, match=code):
            await erase_due(phone.services, **wrong)
    assert await erased(truth) == set()


async def test_every_night_it_runs_by_itself(phone: Phone, truth: asyncpg.Connection) -> None:
    item = await gone(phone, truth, "0105", timedelta(0))
    await run_by_rule(phone.services)
    assert await erased(truth) == {item}
    act = await truth.fetchrow("SELECT actor_id, reason FROM audit WHERE action = 'item.erased'")
    assert tuple(act or ()) == (None, "retention of 0105: 0 months after ended")


async def test_the_command(phone: Phone, environ: dict[str, str], truth: asyncpg.Connection) -> None:
    await gone(phone, truth, "0105", timedelta(0))
    run = ["retention", "run", "--as", ADMINISTRATOR.phone]
    tried = await shell(environ, *run, "--dry-run", "--json")
    assert tried.status == 0, tried.err
    assert json.loads(tried.out)["due"] == [{"type": "0105", "division": EAST, "items": 1}]
    assert (await shell(environ, *run, "--json")).status == 1
    done = await shell(environ, *run, "--reason", "按目录执行", "--type", "0105")
    assert done.status == 0, done.err
    assert "erased: 1" in done.out
    shown = await shell(environ, "retention", "show")
    assert "0105 小区与公共设施信息" in shown.out
    assert shown.status == 0


@pytest.fixture(autouse=True)
def _needs(app_client: httpx.AsyncClient) -> None:
    """The application serves, as in production."""
