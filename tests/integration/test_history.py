"""The history of the demo city: its rows are those that the server itself would have written, and work goes on."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, get_args
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec import json
from msgspec.structs import replace

from schemas.offices import CaseAction, ReviewDecision
from server.db.cases import CaseFilter
from server.db.reading import ItemFilter
from server.demo.history import HistoryError, load_history
from server.demo.history.chronicle import Life
from server.demo.history.moments import CITY_TIME, DAYS
from server.demo.history.pictures import take_pictures
from server.demo.history.plan import SEED
from server.demo.history.telling import Setting
from server.demo.people import Person
from server.made_up.forms import edit_fields
from server.services import Services
from server.usecases import cases, reading, reviews
from server.usecases.evidence import photo_key, thumbnail_key
from server.usecases.sealed_items import Vault
from server.usecases.searching import terms_of
from server.usecases.standings import Standing, find_standings
from sync.case_table import CaseStatus
from sync.feed import digest, entry_hash, to_hex, unsigned64
from sync.items import ItemState, revision_rev, stream_keys
from tests.builders import caller
from tests.integration.history_scene import live_through, settle
from tests.phones import field_phone
from tests.told import HOURS, SCALE, Told, few_grids, tell

pytestmark = pytest.mark.long

_ALL = ItemFilter()


async def heads(services: Services, truth: asyncpg.Connection) -> dict[UUID, tuple[ItemState, bytes]]:
    """Every item as it is opened from its row, and its key."""
    vault = Vault(services.keyring, services.catalogue)
    rows = await truth.fetch("SELECT i.*, k.wrapped FROM item i JOIN item_key k ON k.item_id = i.id")
    found: dict[UUID, tuple[ItemState, bytes]] = {}
    for row in rows:
        plain = dict(row) | {"clear": json.decode(row["clear"])}
        secret = vault.secret(plain)
        found[row["id"]] = vault.open_item(plain, secret), secret
    return found


async def by_item(truth: asyncpg.Connection, table: str, order: str) -> dict[UUID, list[asyncpg.Record]]:
    grouped: defaultdict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in await truth.fetch(f"SELECT * FROM {table} ORDER BY item_id, {order}"):
        grouped[row["item_id"]].append(row)
    return grouped


@pytest.mark.parametrize("now", HOURS, ids=str)
async def test_rows_are_those_that_the_server_would_have_written(
    services: Services, truth: asyncpg.Connection, now: datetime
) -> None:
    told = await live_through(services, now, photos=True)
    await check_standings(services, truth, told)
    await check_heads(services, truth, told)
    await check_streams(services, truth)
    await check_steps(truth, told)
    await check_photos(services, truth)


async def check_standings(services: Services, truth: asyncpg.Connection, told: Told) -> None:
    """What is read back is what was told, to the last field."""
    async with services.database.read() as connection:
        stored = {
            one.item.id: one for one in await find_standings(connection, services, [life.id for life in told.lives])
        }
    assert len(stored) == len(told.lives) > 150
    for life in told.lives:
        known, found = life.standing, stored[life.id]
        for name in ("item", "review", "case", "facts", "ruling", "answers", "submitted_at"):
            assert getattr(found, name) == getattr(known, name), (life.item.type, name)
        assert_photos(found)
    assert {life.case.state for life in told.lives if life.standing.case} == set(get_args(CaseStatus))
    assert {life.item.type for life in told.lives} >= {"0101", "0102", "0103", "0104", "0105", "0401", "0601"}
    assert await truth.fetchval("SELECT count(*) FROM item") == len(told.lives)


def assert_photos(standing: Standing) -> None:
    """What was approved or closed has its photos, and none waits for one."""
    assert standing.review is not None
    assert standing.evidence_verified()
    assert not standing.review.waits_for_evidence


async def check_heads(services: Services, truth: asyncpg.Connection, told: Told) -> None:
    """Heads are valid, follow from their revisions, and are found by their terms."""
    today = told.setting.now.astimezone(CITY_TIME).date()
    revisions = await by_item(truth, "revision", "version")
    vault = Vault(services.keyring, services.catalogue)
    terms = {row["item_id"]: row["terms"] for row in await truth.fetch("SELECT * FROM item_search")}
    for item, secret in (await heads(services, truth)).values():
        compiled = services.catalogue.types[item.type]
        assert compiled.check_whole(item.fields, today) == []
        assert item.rev == revision_rev(secret, item)
        own = revisions[item.id]
        assert [row["version"] for row in own] == list(range(1, item.version + 1))
        assert own[-1]["rev"] % 2**64 == item.rev
        fields: dict[str, Any] = {}
        for row in own:
            plain = dict(row) | {"clear": json.decode(row["clear"])}
            fields |= vault.open_past(plain, secret).fields
            assert not json.decode(row["clear"]).keys() & compiled.marked
            assert row["captured_at"] <= row["received_at"] < told.setting.now
            assert row["received_at"] > told.setting.now - timedelta(days=DAYS + 2)
        assert fields == item.fields
        assert terms[item.id] == terms_of(
            services.keyring, compiled, item.fields, services.registry.community(item.grid_id)
        )
    assert len(terms) == len(revisions)
    assert max(len(own) for own in revisions.values()) > 1


async def check_streams(services: Services, truth: asyncpg.Connection) -> None:
    """Streams hold what their items say, without gaps, under true digests."""
    wanted: defaultdict[str, dict[UUID, tuple[int, int, int]]] = defaultdict(dict)
    for item, _ in (await heads(services, truth)).values():
        for key in stream_keys(item):
            wanted[key][item.id] = (item.version, item.rev, item.touch)
    for row in await truth.fetch("SELECT * FROM notice WHERE open"):
        wanted[f"own/{row['user_id']}"][row["id"]] = (row["version"], 0, 0)
    for stream in await truth.fetch("SELECT * FROM stream"):
        entries = await truth.fetch("SELECT * FROM feed WHERE stream_id = $1 ORDER BY position", stream["id"])
        assert [row["position"] for row in entries] == list(range(1, stream["head"] + 1))
        present = {
            row["object_id"]: (row["version"], unsigned64(row["rev"]), row["touch"])
            for row in entries
            if row["present"]
        }
        assert present == wanted[stream["key"]]
        hashes = [entry_hash(one, *state) for one, state in present.items()]
        assert unsigned64(stream["digest"]) == digest(hashes)
        assert digest(unsigned64(row["hash"]) for row in entries) == digest(hashes)
    assert wanted.keys() == {row["key"] for row in await truth.fetch("SELECT key FROM stream")}
    assert {key.partition("/")[0] for key in wanted} == {"grid", "restricted", "own"}


async def check_steps(truth: asyncpg.Connection, told: Told) -> None:
    """Each step leads from the state that the one before it left."""
    states = {row["item_id"]: row for row in await truth.fetch("SELECT * FROM cases")}
    for item_id, steps in (await by_item(truth, "case_steps", "seq")).items():
        assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
        assert steps[0]["from_state"] is None
        assert all(later["from_state"] == step["to_state"] for step, later in pairwise(steps))
        assert steps[-1]["to_state"] == states[item_id]["state"]
        assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
        assert steps[-1]["at"] < told.setting.now
    submissions = {row["item_id"]: row for row in await truth.fetch("SELECT * FROM review")}
    for item_id, steps in (await by_item(truth, "review_steps", "seq")).items():
        assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
        assert steps[0]["action"] == "submitted"
        assert steps[-1]["at"] == submissions[item_id]["changed_at"]
        assert steps[-1]["version"] == submissions[item_id]["version"]
    assert {row["state"] for row in submissions.values()} == {"pending", "approved", "returned"}
    # Everything that somebody did, and nothing else, counts up an item's touch; reopening begins a round of photos.
    touches = await truth.fetch(
        """SELECT i.touch, c.reopened_at,
            (SELECT count(*) FROM review_steps s WHERE s.item_id = i.id AND s.actor_id IS NOT NULL
                AND s.action IN ('approved', 'returned'))
            + (SELECT count(*) FROM case_steps s WHERE s.item_id = i.id AND s.actor_id IS NOT NULL) AS acts,
            (SELECT max(s.at) FROM case_steps s WHERE s.item_id = i.id AND s.action = 'reopen') AS reopened
        FROM item i LEFT JOIN cases c ON c.item_id = i.id"""
    )
    assert all(row["touch"] == row["acts"] and row["reopened_at"] == row["reopened"] for row in touches)
    assert max(row["touch"] for row in touches) > 5


async def check_photos(services: Services, truth: asyncpg.Connection) -> None:
    """Every photo lies in the store as its row says, and fits its claim."""
    links = await truth.fetch(
        "SELECT l.*, e.state, e.taken_at FROM evidence_link l JOIN evidence e USING (sha256, size)"
    )
    assert Counter(row["state"] for row in links) == {"verified": len(links)}
    assert all(row["flags"] == [] for row in links)
    assert {row["role"] for row in links} == {"report", "close"}
    for sha256, size in {(row["sha256"], row["size"]) for row in links}:
        data = await services.objects.read(photo_key(sha256, size), size)
        assert (hashlib.sha256(data).digest(), len(data)) == (sha256, size)
        assert await services.objects.read(thumbnail_key(sha256, size), 1_000_000)


async def test_new_phones_are_filled_to_the_head(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    told = await live_through(services)
    authors = {life.item.author_id for life in told.lives}
    everything = {item.id: item.fields for item, _ in (await heads(services, truth)).values()}
    for role in ("grid_worker", "grid_chief", "part_time_worker"):
        holder = next(one for one in told.setting.city.people if one.role == role and one.id in authors)
        phone = await field_phone(services, app_client, holder)  # type: ignore[arg-type]
        await phone.sync()
        for key, held in phone.device.memberships().items():
            stream = await truth.fetchrow("SELECT id, digest FROM stream WHERE key = $1", key)
            assert phone.device.digest(key) == to_hex(unsigned64(stream["digest"]) if stream else 0)
            rows = await truth.fetch(
                "SELECT object_id FROM feed WHERE stream_id = $1 AND present", stream and stream["id"]
            )
            assert set(held) == {row["object_id"] for row in rows}
        wanted = {life.id: everything[life.id] for life in told.lives if is_on_phone(life, holder)}
        assert wanted
        assert {item.id: item.fields for item in phone.device.items()} == wanted


def is_on_phone(life: Life, holder: Person) -> bool:
    """By the rule of streams alone, whatever the feeds say."""
    item, here = life.item, life.facts.grid_code in {held.grid_code for held in holder.assignments}
    if here and item.stream_class in ("grid", "grid_restricted" if holder.role == "grid_chief" else "grid"):
        return True
    return item.author_id == holder.id and (item.in_own_stream or item.stream_class == "author")


async def test_desks_find_their_work_and_do_it(services: Services) -> None:
    told = await live_through(services)
    await check_reviewing(services, told)
    await check_handling(services, told)


async def check_reviewing(services: Services, told: Told) -> None:
    """The queues of the communities hold what waits for them, and an approval is taken."""
    cadres = [one for one in told.setting.city.people if one.role == "community"]
    waiting = {
        life.id
        for life in told.lives
        if life.review.state == "pending" and life.review.step and life.review.step.by == "community"
    }
    listed: set[UUID] = set()
    for cadre in cadres:
        asking = await caller(services, cadre)  # type: ignore[arg-type]
        page = await reviews.queue(services, asking, _ALL, None, 200)
        listed |= {one.item.id for one in page.reviews}
        for one in page.reviews[:1]:
            decision = ReviewDecision(one.item.id, one.item.version, one.rev, "approve")
            (result,) = await reviews.decide_all(services, asking, [decision])
            assert result.result == "done", result
    assert listed == waiting != set()


async def check_handling(services: Services, told: Told) -> None:
    """A case in each state is found at its desk and moved on."""
    moves = {
        "accepted": ("dispatcher", "dispatch"),
        "dispatched": ("department_handler", "sign"),
        "signed": ("department_handler", "handle"),
        "handled": ("grid_worker", "verify"),
        "verified": ("grid_chief", "close"),
        "sent_back": ("dispatcher", "dispatch"),
        "on_hold": ("department_handler", "resume"),
        "closed": ("grid_chief", "reopen"),
        "not_accepted": ("grid_chief", "reopen"),
        "reopened": ("dispatcher", "dispatch"),
    }
    for state, (role, action) in moves.items():
        life = next(one for one in told.lives if one.standing.case and may_move(one, state))
        staff = told.chronicles[0].staff
        someone = staff.acting(role, life.facts, life.standing.compiled.type)[0]
        asking = await caller(services, next(one for one in told.setting.city.people if one.id == someone.user_id))  # type: ignore[arg-type]
        listed = await cases.list_cases(services, asking, CaseFilter(ids=(life.id, life.id), state=state), None, 10)
        assert [one.item for one in listed.cases] == [life.id], state
        given: dict[str, Any] = {"department": life.case.department} if action == "dispatch" else {}
        waiver = {"waiver": "无法拍照"} if action == "verify" else {}
        detail = await cases.act(services, asking, life.id, CaseAction(action, state, note="继续", **given, **waiver))
        assert detail.case.state != state


def may_move(life: Life, state: str) -> bool:
    return life.case.state == state and life.standing.compiled.type.dispatch_by == "desk" and life.case.asked is None


async def test_a_worker_goes_on_where_the_history_ends(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    told = await live_through(services)
    back = next(life for life in told.lives if life.review.state == "returned")
    author = next(one for one in told.setting.city.people if one.id == back.standing.answers)
    phone = await field_phone(services, app_client, author)  # type: ignore[arg-type]
    await phone.sync()
    assert back.id in {todo.item for todo in phone.device.todos()}
    record = next(item for item in phone.device.items() if item.type == "0101")
    phone.edit(record.id, phone="13855512345")
    phone.edit(back.id, **edit_fields(back.item.type, back.item.fields, Random(1)))
    phone.seal()
    (answer, *_) = await phone.sync()
    assert [one.outcome for receipt in answer.receipts for one in receipt.outcomes] == ["applied", "applied"]
    assert back.id not in {todo.item for todo in phone.device.todos()}
    version = await truth.fetchval("SELECT version FROM item WHERE id = $1", record.id)
    assert version == record.version + 1
    page = await reading.list_items(services, await caller(services, author), _ALL, None, 5)  # type: ignore[arg-type]
    assert page.items


async def test_the_same_moment_gives_the_same_history(services: Services) -> None:
    now, city = HOURS[0], few_grids()
    await settle(services, city, now)
    pictures = tuple(one.picture for one in take_pictures(now, SEED))
    setting = Setting(city=city, now=now, pictures=pictures, scale=SCALE)
    told, again = tell(services, setting), tell(services, setting)
    assert [as_told(life) for life in again.lives] == [as_told(life) for life in told.lives]
    other = tell(services, replace(setting, seed=7))
    assert not {life.id for life in other.lives} & {life.id for life in told.lives}


def as_told(life: Life) -> tuple[Any, ...]:
    """What does not depend on the item's key."""
    item, steps = life.item, [(step["action"], step["at"]) for step in (*life.review_steps, *life.case_steps)]
    return item.id, item.author_id, item.fields, item.version, item.received_at, steps


async def test_it_is_loaded_by_processes_of_their_own(services: Services, truth: asyncpg.Connection) -> None:
    city = few_grids()
    await settle(services, city, datetime.now(UTC))
    said: list[str] = []
    await load_history(services, city, said.append)
    assert await truth.fetchval("SELECT count(*) FROM item WHERE type < '0200'") == pytest.approx(6 * 48, abs=3)
    assert await truth.fetchval("SELECT count(*) FROM cases") == 28
    assert len(said) == 2
    assert "100 %" in said[-1]


async def test_a_city_without_people_has_no_history(
    services: Services, truth: asyncpg.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    city = few_grids()
    await settle(services, city, datetime.now(UTC))
    with pytest.raises(HistoryError, match="exit status 1"):
        await load_history(services, replace(city, people=()), lambda _: None)
    assert "Traceback" in capfd.readouterr().err
