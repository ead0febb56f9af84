"""A plan is carried out: one version, everything in it at once, and then the items, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import pytest

from schemas.wire import Base, Change
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_views import show_conflict
from server.usecases.conflicts import resolve_conflict
from server.usecases.explaining import explain_item
from server.usecases.orders import Order
from server.usecases.registry_applying import ApplyOrder, _publish, resume_moving
from server.usecases.registry_moves import load_moving
from server.usecases.registry_moving import MoveJob, run_moves
from server.usecases.registry_reports import ApplyReport
from server.usecases.telling import Teller
from sync.access import device_streams
from sync.disputes import Choice
from sync.feed import entry_hash, signed64, unsigned64
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CHIEF,
    EAST,
    GRIDS,
    MATE,
    NEIGHBOUR,
    WEST,
    WORKER,
    build_city,
    caller,
    capture,
    enrol,
    grid_id,
)
from tests.integration.registry_change_scene import (
    FIRST,
    SECOND,
    apply,
    code_of,
    plan,
    plan_files,
    planned,
    split_of_first,
    spot,
    strip,
)


@pytest.fixture
async def city(services: Services) -> None:
    await build_city(services)


pytestmark = pytest.mark.usefixtures("city")


async def publish_only(services: Services, files: object) -> int:
    """The version without its items, as after a kill right behind the commit."""
    ready = await planned(services, files)  # type: ignore[arg-type]
    order = ApplyOrder(actor=await caller(services, ADMINISTRATOR), reason="年度调整", now=datetime.now(UTC))
    return await services.database.write(lambda tx: _publish(tx, order, ready.draft, ready.report))


async def resume(services: Services, version: int) -> ApplyReport:
    order = ApplyOrder(actor=await caller(services, ADMINISTRATOR), reason="断电后继续", now=datetime.now(UTC))
    return await resume_moving(services, order, version, Teller())


async def job_of(services: Services, version: int) -> MoveJob:
    async with services.database.read() as connection:
        return MoveJob(services, await load_moving(connection, version))


async def present(truth: asyncpg.Connection, key: str) -> set[UUID]:
    rows = await truth.fetch(
        "SELECT f.object_id FROM feed f JOIN stream s ON s.id = f.stream_id WHERE s.key = $1 AND f.present", key
    )
    return {row["object_id"] for row in rows}


async def check_digests(truth: asyncpg.Connection) -> None:
    """Every stream's digest is that of what is present in it, and its items are as they are told."""
    for stream in await truth.fetch("SELECT id, key, digest FROM stream"):
        rows = await truth.fetch(
            "SELECT f.*, i.version AS now FROM feed f LEFT JOIN item i ON i.id = f.object_id"
            " WHERE f.stream_id = $1 AND f.present",
            stream["id"],
        )
        digest = 0
        for row in rows:
            digest ^= entry_hash(row["object_id"], row["version"], unsigned64(row["rev"]), row["touch"])
            assert row["now"] in (None, row["version"])
        assert signed64(digest) == stream["digest"], stream["key"]


async def look_again(services: Services) -> None:
    """As two seconds later."""
    services.registry_holder._checked_at = float("-inf")
    await services.registry_holder.refresh()


async def streams_of(truth: asyncpg.Connection, code: str) -> UUID:
    return await truth.fetchval("SELECT grid_id FROM grid_label WHERE code = $1 ORDER BY from_version LIMIT 1", code)


