"""Erasing what was linked: whichever item is named, nothing of any of them can be had; and retention, one as all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from server.errors import Problem
from server.made_up.names import numbered_credit_code
from server.services import Services
from server.usecases import retention
from server.usecases.conflicts import resolve_conflict
from server.usecases.erasure import Erased, erase_item
from server.usecases.orders import Order
from server.usecases.retention import Run, Wish
from server.usecases.telling import Teller
from sync.disputes import Choice
from tests.builders import CADRE, MATE, WORKER, build_city, caller, form, photo
from tests.integration.kinds_scene import KindsScene
from tests.integration.lockpick import clear_text, open_all
from tests.integration.terminal import shell
from tests.integration.test_conflicts import assert_streams_add_up, refusal
from tests.integration.test_duplicates import WEST_POINT, assert_hints_are_held, twins
from tests.integration.test_linking import Pair, link, of_loser
from tests.integration.town import COMMUNITY_EAST, WORKER_WEST
from tests.phones import field_phone

WHY = "本人申请删除"
MARK = "冯家旧门牌"
MONTH = timedelta(days=31)
COUNTY_OFFICE = "INSERT INTO assignment (user_id, role, division) VALUES ($1, 'county_centre', '341182000000')"


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)
    await assert_hints_are_held(opened)


class Family:
    """Three dwellings that are one: of `pair` the loser was linked into the winner, and that, by `second`, into `last`.

    An edit of the loser waits in a conflict about `last`.
    """

    def __init__(self, pair: Pair, last: UUID, second: UUID) -> None:
        self.pair = pair
        self.last = last
        self.second = second
        self.ids = {pair.winner, pair.loser, last}


@pytest.fixture
async def family(scene: KindsScene) -> Family:
    winner, loser, conflict = await twins(scene, owner_name=f"{MARK}甲")
    pair = Pair(winner, loser, conflict, loser, await scene.base(loser))
    assert (await of_loser(scene, pair, owner_name=f"{MARK}乙")).outcome == "applied"
    await link(scene, pair)
    door = {"address": "明光街道东街 8 号", "unit_no": "1-102"}
    last = scene.dwelling(**door, owner_name=f"{MARK}丙")
    await scene.one("chief", last)
    again = await scene.one("chief", await scene.edit(winner, unit_no="1-102"))
    assert again.conflict is not None
    await scene.resolve(again.conflict, COMMUNITY_EAST, Choice("link", link=last.item))
    assert (await of_loser(scene, pair, owner_name=f"{MARK}丁")).outcome == "parked"
    return Family(pair, last.item, again.conflict)


async def erase(scene: KindsScene, item: UUID, **more: Any) -> Erased:
    by = await scene.caller(COMMUNITY_EAST)
    return await erase_item(scene.services, by, item, WHY, datetime.now(UTC), **more)


async def left(scene: KindsScene) -> set[str]:
    """The tables in which the mark can be read by whoever has the root secret."""
    opened = await open_all(scene.truth, scene.services.keyring)
    return {column.table for column, plain in opened.items() if any(MARK.encode() in text for text in plain)}


async def keys(scene: KindsScene) -> set[UUID]:
    return {row["item_id"] for row in await scene.truth.fetch("SELECT item_id FROM item_key")}


async def erased(scene: KindsScene) -> set[UUID]:
    return {row["id"] for row in await scene.truth.fetch("SELECT id FROM item WHERE erased_at IS NOT NULL")}


# Whichever is named ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["loser", "winner of one", "winner of all"])
async def test_whichever_is_named_nothing_of_any_can_be_had(scene: KindsScene, family: Family, named: str) -> None:
    other = await scene.built()
    assert {"item", "revision", "conflict", "change_set"} <= await left(scene)
    item = {"loser": family.pair.loser, "winner of one": family.pair.winner, "winner of all": family.last}[named]
    done = await erase(scene, item)
    assert await erased(scene) == family.ids
    assert await keys(scene) == {other}
    assert await left(scene) == set()
    assert MARK not in await clear_text(scene.truth)
    assert set(done.linked) == family.ids - {item}
    assert (done.tally.items, done.tally.linked) == (3, 2)
    searched = "SELECT count(*) FROM item_search WHERE item_id = ANY($1::uuid[])"
    assert await scene.truth.fetchval(searched, list(family.ids)) == 0
    open_left = "SELECT count(*) FROM conflict WHERE state = 'open' AND item_id = ANY($1::uuid[])"
    assert await scene.truth.fetchval(open_left, list(family.ids)) == 0


async def test_the_dry_run_and_every_reason_say_how_many_it_is(scene: KindsScene, family: Family) -> None:
    whole = await scene.everything()
    tried = await erase(scene, family.pair.loser, dry_run=True)
    assert await scene.everything() == whole
    done = await erase(scene, family.pair.loser)
    assert (tried.linked, tried.tally) == (done.linked, done.tally)
    told = f"{WHY}(连同合为一项的 2 项 with 2 linked items)"
    acts = await scene.truth.fetch("SELECT subject_id, reason FROM audit WHERE action = 'item.erased'")
    assert {(UUID(one["subject_id"]), one["reason"]) for one in acts} == {(item, told) for item in family.ids}
    last = await scene.truth.fetch("SELECT item_id, reason FROM revision WHERE op = 'erase'")
    assert {(one["item_id"], one["reason"]) for one in last} == {(item, told) for item in family.ids}


async def test_nobody_erases_what_was_linked_from_outside_his_area(scene: KindsScene) -> None:
    """The county's office linked dwellings of two communities, and it alone erases them."""
    await scene.enrol("west", WORKER_WEST)
    door = {"address": "明光街道东街 8 号", "unit_no": "1-101"}
    winner, loser = scene.dwelling(**door, location=WEST_POINT), scene.dwelling(**door)
    await scene.one("west", winner)
    conflict = (await scene.one("worker", loser)).conflict
    assert conflict is not None
    office = await scene.truth.fetchval(f"{COUNTY_OFFICE} RETURNING id", COMMUNITY_EAST.id)
    await scene.resolve(conflict, COMMUNITY_EAST, Choice("link", link=winner.item))
    await scene.truth.execute("UPDATE assignment SET valid_to = now() WHERE id = $1", office)
    refused = await refusal(erase(scene, loser.item))
    assert refused.code == "forbidden"
    assert str(winner.item) not in f"{refused.zh}{refused.en}"
    assert (await refusal(erase(scene, winner.item))).code == "not_found"
    assert await erased(scene) == set()
    await scene.truth.execute(COUNTY_OFFICE, COMMUNITY_EAST.id)
    assert (await erase(scene, loser.item)).linked == [winner.item]
    assert await erased(scene) == {winner.item, loser.item}


