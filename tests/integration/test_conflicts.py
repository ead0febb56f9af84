"""Settling conflicts against a real database: what is written, who may, and what two administrators at once do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.errors import Problem
from server.services import Services
from sync.disputes import Choice
from sync.feed import digest, signed64, unsigned64
from sync.items import revision_rev
from tests.integration.conflict_scene import DWELLING, Scene
from tests.integration.town import (
    ADMINISTRATOR,
    CHIEF_EAST,
    COMMUNITY_EAST,
    EAST,
    HANDLER,
    RIDER,
    WORKER_EAST,
    WORKER_EAST_2,
    Citizen,
    grid_id,
)

SERVER, INCOMING = Choice("server"), Choice("incoming")
GRID_STREAM = f"grid/{grid_id(f'{EAST}001')}"
OWN_STREAM = f"own/{WORKER_EAST.id}"


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[Scene]:
    opened = await Scene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)


async def assert_streams_add_up(truth: asyncpg.Connection) -> None:
    """Whatever a test did: every stream's digest is that of its present entries, its head their last position."""
    for stream in await truth.fetch("SELECT * FROM stream"):
        entries = await truth.fetch("SELECT * FROM feed WHERE stream_id = $1", stream["id"])
        present = [unsigned64(entry["hash"]) for entry in entries if entry["present"]]
        assert signed64(digest(present)) == stream["digest"]
        assert max(entry["position"] for entry in entries) == stream["head"]
    stale = await truth.fetch(
        "SELECT i.id FROM item i JOIN feed f ON f.object_id = i.id WHERE f.present AND (f.version, f.rev, f.touch) "
        "IS DISTINCT FROM (i.version, i.rev, i.touch)"
    )
    assert stale == []


