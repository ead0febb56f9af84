"""Items whose grid code decides nothing: taken in, their author's alone, settled by a person, and back again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from schemas.wire import LegacyCode
from server.db.conflicts import ConflictFilter
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_views import list_conflicts
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CENTRE,
    CHIEF,
    EAST,
    GRIDS,
    RIDER,
    STREET_CADRE,
    WEST_CADRE,
    WORKER,
    Person,
    caller,
    capture,
    deliver,
    grid_id,
    photo,
    point,
    sign_in,
)
from tests.integration.crosswalk_scene import (
    EITHER,
    FAR,
    GONE,
    ONE,
    RETIRED_GRID,
    SEVERAL,
    STREET_WIDE,
    Scene,
    claiming,
)
from tests.integration.test_conflicts import assert_streams_add_up

OWN = f"own/{WORKER.id}"
IN_EAST = ("chengguan", SEVERAL)
WHOLE_STREET = ("yingji", STREET_WIDE)
NOWHERE = ("xiaofang", "XF-NONE")

UNPLACED = """
    SELECT i.id FROM item i WHERE i.grid_id IS NULL AND NOT i.deleted AND NOT EXISTS (
        SELECT FROM conflict c WHERE c.item_id = i.id AND c.state = 'open' AND c.claim IS NOT NULL
    )