async def test_what_comes_later_of_any_of_them_is_refused(scene: KindsScene, family: Family) -> None:
    await erase(scene, family.pair.winner)
    again = scene.change("create", family.pair.loser, {"address": "东街"})
    for change in (await scene.edit(family.pair.loser, family.pair.base, owner_name=MARK), again):
        outcome = await scene.one("worker", change)
        assert (outcome.outcome, outcome.code) == ("rejected", "item_erased")
    assert await left(scene) == set()


async def test_an_erased_loser_is_not_brought_back_by_an_undo(scene: KindsScene, family: Family) -> None:
    await erase(scene, family.last)
    for conflict in (family.pair.conflict, family.second):
        assert (await refusal(scene.undo(conflict, COMMUNITY_EAST))).code == "item_erased"
    outsider = await refusal(scene.undo(family.pair.conflict, WORKER_WEST))
    assert outsider.code == "forbidden"


async def test_linking_and_erasing_at_once_leave_no_half(scene: KindsScene) -> None:
    """Whichever comes first: both are gone, or the one is and they are not linked."""
    winner, loser, conflict = await twins(scene, owner_name=MARK)
    pair = Pair(winner, loser, conflict, loser, await scene.base(loser))
    results = await asyncio.gather(link(scene, pair), erase(scene, winner), return_exceptions=True)
    linked = await scene.truth.fetchval("SELECT count(*) FROM item_link")
    gone = await erased(scene)
    assert gone == ({winner, loser} if linked else {winner})
    assert [one for one in results if isinstance(one, Exception) and not isinstance(one, Problem)] == []


# Phones ----------------------------------------------------------------------------------------------------