async def refusal(awaitable: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await awaitable
    return caught.value


async def names_in_conflict(scene: Scene) -> tuple[UUID, UUID]:
    """A resident whom the chief calls 张三丰 and the worker, offline, 张山."""
    item = await scene.register()
    return item, await scene.two_edits(item, {"name": "张三丰"}, {"name": "张山"})


async def test_a_resolution_is_a_signed_revision_with_who_and_why(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    before = await scene.item(item)
    done = await scene.resolve(conflict, COMMUNITY_EAST, INCOMING, reason="  已电话核实  ")
    after = await scene.item(item)
    assert (done.state, done.version, [one.key for one in done.changed]) == ("resolved", before.version + 1, ["name"])
    assert after.fields == before.fields | {"name": "张山"}
    assert after.version == before.version + 1
    revision = await scene.revision(item, after.version)
    assert (revision["op"], revision["author_id"], revision["device_id"]) == ("resolve", COMMUNITY_EAST.id, None)
    assert (revision["reason"], revision["fields"], revision["rev"]) == ("已电话核实", ["name"], signed64(after.rev))
    wrapped = await scene.truth.fetchval("SELECT wrapped FROM item_key WHERE item_id = $1", item)
    assert after.rev == revision_rev(scene.services.keyring.open_key(item.bytes, wrapped), after)
    row = await scene.conflict(conflict)
    assert (row["state"], row["take"], row["resolved_by"]) == ("resolved", "incoming", COMMUNITY_EAST.id)
    assert (row["resolution_version"], row["reason"]) == (after.version, "已电话核实")


async def test_no_personal_value_is_stored_in_the_clear(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    await scene.resolve(conflict, COMMUNITY_EAST, Choice("merge", {}, {"name": "张三疯"}))
    await scene.undo(conflict, COMMUNITY_EAST)
    tables = await scene.everything()
    text = "\n".join(line for lines in tables.values() for line in lines)
    assert str(item) in text
    for value in ("张三", "张山", "11010519491231002X", "13800001234"):
        assert value not in text, f"{value} lies open"


async def test_keeping_the_servers_value_is_a_revision_too(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    before, seen = await scene.item(item), await scene.entries(item)
    await scene.resolve(conflict, COMMUNITY_EAST, SERVER)
    after, entries = await scene.item(item), await scene.entries(item)
    assert (after.fields, after.version) == (before.fields, before.version + 1)
    assert entries[GRID_STREAM]["version"] == after.version
    assert entries[GRID_STREAM]["position"] > seen[GRID_STREAM]["position"]


async def test_the_author_sees_it_parked_only_while_it_is_open(scene: Scene) -> None:
    _, conflict = await names_in_conflict(scene)
    present = []
    steps = (scene.resolve(conflict, CHIEF_EAST, SERVER), scene.undo(conflict, CHIEF_EAST))
    present.append((await scene.entries(conflict))[OWN_STREAM]["present"])
    for step in steps:
        await step
        present.append((await scene.entries(conflict))[OWN_STREAM]["present"])
    assert present == [True, False, True]


async def test_the_review_follows_the_resolution(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    done = await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    review = await scene.truth.fetchrow("SELECT * FROM review WHERE item_id = $1", item)
    assert review["version"] == done.version
    assert COMMUNITY_EAST.id in review["authors"]


async def test_every_act_is_audited_without_values(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING, reason="一")
    await scene.undo(conflict, CHIEF_EAST, reason="二")
    rows = await scene.truth.fetch(
        "SELECT * FROM audit WHERE subject_kind = 'conflict' AND subject_id = $1 ORDER BY id",
        str(conflict),
    )
    assert [(row["actor_id"], row["action"], row["reason"]) for row in rows] == [
        (COMMUNITY_EAST.id, "conflict.resolve", "一"),
        (CHIEF_EAST.id, "conflict.undo", "二"),
    ]
    assert str(item) in rows[0]["detail"]


async def test_undoing_brings_back_what_was_there_and_reopens(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    before = await scene.item(item)
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    await scene.push("chief", "update", item, {"phone": "13900005678"}, base=await scene.base(item))
    done = await scene.undo(conflict, COMMUNITY_EAST)
    after = await scene.item(item)
    assert after.fields == before.fields | {"phone": "13900005678"}
    assert (done.state, (await scene.revision(item, after.version))["op"]) == ("open", "undo")
    row = await scene.conflict(conflict)
    assert (row["state"], row["resolved_by"], row["resolution_version"], row["reason"]) == ("open", None, None, None)
    again = await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    assert (await scene.item(item)).fields == before.fields | {"phone": "13900005678", "name": "张山"}
    assert again.version == after.version + 1


async def test_undoing_is_too_late_after_another_edit_of_the_field(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    await scene.push("chief", "update", item, {"name": "章山"}, base=await scene.base(item))
    whole = await scene.everything()
    assert (await refusal(scene.undo(conflict, COMMUNITY_EAST))).code == "undo_too_late"
    assert await scene.everything() == whole


async def test_undoing_is_too_late_after_a_deletion(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    await scene.push("chief", "delete", item, base=await scene.base(item))
    assert (await refusal(scene.undo(conflict, COMMUNITY_EAST))).code == "undo_too_late"


async def test_an_edit_of_a_deleted_item_restores_it_for_everyone(scene: Scene) -> None:
    item = await scene.register()
    conflict = await scene.two_edits(item, None, {"phone": "13900005678"})
    assert not (await scene.entries(item))[GRID_STREAM]["present"]
    done = await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    after = await scene.item(item)
    assert (done.restored, after.deleted, after.fields["phone"], after.fields["name"]) == (
        True,
        False,
        "13900005678",
        "张三",
    )
    assert (await scene.entries(item))[GRID_STREAM]["present"]
    await scene.undo(conflict, COMMUNITY_EAST)
    assert (await scene.item(item)).deleted
    assert not (await scene.entries(item))[GRID_STREAM]["present"]


async def test_a_deletion_that_is_taken_deletes_and_can_be_undone(scene: Scene) -> None:
    item = await scene.register()
    conflict = await scene.two_edits(item, {"name": "张三丰"}, None)
    done = await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    assert (done.deleted, (await scene.item(item)).deleted) == (True, True)
    assert not (await scene.entries(item))[GRID_STREAM]["present"]
    await scene.undo(conflict, COMMUNITY_EAST)
    after = await scene.item(item)
    assert (after.deleted, after.fields["name"]) == (False, "张三丰")
    assert (await scene.entries(item))[GRID_STREAM]["present"]


async def test_a_deletion_that_is_refused_leaves_the_item(scene: Scene) -> None:
    item = await scene.register()
    conflict = await scene.two_edits(item, {"name": "张三丰"}, None)
    await scene.resolve(conflict, COMMUNITY_EAST, SERVER)
    assert (await scene.item(item)).fields["name"] == "张三丰"


async def test_the_servers_side_is_what_is_there_when_it_is_settled(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    await scene.push("chief", "update", item, {"name": "张三峰"}, base=await scene.base(item))
    await scene.resolve(conflict, COMMUNITY_EAST, SERVER)
    assert (await scene.item(item)).fields["name"] == "张三峰"


async def test_a_faulty_result_is_refused_and_nothing_is_written(scene: Scene) -> None:
    _, conflict = await names_in_conflict(scene)
    whole = await scene.everything()
    problem = await refusal(scene.resolve(conflict, COMMUNITY_EAST, Choice("merge", {}, {"name": None})))
    assert (problem.code, problem.field) == ("resolution_invalid", "name")
    assert "“姓名”" in problem.zh
    assert await scene.everything() == whole


async def test_a_reference_to_nothing_is_refused(scene: Scene) -> None:
    item = await scene.register()
    other = uuid4()
    await scene.push("worker", "create", other, DWELLING, of="0102")
    conflict = await scene.two_edits(item, {"name": "张三丰"}, {"name": "张山"})
    choice = Choice("merge", {"name": "server"}, {"dwelling": str(uuid4())})
    assert (await refusal(scene.resolve(conflict, COMMUNITY_EAST, choice))).code == "reference_unknown"
    moved = Choice("merge", {"name": "server"}, {"dwelling": str(other)})
    await scene.resolve(conflict, COMMUNITY_EAST, moved)
    assert (await scene.item(item)).fields["dwelling"] == str(other)


async def test_a_photo_that_is_taken_over_is_waited_for(scene: Scene) -> None:
    """Of a parked edit no photo is asked for; once it is taken, the phone is to send it."""
    item = uuid4()
    made = await scene.push("worker", "create", item, RUBBISH | {"photos": [photo("a")]}, of="0601")
    assert made.outcome == "applied", made
    conflict = await scene.two_edits(item, {"photos": [photo("b")]}, {"photos": [photo("c")]}, of="0601")
    assert await linked(scene, item) == {"a" * 64, "b" * 64}
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    assert await linked(scene, item) == {"a" * 64, "b" * 64, "c" * 64}


RUBBISH: dict[str, Any] = {
    "problem": "garbage",
    "size": "small",
    "road": "东街",
    "cleared_on_site": False,
    "location": {"lon": 117.905, "lat": 32.705, "crs": "wgs84", "accuracy": 5.0, "provider": "gps"},
}


def photo(digit: str) -> dict[str, Any]:
    return {"sha256": digit * 64, "size": 1000, "role": "report"}


async def linked(scene: Scene, item: UUID) -> set[str]:
    rows = await scene.truth.fetch("SELECT sha256 FROM evidence_link WHERE item_id = $1", item)
    return {row["sha256"].hex() for row in rows}


async def test_a_dry_run_says_what_would_be_and_writes_nothing(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    whole = await scene.everything()
    done = await scene.resolve(conflict, COMMUNITY_EAST, INCOMING, dry_run=True)
    assert (done.dry_run, [one.key for one in done.changed]) == (True, ["name"])
    assert await scene.everything() == whole
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    whole = await scene.everything()
    assert (await scene.undo(conflict, COMMUNITY_EAST, dry_run=True)).state == "open"
    assert await scene.everything() == whole
    assert (await scene.item(item)).fields["name"] == "张山"


@pytest.mark.parametrize("reason", ["", "   ", "长" * 501, "a\0b", "\ud800"])
async def test_without_a_reason_that_can_be_kept_nothing_is_done(scene: Scene, reason: str) -> None:
    _, conflict = await names_in_conflict(scene)
    problem = await refusal(scene.resolve(conflict, COMMUNITY_EAST, SERVER, reason=reason))
    assert problem.field == "reason"
    assert (await scene.conflict(conflict))["state"] == "open"


async def test_what_is_settled_is_not_settled_again(scene: Scene) -> None:
    _, conflict = await names_in_conflict(scene)
    assert (await refusal(scene.undo(conflict, COMMUNITY_EAST))).code == "conflict_open"
    await scene.resolve(conflict, COMMUNITY_EAST, SERVER)
    assert (await refusal(scene.resolve(conflict, CHIEF_EAST, INCOMING))).code == "conflict_resolved"


# Two at once ---------------------------------------------------------------------------------------------


async def test_of_two_who_settle_at_once_exactly_one_wins(scene: Scene) -> None:
    """Both are held at the item's lock until both wait there, so that neither could have seen the other's work."""
    item, conflict = await names_in_conflict(scene)
    before = await scene.item(item)
    blocker = scene.truth.transaction()
    await blocker.start()
    await scene.truth.execute("SELECT 1 FROM item WHERE id = $1 FOR UPDATE", item)
    orders = [
        asyncio.create_task(scene.resolve(conflict, COMMUNITY_EAST, SERVER)),
        asyncio.create_task(scene.resolve(conflict, CHIEF_EAST, INCOMING)),
    ]
    await until_waiting(scene, 2)
    await blocker.rollback()
    results = await asyncio.gather(*orders, return_exceptions=True)
    lost = [one for one in results if isinstance(one, Problem)]
    assert [one.code for one in lost] == ["conflict_resolved"]
    assert (await scene.item(item)).version == before.version + 1
    assert await scene.truth.fetchval("SELECT count(*) FROM revision WHERE op = 'resolve'") == 1


async def test_of_two_who_undo_at_once_exactly_one_wins(scene: Scene) -> None:
    item, conflict = await names_in_conflict(scene)
    await scene.resolve(conflict, COMMUNITY_EAST, INCOMING)
    blocker = scene.truth.transaction()
    await blocker.start()
    await scene.truth.execute("SELECT 1 FROM item WHERE id = $1 FOR UPDATE", item)
    orders = [asyncio.create_task(scene.undo(conflict, who)) for who in (COMMUNITY_EAST, CHIEF_EAST)]
    await until_waiting(scene, 2)
    await blocker.rollback()
    results = await asyncio.gather(*orders, return_exceptions=True)
    assert [one.code for one in results if isinstance(one, Problem)] == ["conflict_open"]
    assert await scene.truth.fetchval("SELECT count(*) FROM revision WHERE op = 'undo'") == 1


async def test_a_deletion_waits_for_who_is_about_to_refer_to_the_item(scene: Scene) -> None:
    item = await scene.register()
    conflict = await scene.two_edits(item, {"name": "张三丰"}, None)
    referrer = scene.truth.transaction()
    await referrer.start()
    await scene.truth.execute("SELECT 1 FROM item WHERE id = $1 FOR KEY SHARE", item)
    deletion = asyncio.create_task(scene.resolve(conflict, COMMUNITY_EAST, INCOMING))
    await until_waiting(scene, 1)
    assert not deletion.done()
    await referrer.rollback()
    assert (await deletion).deleted


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def until_waiting(scene: Scene, transactions: int) -> None:
    """Until so many transactions wait for a lock of this database."""
    async with asyncio.timeout(20):
        while await scene.services.database.pool.fetchval(WAITING) < transactions:
            pass


# Who -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [ADMINISTRATOR, WORKER_EAST, WORKER_EAST_2, RIDER])
async def test_a_role_that_does_not_approve_is_told_which_would(scene: Scene, who: Citizen) -> None:
    _, conflict = await names_in_conflict(scene)
    whole = await scene.everything()
    for attempt in (scene.resolve(conflict, who, SERVER), scene.undo(conflict, who)):
        problem = await refusal(attempt)
        assert problem.code == "forbidden"
        assert "网格长" in problem.zh
        assert "Community office" in problem.en
    assert await scene.everything() == whole


@pytest.mark.parametrize("who", [CHIEF_EAST, COMMUNITY_EAST])
async def test_the_offices_of_the_area_settle(scene: Scene, who: Citizen) -> None:
    _, conflict = await names_in_conflict(scene)
    assert (await scene.resolve(conflict, who, SERVER)).state == "resolved"


async def test_a_department_settles_only_what_it_holds_or_reads(scene: Scene) -> None:
    """Residents are open to their grid and the offices above; police read them only where they hold a case."""
    item, conflict = await names_in_conflict(scene)
    assert (await refusal(scene.resolve(conflict, HANDLER, SERVER))).code == "not_found"
    organisation = uuid4()
    await scene.truth.execute(
        "INSERT INTO organisation VALUES ($1, 'gongan', '341182001000', 'street', '明光派出所', 'Police')", organisation
    )
    await scene.truth.execute(
        "INSERT INTO cases (item_id, state, urgency, urgency_level, department, organisation_id, assisting, opened_at,"
        " year_flagged, changed_at) VALUES ($1, 'dispatched', 'normal', 3, 'gongan', $2, '{}', now(), false, now())",
        item,
        organisation,
    )
    assert (await scene.resolve(conflict, HANDLER, SERVER, dry_run=True)).state == "resolved"


async def test_another_areas_office_is_not_told_that_it_exists(scene: Scene) -> None:
    _, conflict = await names_in_conflict(scene)
    west = uuid4()
    await scene.truth.execute(
        "INSERT INTO users (id, name, phone_index, phone_sealed) VALUES ($1, '西', $2, 'x')",
        west,
        scene.services.keyring.index("phone", "13800000099"),
    )
    await scene.truth.execute(
        "INSERT INTO assignment (user_id, role, division) VALUES ($1, 'community', '341182001002')", west
    )
    stranger = Citizen("community", "13800000099")
    known = await refusal(scene.resolve(conflict, stranger, SERVER))
    unknown = await refusal(scene.resolve(uuid4(), stranger, SERVER))
    assert (known.code, known.zh) == (unknown.code, unknown.zh) == ("not_found", unknown.zh)


async def test_who_has_left_his_post_settles_nothing(scene: Scene) -> None:
    _, conflict = await names_in_conflict(scene)
    await scene.truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", COMMUNITY_EAST.id)
    assert (await refusal(scene.resolve(conflict, COMMUNITY_EAST, SERVER))).code == "forbidden"