"""


@pytest.fixture
async def scene(services: Services, truth: asyncpg.Connection) -> AsyncIterator[Scene]:
    yield await Scene.open(services, truth)
    await assert_streams_add_up(truth)
    assert await truth.fetch(UNPLACED) == [], "every item is in a grid or in an open conflict about it"


async def refusal(awaitable: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await awaitable
    return caught.value


# Translating -----------------------------------------------------------------------------------------------


async def test_a_code_of_one_grid_places_the_item_long_after_its_last_day(scene: Scene) -> None:
    change = claiming("0401", ("xiaofang", " xf-one "))
    assert (await scene.push(change)).outcome == "applied"
    assert (await scene.item(change.item))["grid_id"] == grid_id(GRIDS[1])
    derivation = await scene.truth.fetchval("SELECT derivation::text FROM revision WHERE item_id = $1", change.item)
    for told in ('"claimed"', '"xiaofang"', '"one"', str(grid_id(GRIDS[1]))):
        assert told in derivation


async def test_of_several_grids_the_point_chooses_though_it_reaches_over_a_border_that_is_none_of_them(
    scene: Scene,
) -> None:
    """Between east and west the point alone decides nothing; the code leaves only the east."""
    near_west = point(GRIDS[1]) | {"lon": 117.9199, "accuracy": 50.0}
    alone = claiming("0401", location=near_west)
    item, conflict = await scene.park(alone)
    assert (await scene.claim(conflict))["fault"] == "border"
    assert (await scene.item(item))["grid_id"] is None
    change = claiming("0401", IN_EAST, location=near_west)
    assert (await scene.push(change)).outcome == "applied"
    assert (await scene.item(change.item))["grid_id"] == grid_id(GRIDS[1])


async def test_where_the_author_stood_chooses_only_for_types_that_admit_it(scene: Scene) -> None:
    """Where a worker stood would tell on the people of a quarrel."""
    for type_code, outcome in (("0401", "applied"), ("0501", "parked")):
        change = replace(claiming(type_code, IN_EAST), capture=capture(GRIDS[1]))
        assert (await scene.push(change)).outcome == outcome


async def test_a_current_unified_code_goes_before_a_legacy_one(scene: Scene) -> None:
    change = claiming("0401", ("xiaofang", ONE), grid=GRIDS[0])
    assert (await scene.push(change)).outcome == "applied"
    assert (await scene.item(change.item))["grid_id"] == grid_id(GRIDS[0])


# Parking ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("legacy", "grid", "fault", "grids"),
    [
        (WHOLE_STREET, None, "ambiguous", GRIDS),
        (IN_EAST, None, "ambiguous", GRIDS[:2]),
        (("xiaofang", EITHER), None, "ambiguous", GRIDS),
        (("zhengfawei", GONE), None, "retired", GRIDS[:2]),
        (NOWHERE, None, "unknown", ()),
        (None, f"{EAST}777", "unknown", ()),
        (None, "999999999999999", "unknown", ()),
        (None, RETIRED_GRID, "retired", GRIDS[:2]),
        (WHOLE_STREET, RETIRED_GRID, "ambiguous", GRIDS),
    ],
)
async def test_what_a_code_does_not_decide_is_parked_with_the_item_taken_in(
    scene: Scene, legacy: tuple[str, str] | None, grid: str | None, fault: str, grids: tuple[str, ...]
) -> None:
    change = claiming("0401", legacy, grid=grid, photos=[photo(1)])
    outcome = await scene.push(change)
    assert (outcome.outcome, outcome.version) == ("parked", 1)
    head = await scene.item(change.item)
    assert (head["grid_id"], head["version"]) == (None, 1)
    row = await scene.truth.fetchrow("SELECT * FROM conflict WHERE id = $1", outcome.conflict)
    assert (row["kind"], row["state"], row["fields"], row["server_version"]) == ("code", "open", [], 1)
    claim = await scene.claim(row["id"])
    assert (claim["department"], claim["code"]) == (legacy if legacy else (None, grid))
    assert claim["fault"] == fault
    assert claim["candidates"] == [str(grid_id(code)) for code in grids]
    assert claim["counties"] == ["341182"]
    assert await scene.truth.fetchval("SELECT count(*) FROM quarantine") == 0
    assert await scene.truth.fetchval("SELECT count(*) FROM evidence_link WHERE item_id = $1", change.item) == 1


async def test_it_is_in_its_authors_own_stream_alone_and_he_sees_it_parked(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0102", WHOLE_STREET))
    assert await scene.streams(item) == {OWN}
    assert await scene.streams(conflict) == {OWN}


async def test_nothing_is_submitted_or_opened_before_the_grid_is_told(scene: Scene) -> None:
    item, _ = await scene.park(claiming("0401", WHOLE_STREET, urgency="critical", photos=[photo(1)]))
    await deliver(scene.services, WORKER, 1)
    for table in ("review", "review_steps", "cases", "case_steps"):
        assert await scene.truth.fetchval(f"SELECT count(*) FROM {table} WHERE item_id = $1", item) == 0


async def test_without_any_code_a_person_is_to_tell_the_grid_as_well(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0102"))
    assert (await scene.streams(item), await scene.streams(conflict)) == ({OWN}, {OWN})
    view = await scene.show(conflict, CENTRE)
    assert (view.conflict.kind, view.claim.code, view.claim.fault) == ("territory", "", "untold")  # type: ignore[union-attr]
    await scene.settle(conflict, CENTRE, GRIDS[1])
    assert (await scene.item(item))["grid_id"] == grid_id(GRIDS[1])


async def test_the_same_creation_again_is_no_second_item(scene: Scene) -> None:
    change = claiming("0102", WHOLE_STREET)
    await scene.park(change)
    again = await scene.push(change)
    assert (again.outcome, again.version) == ("applied", 1)
    assert await scene.truth.fetchval("SELECT count(*) FROM conflict") == 1


async def test_who_may_not_write_the_type_parks_nothing(scene: Scene) -> None:
    rider = await scene.phone_of(RIDER)
    outcome = (await rider.push(claiming("0102", WHOLE_STREET))).outcomes[0]
    assert (outcome.outcome, outcome.code) == ("quarantined", "role_may_not_write")


async def test_who_works_in_another_county_parks_nothing(scene: Scene) -> None:
    elsewhere = "341103004001"
    await scene.truth.execute("INSERT INTO division (code, tier, name_zh) VALUES ($1, 'community', '别处')", elsewhere)
    await scene.truth.execute("UPDATE assignment SET division = $2 WHERE user_id = $1", WORKER.id, elsewhere)
    outcome = await scene.push(claiming("0401", WHOLE_STREET))
    assert (outcome.outcome, outcome.code) == ("quarantined", "out_of_scope")
    await scene.park(claiming("0401", NOWHERE))


# Its author goes on ----------------------------------------------------------------------------------------


async def test_its_author_edits_it_as_usual_and_it_stays_parked(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0102", WHOLE_STREET))
    outcome = await scene.push(await scene.edit(item, fields={"rooms_let": 3}))
    assert (outcome.outcome, outcome.version) == ("applied", 2)
    assert (await scene.item(item))["grid_id"] is None
    assert await scene.truth.fetchval("SELECT state FROM conflict WHERE id = $1", conflict) == "open"


async def test_an_edit_in_the_same_set_is_applied_too(scene: Scene) -> None:
    change = claiming("0102", WHOLE_STREET)
    edit = replace(claiming("0102"), op="update", item=change.item, fields={"rooms_let": 3})
    receipt = await scene.phone.push(change, edit)
    assert [one.outcome for one in receipt.outcomes] == ["parked", "applied"]
    assert (await scene.item(change.item))["version"] == 2


async def test_an_edit_that_tells_the_grid_ends_the_conflict_by_itself(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0401", WHOLE_STREET))
    assert (await scene.push(await scene.edit(item, fields={"location": point(GRIDS[0])}))).outcome == "applied"
    assert (await scene.item(item))["grid_id"] == grid_id(GRIDS[0])
    row = await scene.truth.fetchrow("SELECT * FROM conflict WHERE id = $1", conflict)
    assert (row["state"], row["take"], row["resolved_by"], row["resolution_version"]) == ("resolved", "placed", None, 2)
    assert f"grid/{grid_id(GRIDS[0])}" in await scene.streams(item)
    assert await scene.streams(conflict) == set()
    assert await scene.truth.fetchval("SELECT count(*) FROM review WHERE item_id = $1", item) == 1
    shown = await scene.show(conflict, CADRE)
    assert shown.settled is not None
    assert shown.settled.by is None
    assert (await refusal(scene.undo(conflict, CADRE))).code == "undo_too_late"


async def test_a_better_code_tells_the_grid_too(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0401", NOWHERE))
    await scene.push(await scene.edit(item, legacy=LegacyCode("xiaofang", ONE)))
    assert (await scene.item(item))["grid_id"] == grid_id(GRIDS[1])
    assert await scene.truth.fetchval("SELECT take FROM conflict WHERE id = $1", conflict) == "placed"


async def test_an_edit_is_not_placed_by_where_its_author_stood(scene: Scene) -> None:
    item, _ = await scene.park(claiming("0401", WHOLE_STREET))
    edit = await scene.edit(item, fields={"description": "仍有杂物"}, capture=capture(GRIDS[0]))
    assert (await scene.push(edit)).outcome == "applied"
    assert (await scene.item(item))["grid_id"] is None


async def test_nobody_else_writes_it(scene: Scene) -> None:
    item, _ = await scene.park(claiming("0102", WHOLE_STREET))
    chief = await scene.phone_of(CHIEF)
    outcome = (await chief.push(await scene.edit(item, fields={"rooms_let": 3}))).outcomes[0]
    assert (outcome.outcome, outcome.code) == ("quarantined", "out_of_scope")


async def test_its_author_deletes_his_record(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0102", WHOLE_STREET))
    assert (await scene.push(await scene.edit(item, "delete"))).outcome == "applied"
    assert await scene.streams(item) == set()
    row = await scene.truth.fetchrow("SELECT state, take, resolved_by FROM conflict WHERE id = $1", conflict)
    assert tuple(row) == ("resolved", "withdrawn", None)
    assert (await refusal(scene.settle(conflict, STREET_CADRE, GRIDS[0]))).code == "conflict_resolved"
    assert (await refusal(scene.undo(conflict, STREET_CADRE))).code == "undo_too_late"


# Who sees it -----------------------------------------------------------------------------------------------


async def test_no_list_shows_it_but_its_authors(scene: Scene, app_client: httpx.AsyncClient) -> None:
    item, _ = await scene.park(claiming("0401", WHOLE_STREET))
    for person in (CADRE, STREET_CADRE, CENTRE, CHIEF, ADMINISTRATOR):
        headers = await sign_in(scene.services, person)
        listed = (await app_client.get("/v1/items", headers=headers)).json()
        assert str(item) not in str(listed), person
        assert (await app_client.get(f"/v1/items/{item}", headers=headers)).status_code == 404, person
    own = await sign_in(scene.services, WORKER)
    shown = await app_client.get(f"/v1/items/{item}", headers=own)
    assert (shown.status_code, shown.json()["item"]["grid"]) == (200, None)


@pytest.mark.parametrize(
    ("legacy", "may", "may_not"),
    [
        (IN_EAST, (CHIEF, CADRE, STREET_CADRE, CENTRE), (WEST_CADRE,)),
        (WHOLE_STREET, (STREET_CADRE, CENTRE), (CHIEF, CADRE, WEST_CADRE)),
        (("zhengfawei", GONE), (CADRE, STREET_CADRE), (WEST_CADRE,)),
        (NOWHERE, (CENTRE,), (CHIEF, CADRE, STREET_CADRE)),
    ],
)
async def test_who_answers_for_every_candidate_settles_it_and_nobody_else_knows(
    scene: Scene, legacy: tuple[str, str], may: tuple[Person, ...], may_not: tuple[Person, ...]
) -> None:
    """The grid chief of the scene leads both grids of the east; of an unknown code the county answers."""
    _, conflict = await scene.park(claiming("0401", legacy))
    for person in may:
        assert (await scene.show(conflict, person)).conflict.id == conflict
    for person in may_not:
        assert (await refusal(scene.show(conflict, person))).code == "not_found", person
        assert (await refusal(scene.settle(conflict, person, GRIDS[0]))).code == "not_found", person
        page = await list_conflicts(scene.services, await caller(scene.services, person), ConflictFilter(), limit=9)
        assert page.conflicts == []


@pytest.mark.parametrize(
    ("legacy", "division", "found"),
    [
        (IN_EAST, EAST, True),
        (IN_EAST, "341182001002", False),
        (NOWHERE, "341182", True),
        (NOWHERE, EAST, False),
        (NOWHERE, "341103", False),
    ],
)
async def test_a_list_is_narrowed_by_where_the_item_may_lie(
    scene: Scene, legacy: tuple[str, str], division: str, found: bool
) -> None:
    await scene.park(claiming("0401", legacy))
    wanted = ConflictFilter(kind="code", division_prefix=division)
    page = await list_conflicts(scene.services, await caller(scene.services, CENTRE), wanted, limit=9)
    assert len(page.conflicts) == found


@pytest.mark.parametrize("who", [ADMINISTRATOR, WORKER, RIDER])
async def test_a_role_that_does_not_approve_settles_nothing(scene: Scene, who: Person) -> None:
    _, conflict = await scene.park(claiming("0401", IN_EAST))
    assert (await refusal(scene.settle(conflict, who, GRIDS[0]))).code == "forbidden"


async def test_where_no_candidate_is_left_the_county_answers(scene: Scene) -> None:
    _, conflict = await scene.park(claiming("0401", IN_EAST))
    await scene.truth.execute("UPDATE grid_label SET to_version = 2 WHERE community = $1", EAST)
    assert (await scene.show(conflict, CENTRE)).claim.candidates == []  # type: ignore[union-attr]
    assert (await refusal(scene.show(conflict, CADRE))).code == "not_found"


async def test_what_is_shown_helps_to_judge_and_masks_what_is_personal(scene: Scene) -> None:
    _, conflict = await scene.park(claiming("0102", WHOLE_STREET, address="东街 1 号"))
    shown = await scene.show(conflict, STREET_CADRE)
    claim = shown.claim
    assert claim is not None
    assert (claim.department_zh, claim.code, claim.fault) == ("应急管理", STREET_WIDE, "ambiguous")
    assert [one.code for one in claim.candidates] == list(GRIDS)
    assert {one.metres for one in claim.candidates} == {None}, "a dwelling's place is personal"
    assert "东街" not in str(claim.content)
    _, public = await scene.park(claiming("0401", WHOLE_STREET, location=FAR | {"lon": 117.899, "lat": 32.705}))
    metres = [one.metres for one in (await scene.show(public, STREET_CADRE)).claim.candidates]  # type: ignore[union-attr]
    assert metres == pytest.approx([90, 1030, 1970, 2900], abs=20)


# Settling --------------------------------------------------------------------------------------------------


async def test_settling_undoing_and_settling_again(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0102", WHOLE_STREET))
    done = await scene.settle(conflict, STREET_CADRE, GRIDS[2])
    assert (done.state, done.grid, done.version, done.moved) == ("resolved", GRIDS[2], 2, True)
    assert await scene.streams(item) == {f"grid/{grid_id(GRIDS[2])}"}
    assert await scene.streams(conflict) == set()
    undone = await scene.undo(conflict, STREET_CADRE)
    assert (undone.state, undone.grid, undone.version) == ("open", None, 3)
    assert await scene.streams(item) == {OWN}
    assert await scene.streams(conflict) == {OWN}
    again = await scene.settle(conflict, STREET_CADRE, GRIDS[0])
    assert again.grid == GRIDS[0]
    assert await scene.streams(item) == {f"grid/{grid_id(GRIDS[0])}"}
    ops = await scene.truth.fetch("SELECT op, grid_id FROM revision WHERE item_id = $1 ORDER BY version", item)
    told = [("create", None), ("resolve", GRIDS[2]), ("undo", None), ("resolve", GRIDS[0])]
    assert [tuple(one) for one in ops] == [(op, grid_id(code) if code else None) for op, code in told]
    acts = await scene.truth.fetch("SELECT action, actor_id, reason FROM audit WHERE subject_id = $1", str(conflict))
    assert [one["action"] for one in acts] == ["conflict.resolve", "conflict.undo", "conflict.resolve"]
    assert {(one["actor_id"], one["reason"]) for one in acts} == {(STREET_CADRE.id, "按门牌核对")}


async def test_once_it_has_a_grid_it_is_submitted_as_its_authors_work(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0401", IN_EAST, photos=[photo(1)]))
    await deliver(scene.services, WORKER, 1)
    await scene.settle(conflict, CADRE, GRIDS[1])
    review = await scene.truth.fetchrow("SELECT * FROM review WHERE item_id = $1", item)
    assert (review["version"], review["authors"], review["answers"]) == (2, [WORKER.id], WORKER.id)
    assert await scene.truth.fetchval("SELECT count(*) FROM cases WHERE item_id = $1", item) == 1
    assert await scene.streams(item) == {OWN, f"grid/{grid_id(GRIDS[1])}"}


async def test_what_was_undone_stands_still_until_it_has_a_grid_again(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0102", IN_EAST))
    await scene.settle(conflict, CADRE, GRIDS[0])
    found = "SELECT version, state, level, authors, submitted_at FROM review WHERE item_id = $1"
    before = dict(await scene.truth.fetchrow(found, item) or {})
    await scene.undo(conflict, CADRE)
    assert dict(await scene.truth.fetchrow(found, item) or {}) == before | {"version": 3}
    await scene.settle(conflict, CADRE, GRIDS[0])
    assert dict(await scene.truth.fetchrow(found, item) or {}) == before | {"version": 4}


async def test_what_was_undone_is_not_moved_on_by_its_photos(scene: Scene) -> None:
    """A type that is approved as soon as its photos are verified."""
    item, conflict = await scene.park(claiming("0105", IN_EAST, photos=[photo(1)]))
    await scene.settle(conflict, CADRE, GRIDS[0])
    await scene.undo(conflict, CADRE)
    await deliver(scene.services, WORKER, 1)
    state = "SELECT state FROM review WHERE item_id = $1"
    assert await scene.truth.fetchval(state, item) == "pending"
    await scene.settle(conflict, CADRE, GRIDS[0])
    assert await scene.truth.fetchval(state, item) == "approved"
    (step,) = await scene.truth.fetch("SELECT * FROM review_steps WHERE item_id = $1 AND action = 'approved'", item)
    assert (step["version"], step["actor_id"]) == (4, None)


async def test_a_case_that_was_taken_up_keeps_its_grid(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0401", IN_EAST))
    await scene.settle(conflict, CADRE, GRIDS[0])
    await scene.truth.execute("UPDATE cases SET state = 'accepted' WHERE item_id = $1", item)
    assert (await refusal(scene.undo(conflict, CADRE))).code == "undo_too_late"


async def test_a_move_since_then_is_not_undone(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0401", IN_EAST))
    await scene.settle(conflict, CADRE, GRIDS[0])
    moved = await scene.edit(item, fields={"location": point(GRIDS[1])})
    assert (await scene.push(moved)).outcome == "applied"
    assert (await refusal(scene.undo(conflict, CADRE))).code == "undo_too_late"


@pytest.mark.parametrize("grid", [GRIDS[2], RETIRED_GRID, f"{EAST}777"])
async def test_only_a_current_grid_of_ones_own_area_is_given(scene: Scene, grid: str) -> None:
    item, conflict = await scene.park(claiming("0102", IN_EAST))
    problem = await refusal(scene.settle(conflict, CADRE, grid))
    assert (problem.code, problem.field) == ("resolution_invalid", "grid")
    assert (await scene.item(item))["version"] == 1


async def test_a_dry_run_writes_nothing(scene: Scene) -> None:
    item, conflict = await scene.park(claiming("0102", IN_EAST))
    done = await scene.settle(conflict, CADRE, GRIDS[0], dry_run=True)
    assert (done.dry_run, done.grid) == (True, GRIDS[0])
    assert (await scene.item(item))["version"] == 1