async def test_phones_are_told_of_each_id(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    """Also of the loser, which they dropped when it was linked, and of which they may hold more than the item."""
    await build_city(services)
    worker, mate = [await field_phone(services, app_client, person) for person in (WORKER, MATE)]
    shared = form("0103") | {"credit_code": numbered_credit_code("MA", 1), "photos": [photo(1)]}
    winner = mate.create("0103", shared)
    mate.seal()
    await mate.sync()
    loser = worker.create("0103", shared)
    worker.seal()
    await worker.sync()
    worker.edit(loser, manager="冯写到一半")
    await _link(services, truth, loser, winner)
    for phone in (worker, mate):
        await phone.sync()
        assert all(loser not in members for members in phone.device.memberships().values())
    assert "冯写到一半".encode() in worker.device.snapshot()
    done = await erase_item(services, await caller(services, CADRE), winner, WHY, datetime.now(UTC))
    assert (done.linked, done.tally.photos, done.tally.photos_removed) == ([loser], 1, 1)
    assert await truth.fetchval("SELECT count(*) FROM evidence_link") == 0
    assert await truth.fetchval("SELECT count(*) FROM erased_photo") == 1
    for phone in (worker, mate):
        await phone.sync()
        assert (phone.device.visible(winner), phone.device.visible(loser)) == (None, None)
    assert "冯写到一半".encode() not in worker.device.snapshot()
    await assert_streams_add_up(truth)


async def _link(services: Services, truth: asyncpg.Connection, loser: UUID, winner: UUID) -> None:
    conflict = await truth.fetchval("SELECT id FROM conflict WHERE item_id = $1", loser)
    actor = await caller(services, CADRE)
    order = Order(actor=actor, ids=(conflict, conflict), reason="同一家", now=datetime.now(UTC))
    await resolve_conflict(services, order, Choice("link", link=winner))


# Retention -------------------------------------------------------------------------------------------------


async def due(scene: KindsScene) -> Run:
    return await retention.run(scene.services, Wish(at=datetime.now(UTC)), Teller())


async def aged(scene: KindsScene, *items: UUID) -> None:
    """Nothing has happened to these since long before the limit."""
    past = "UPDATE item SET updated_at = now() - $2::interval WHERE id = ANY($1::uuid[])"
    await scene.truth.execute(past, list(items), 20 * MONTH)


async def test_a_loser_is_kept_for_as_long_as_its_winner_lives(scene: KindsScene, family: Family) -> None:
    await aged(scene, *family.ids)
    done = await due(scene)
    assert (done.due, done.erased, done.linked) == ([], 0, 0)
    assert await keys(scene) == family.ids


async def test_it_goes_with_the_winner_and_counts_as_one_with_it(scene: KindsScene, family: Family) -> None:
    conflict = await scene.truth.fetchval("SELECT id FROM conflict WHERE state = 'open'")
    await scene.resolve(conflict, COMMUNITY_EAST, Choice("server"))
    assert (await scene.one("chief", await scene.deletion(family.last))).outcome == "applied"
    assert (await due(scene)).erased == 0
    await aged(scene, family.last)
    done = await due(scene)
    assert ([one.items for one in done.due], done.erased, done.linked) == ([1], 1, 2)
    assert await erased(scene) == family.ids
    assert await left(scene) == set()
    reasons = await scene.truth.fetch("SELECT reason FROM revision WHERE op = 'erase'")
    said = "retention of 0102: 12 months after ended(连同合为一项的 2 项 with 2 linked items)"
    assert {row["reason"] for row in reasons} == {said}


async def test_a_loser_of_what_was_erased_before_is_due_by_itself(scene: KindsScene, family: Family) -> None:
    """As erasing one alone left it, when that was still possible."""
    gone = "UPDATE item SET erased_at = now(), deleted = true, sealed = NULL, clear = '{}' WHERE id = $1"
    await scene.truth.execute(gone, family.last)
    await scene.truth.execute("DELETE FROM item_key WHERE item_id = $1", family.last)
    await scene.truth.execute("UPDATE conflict SET state = 'resolved' WHERE item_id = $1", family.last)
    await scene.truth.execute("DELETE FROM unique_hint WHERE item_id = $1", family.last)
    feed = "UPDATE feed SET present = false, hash = 0 WHERE object_id = $1"
    await scene.truth.execute(feed, family.last)
    await scene.truth.execute(
        "UPDATE stream s SET digest = (SELECT coalesce(bit_xor(f.hash), 0) FROM feed f WHERE f.stream_id = s.id)"
    )
    await aged(scene, family.pair.loser, family.pair.winner)
    assert (await due(scene)).erased == 1
    assert await erased(scene) == family.ids


# The command line ------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_the_command_says_with_what_it_went(scene: KindsScene, family: Family, environ: dict[str, str]) -> None:
    erase_it = ["item", "erase", str(family.pair.loser), "--as", COMMUNITY_EAST.phone, "--reason", WHY]
    tried = await shell(environ, *erase_it, "--dry-run")
    assert tried.status == 0, tried.err
    assert f"连同 with: {'、'.join(map(str, sorted(family.ids - {family.pair.loser})))}" in tried.out
    done = await shell(environ, *erase_it, "--yes", "--json")
    told = json.loads(done.out)
    assert (told["tally"]["linked"], len(told["linked"])) == (2, 2)