async def test_a_split_is_one_version_and_its_items_follow(services: Services, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    west, east = [await phone.report("0102", location=spot(place)) for place in (0.2, 0.8)]
    resident = await phone.report("0101", dwelling=str(east))
    unplaced = await phone.report("0501")
    report = await apply(services, split_of_first())
    assert (report.version, report.faults, report.differences) == (2, [], [])
    assert report.predicted == report.actual
    assert report.actual is not None
    assert (report.actual.looked, report.actual.moved, report.actual.unplaced) == (4, 3, 1)
    assert [await code_of(truth, one) for one in (west, east, resident, unplaced)] == [FIRST, SECOND, SECOND, None]
    old = f"grid/{grid_id(GRIDS[0])}"
    assert await present(truth, old) == set()
    assert await present(truth, f"grid/{await streams_of(truth, SECOND)}") == {east, resident}
    await check_digests(truth)
    revision = await truth.fetchrow("SELECT * FROM revision WHERE item_id = $1 AND version = 2", east)
    assert (revision["op"], revision["reason"], revision["registry"], revision["fields"]) == ("move", "年度调整", 2, [])
    assert '"source": "point"' in revision["derivation"]
    version = await truth.fetchrow("SELECT * FROM registry_version WHERE version = 2")
    assert (version["note"], version["published_by"]) == ("年度调整", ADMINISTRATOR.id)
    assert await truth.fetchval("SELECT kind FROM lineage WHERE version = 2") == "split"
    assert await truth.fetchval("SELECT to_version FROM grid WHERE id = $1", grid_id(GRIDS[0])) == 2
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'registry.applied'") == 1


async def test_what_no_successor_contains_is_a_conflict_and_stays_with_its_author(
    services: Services, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item = await phone.report("0501")
    await apply(services, split_of_first())
    conflict = await truth.fetchrow("SELECT * FROM conflict WHERE item_id = $1", item)
    assert (conflict["kind"], conflict["state"]) == ("territory", "open")
    assert f'"code": "{GRIDS[0]}"' in conflict["claim"]
    assert item in await present(truth, f"own/{WORKER.id}")
    assert conflict["id"] in await present(truth, f"own/{WORKER.id}")
    await look_again(services)
    order = Order(
        actor=await caller(services, CADRE), ids=(conflict["id"],) * 2, reason="东半有此人", now=datetime.now(UTC)
    )
    seen = await show_conflict(services, order.actor, order.ids)
    assert seen.claim is not None
    assert [one.code for one in seen.claim.candidates] == [FIRST, SECOND]
    done = await resolve_conflict(services, order, Choice("grid", grid=SECOND))
    assert (done.state, done.grid) == ("resolved", SECOND)
    assert await code_of(truth, item) == SECOND
    assert conflict["id"] not in await present(truth, f"own/{WORKER.id}")
    await check_digests(truth)


async def test_why_an_item_lies_where_it_lies_is_told_in_words(services: Services) -> None:
    phone = await enrol(services, WORKER)
    placed, unplaced = await phone.report("0404", location=spot(0.8)), await phone.report("0501")
    await apply(services, split_of_first())
    await look_again(services)
    cadre = await caller(services, CADRE)
    moved = (await explain_item(services, cadre, placed)).revisions[-1]
    assert (moved.op, moved.version) == ("move", 2)
    assert "split" in moved.en
    assert moved.en.endswith(f"its own point lies in {SECOND}.")
    explained = await explain_item(services, cadre, unplaced)
    assert (explained.grid, explained.conflict is not None) == (None, True)
    assert FIRST in explained.revisions[-1].en
    assert SECOND in explained.revisions[-1].en


async def test_a_job_that_is_killed_between_batches_is_gone_on_with(
    services: Services, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.usecases.registry_moving.BATCH", 2)
    phone = await enrol(services, WORKER)
    items = [await phone.report("0404", location=spot(0.05 + place / 10)) for place in range(7)]
    version = await publish_only(services, split_of_first())
    job = await job_of(services, version)
    assert (await job.batch(), await job.batch()) == (2, 2)
    assert await truth.fetchval("SELECT looked FROM registry_move") == 4
    teams = "SELECT count(*) FROM assignment WHERE valid_to IS NULL AND grid_id = $1"
    assert await truth.fetchval(teams, grid_id(GRIDS[0])) == 4  # they still read what has not been moved
    del job
    await run_moves(services)
    assert [await code_of(truth, one) for one in items] == [FIRST] * 5 + [SECOND] * 2
    assert await truth.fetchval("SELECT max(version) FROM item") == 2
    report = await resume(services, version)
    assert report.differences == []
    assert await truth.fetchval("SELECT finished_at IS NOT NULL FROM registry_move")
    await check_digests(truth)


async def test_two_who_move_the_same_items_do_not_move_them_twice(
    services: Services, truth: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.usecases.registry_moving.BATCH", 2)
    phone = await enrol(services, WORKER)
    for place in range(9):
        await phone.report("0404", location=spot(0.05 + place / 10))
    version = await publish_only(services, split_of_first())
    one, other = await asyncio.gather(*(resume(services, version) for _ in range(2)))
    assert one.actual == other.actual == one.predicted
    assert await truth.fetchval("SELECT max(version) FROM item") == 2
    await check_digests(truth)


async def test_of_two_plans_at_once_one_is_refused(services: Services, truth: asyncpg.Connection) -> None:
    files = (split_of_first(), plan_files({"retire": GRIDS[3]}))
    results = await asyncio.gather(*(apply(services, one) for one in files), return_exceptions=True)
    refused = [one for one in results if isinstance(one, Problem)]
    outdated = [one for one in results if not isinstance(one, BaseException) and one.faults]
    assert len(refused) + len(outdated) == 1
    assert {one.code for one in refused} <= {"registry_moved", "registry_moving"}
    assert await truth.fetchval("SELECT max(version) FROM registry_version") == 2


async def test_a_plan_is_good_for_its_version_alone(services: Services, truth: asyncpg.Connection) -> None:
    assert (await apply(services, plan_files({"retire": GRIDS[3]}))).version == 2
    report = await apply(services, split_of_first())
    assert (report.version, [one.fault for one in report.faults]) == (None, ["plan_outdated"])
    assert await truth.fetchval("SELECT max(version) FROM registry_version") == 2


async def test_no_plan_is_carried_out_while_items_are_still_moved(services: Services) -> None:
    await (await enrol(services, WORKER)).report("0404")
    await publish_only(services, split_of_first())
    with pytest.raises(Problem) as refused:
        await apply(services, plan_files({"retire": GRIDS[3]}, registry=2))
    assert refused.value.code == "registry_moving"


async def test_people_go_over_and_the_old_grid_is_left_once_it_is_empty(
    services: Services, truth: asyncpg.Connection
) -> None:
    team = [{"user": MATE.phone, "role": "grid_worker"}]
    await apply(services, split_of_first(team=team))
    first, second = [await streams_of(truth, code) for code in (FIRST, SECOND)]
    for person, grids in ((WORKER, {second}), (MATE, {first, second}), (NEIGHBOUR, {grid_id(GRIDS[1])})):
        held = (await caller(services, person)).assignments
        assert {one.grid_id for one in held} == grids
    chief = (await caller(services, CHIEF)).assignments
    assert f"restricted/{second}" in device_streams(CHIEF.id, chief)
    assert {one.grid_id for one in chief} == {second, grid_id(GRIDS[1])}


async def test_legacy_codes_of_a_grid_are_those_of_its_successors(
    services: Services, truth: asyncpg.Connection
) -> None:
    await truth.execute(
        "INSERT INTO crosswalk (department, legacy_code, valid_from, grid_id, from_version)"
        " VALUES ('gongan', 'P-17', '2020-01-01', $1, 1), ('gongan', 'P-18', '2020-01-01', $2, 1)",
        grid_id(GRIDS[0]),
        grid_id(GRIDS[1]),
    )
    await apply(services, split_of_first())
    rows = await truth.fetch(
        "SELECT legacy_code, l.code, w.to_version FROM crosswalk w JOIN grid_label l USING (grid_id)"
        " WHERE l.to_version IS NULL OR w.to_version IS NOT NULL ORDER BY 1, 2"
    )
    assert [tuple(row) for row in rows] == [
        ("P-17", GRIDS[0], 2),
        ("P-17", FIRST, None),
        ("P-17", SECOND, None),
        ("P-18", GRIDS[1], None),
    ]
    await look_again(services)
    reading = services.registry.crosswalk.read("gongan", "P-17", date(2026, 1, 1))
    assert (reading.answer, [services.registry.code(one) for one in reading.grids]) == ("several", [FIRST, SECOND])


async def test_codes_and_ids_of_what_only_changes_its_code_stay_one_grid(
    services: Services, truth: asyncpg.Connection
) -> None:
    """And its items are found by the community that it belongs to now."""
    phone = await enrol(services, WORKER)
    item = await phone.report("0101", dwelling=str(await phone.report("0102")), name="欧阳春")
    terms = await truth.fetchval("SELECT terms FROM item_search WHERE item_id = $1", item)
    files = plan_files(
        {"move": GRIDS[0], "to": f"{WEST}077", "name": "划入"}, {"renumber": GRIDS[1], "to": f"{EAST}078"}
    )
    report = await apply(services, files)
    assert (report.version, report.differences) == (2, [])
    assert await truth.fetchval("SELECT version FROM item WHERE id = $1", item) == 1
    assert await code_of(truth, item) == f"{WEST}077"
    assert await truth.fetchval("SELECT terms FROM item_search WHERE item_id = $1", item) != terms
    labels = await truth.fetch(
        "SELECT code, name FROM grid_label WHERE grid_id = $1 ORDER BY from_version", grid_id(GRIDS[0])
    )
    assert [tuple(one) for one in labels] == [(GRIDS[0], "第1网格"), (f"{WEST}077", "划入")]
    again = await plan(services, plan_files({"renumber": f"{WEST}077", "to": GRIDS[0]}, registry=2))
    assert {one.fault for one in again.faults} == {"code_used", "renumber_moves"}


@pytest.mark.parametrize(("code", "fields"), [("0404", {"water_name": "小塘"}), ("0102", {"address": "小塘东路"})])
async def test_an_edit_written_before_the_move_merges_into_it(
    services: Services, truth: asyncpg.Connection, code: str, fields: dict[str, str]
) -> None:
    """Its author worked in the grid that ended, which is enough for what came of it."""
    phone = await enrol(services, WORKER)
    item = await phone.report(code, location=spot(0.2))
    row = await truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", item)
    written = capture()
    await apply(services, split_of_first())
    await look_again(services)
    base = Base(row["version"], f"{row['rev'] % 2**64:016x}")
    outcome = (await phone.push(Change("update", item, code, written, base=base, fields=fields))).outcomes[0]  # type: ignore[arg-type]
    assert outcome.outcome in ("applied", "merged"), outcome
    assert await truth.fetchval("SELECT version FROM item WHERE id = $1", item) == 3
    assert await code_of(truth, item) == FIRST


async def test_an_approval_outlives_the_move(services: Services, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    item = await phone.report("0404", location=spot(0.2))
    await truth.execute(
        "UPDATE review r SET state = 'approved', approved_version = i.version, approved_rev = i.rev"
        " FROM item i WHERE i.id = r.item_id AND r.item_id = $1",
        item,
    )
    await apply(services, split_of_first())
    row = await truth.fetchrow(
        "SELECT r.version, r.rev, r.approved_version, r.approved_rev, i.version AS now, i.rev AS now_rev"
        " FROM review r JOIN item i ON i.id = r.item_id WHERE i.id = $1",
        item,
    )
    assert row["version"] == row["approved_version"] == row["now"] == 2
    assert row["rev"] == row["approved_rev"] == row["now_rev"]


async def test_deleted_items_go_along(services: Services, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    item = await phone.report("0102", location=spot(0.8))
    await truth.execute("UPDATE item SET deleted = true WHERE id = $1", item)
    report = await apply(services, split_of_first())
    assert report.actual is not None
    assert (report.actual.looked, report.actual.moved) == (1, 0)
    assert await code_of(truth, item) == SECOND


async def test_ground_given_to_a_neighbour_takes_its_items_along(services: Services, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    dwelling = await phone.report("0102", location=spot(0.9))
    resident = await phone.report("0101", dwelling=str(dwelling))
    stays = await phone.report("0501")
    files = plan_files({"redraw": [GRIDS[0], GRIDS[1]]}, s001=strip(0, 0.75), s002=strip(0.75, 2))
    report = await apply(services, files)
    assert report.differences == []
    assert [await code_of(truth, one) for one in (dwelling, resident, stays)] == [GRIDS[1], GRIDS[1], GRIDS[0]]
    assert await truth.fetchval("SELECT count(*) FROM assignment WHERE valid_to IS NOT NULL") == 0
    await check_digests(truth)


async def test_what_is_brought_into_a_redrawn_grid_is_looked_at_once(services: Services) -> None:
    """There and back, so that one of the two borders is crossed towards the grid whose turn comes later."""
    phone = await enrol(services, WORKER)
    await phone.report("0102", location=spot(0.9))
    ops = {"redraw": [GRIDS[0], GRIDS[1]]}
    for version, border in ((1, 0.75), (2, 1)):
        files = plan_files(ops, registry=version, s001=strip(0, border), s002=strip(border, 2))
        report = await apply(services, files)
        assert report.actual is not None
        assert report.actual == report.predicted
        assert (report.actual.looked, report.actual.moved) == (1, 1)


async def test_what_is_restored_in_a_retired_grid_waits_for_a_person_however_late(
    services: Services, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item = await phone.report("0102", location=spot(0.5))
    await truth.execute("UPDATE item SET deleted = true WHERE id = $1", item)
    await apply(services, plan_files({"retire": GRIDS[0]}))
    await truth.execute("UPDATE registry_move SET finished_at = now() - interval '3 years'")
    await truth.execute("UPDATE item SET deleted = false WHERE id = $1", item)
    await run_moves(services)
    assert await code_of(truth, item) is None
    assert await truth.fetchval("SELECT kind FROM conflict WHERE item_id = $1 AND state = 'open'", item) == "territory"
    assert item in await present(truth, f"own/{WORKER.id}")


async def test_a_plan_foretells_what_follows_something_deleted(services: Services, truth: asyncpg.Connection) -> None:
    """The deleted dwelling goes along to the east by its point; who is told by it follows, wherever he was written."""
    phone = await enrol(services, WORKER)
    dwelling = await phone.report("0102", location=spot(0.8))
    resident = await phone.report("0101", dwelling=str(dwelling))
    await truth.execute("UPDATE item SET deleted = true WHERE id = $1", dwelling)
    report = await apply(services, split_of_first())
    assert report.actual is not None
    assert report.actual == report.predicted
    assert [(one.to, one.type, one.items) for one in report.actual.counts] == [(SECOND, "0101", 1)]
    assert await code_of(truth, resident) == SECOND


async def test_a_plan_foretells_it_too_where_nothing_tells_where_the_deleted_went(
    services: Services, truth: asyncpg.Connection
) -> None:
    """It goes to the first of the codes, in whatever order the plan names them."""
    phone = await enrol(services, WORKER)
    dwelling = await phone.report("0102", location=spot(0.5))
    resident = await phone.report("0101", dwelling=str(dwelling))
    await truth.execute(
        "UPDATE item SET deleted = true, clear = clear - 'location', sealed = NULL WHERE id = $1", dwelling
    )
    into = [{"code": SECOND, "name": "东半"}, {"code": FIRST, "name": "西半"}]
    report = await apply(
        services, plan_files({"split": GRIDS[0], "into": into}, s011=strip(0, 0.5), s012=strip(0.5, 1))
    )
    assert report.actual == report.predicted
    assert await code_of(truth, dwelling) == await code_of(truth, resident)
