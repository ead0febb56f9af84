"""Deciding about submissions: who may, on which revision, what a return brings, and taking approvals back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from server.services import Services
from server.usecases.bodies import notice_bodies
from tests import builders
from tests.builders import (
    CADRE,
    CHIEF,
    DISPATCHER,
    GRIDS,
    POLICEMAN,
    SECOND_CHIEF,
    STREET,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    create,
    deliver,
    enrol,
    organisation,
    photo,
)
from tests.integration.office import (
    Desk,
    approval,
    approve,
    case_of,
    case_path,
    desk,
    refused,
    review_of,
    review_path,
    seen,
)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def chief(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, CHIEF)


@pytest.fixture
async def cadre(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, CADRE)


async def a_hazard(services: Services, **fields: Any) -> UUID:
    return await (await enrol(services, WORKER)).report("0401", urgency=fields.pop("urgency", "normal"), **fields)


async def a_dispute(services: Services) -> UUID:
    return await (await enrol(services, WORKER)).report("0501", urgency="normal")


def code(results: list[dict[str, Any]]) -> str:
    (one,) = results
    assert one["result"] == "refused", one
    assert one["zh"]
    assert one["en"]
    return one["code"]


# The queue -------------------------------------------------------------------------------------------------


async def test_the_queue_holds_what_one_may_decide_most_urgent_and_oldest_first(
    services: Services, chief: Desk, cadre: Desk
) -> None:
    phone = await enrol(services, WORKER)
    normal = await phone.report("0401", urgency="normal")
    urgent = await phone.report("0401", urgency="urgent")
    later = await phone.report("0401", urgency="urgent")
    assert await chief.queue() == [str(urgent), str(later), str(normal)]
    assert await cadre.queue() == []


async def test_the_queue_shows_what_a_reviewer_needs(services: Services, chief: Desk) -> None:
    item_id = await a_hazard(services, photos=[photo(1)], description="楼道堵塞")
    (entry,) = (await chief.found("/v1/reviews"))["reviews"]
    assert entry["item"]["id"] == str(item_id)
    assert entry["item"]["fields"]["description"] == "楼道堵塞"
    assert entry["step"] == {"level": 1, "by": "grid_chief", "tier": "grid"}
    assert entry["author_name"] == "grid_worker 01"
    assert [one["state"] for one in entry["photos"]] == ["declared"]
    assert entry["checks"] is False


async def test_the_queue_is_read_in_pages(services: Services, chief: Desk) -> None:
    phone = await enrol(services, WORKER)
    ids = [str(await phone.report("0401", urgency="normal")) for _ in range(5)]
    found: list[str] = []
    cursor = None
    for _ in range(3):
        page = await chief.found("/v1/reviews", limit=2, **({"cursor": cursor} if cursor else {}))
        found += [one["item"]["id"] for one in page["reviews"]]
        cursor = page["next"]
    assert found == ids
    assert cursor is None
    refused(await chief.get("/v1/reviews", cursor="bm9uc2Vuc2U"), 400, "parameter_invalid")


async def test_the_queue_is_narrowed_by_type_and_division(services: Services, chief: Desk) -> None:
    hazard, dispute = await a_hazard(services), await a_dispute(services)
    assert await chief.queue(type="0501") == [str(dispute)]
    assert await chief.queue(division=builders.EAST, type="0401") == [str(hazard)]
    assert await chief.queue(division=builders.WEST) == []


async def test_another_grids_work_is_in_no_queue(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WEST_WORKER)
    change = create("0401", grid=GRIDS[2], urgency="normal")
    await phone.push(change)
    assert await chief.queue() == []
    assert code(await chief.decide(await approval(truth, change.item))) == "not_found"
    assert code(await chief.decide({**await approval(truth, change.item), "item": str(uuid4())})) == "not_found"
    west = await desk(services, app_client, WEST_CHIEF)
    assert await west.queue() == [str(change.item)]


async def test_reading_the_queue_is_noted_where_it_shows_personal_values(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    dispute = await a_dispute(services)
    await chief.queue()
    rows = await truth.fetch("SELECT actor_id, subject_id FROM audit WHERE action = 'item.read'")
    assert [tuple(row) for row in rows] == [(CHIEF.id, str(dispute))]


# Approving -------------------------------------------------------------------------------------------------


async def test_an_approval_is_shown_to_everyone_who_holds_the_item(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services)
    before = await truth.fetchrow("SELECT position, touch FROM feed WHERE object_id = $1", item_id)
    (result,) = await chief.decide(await approval(truth, item_id))
    assert (result["result"], result["state"]) == ("done", "approved")
    after = await truth.fetchrow("SELECT position, touch FROM feed WHERE object_id = $1", item_id)
    assert before is not None
    assert after is not None
    assert (after["position"] > before["position"], after["touch"]) == (True, before["touch"] + 1)
    assert await chief.queue() == []
    assert await review_path(truth, item_id) == [("submitted", WORKER.id), ("approved", CHIEF.id)]


async def test_two_levels_are_two_people(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, cadre: Desk, truth: asyncpg.Connection
) -> None:
    item_id = await a_dispute(services)
    assert await cadre.queue() == []
    assert code(await cadre.decide(await approval(truth, item_id))) == "forbidden"
    await approve(services, app_client, truth, CHIEF, item_id)
    assert (await review_of(truth, item_id))["state"] == "pending"
    assert await chief.queue() == []
    assert await cadre.queue() == [str(item_id)]
    assert (await cadre.decide(await approval(truth, item_id)))[0]["state"] == "approved"


async def test_nobody_approves_twice(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    """The chief also works at the community's desk, and is still one person."""
    await truth.execute(
        "INSERT INTO assignment (user_id, role, division, valid_from) VALUES ($1, 'community', $2, '2020-01-01')",
        CHIEF.id,
        builders.EAST,
    )
    item_id = await a_dispute(services)
    assert (await chief.decide(await approval(truth, item_id)))[0]["result"] == "done"
    assert await chief.queue() == []
    assert code(await chief.decide(await approval(truth, item_id))) == "same_reviewer"


async def test_nobody_approves_their_own_work(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, truth: asyncpg.Connection
) -> None:
    """Where no higher tier reads the type, another person of the same office decides."""
    item_id = await a_hazard(services)
    await (await enrol(services, CHIEF)).correct(item_id, description="网格长补充")
    assert code(await chief.decide(await approval(truth, item_id))) == "own_work"
    mine = await a_hazard(services)
    await truth.execute("UPDATE review SET authors = authors || $2 WHERE item_id = $1", mine, [CHIEF.id])
    assert await chief.queue() == []
    assert code(await chief.decide(await approval(truth, mine))) == "own_work"


async def test_an_approval_names_the_revision_it_saw(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item_id = await phone.report("0401", urgency="normal")
    old = await approval(truth, item_id)
    await phone.correct(item_id, description="又有新情况")
    assert code(await chief.decide(old)) == "late_transition"
    forged = {**await approval(truth, item_id), "rev": old["rev"]}
    assert code(await chief.decide(forged)) == "late_transition"
    assert (await review_of(truth, item_id))["state"] == "pending"


async def test_approval_waits_for_needed_photos(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    item_id = await (await enrol(services, WORKER)).report("0405", urgency="normal", photos=[photo(1)])
    assert code(await chief.decide(await approval(truth, item_id))) == "evidence_not_verified"
    await deliver(services, WORKER, 1)
    assert (await chief.decide(await approval(truth, item_id)))[0]["state"] == "approved"


async def test_decisions_in_bulk_do_not_stop_one_another(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    ids = [await phone.report("0401", urgency="normal") for _ in range(4)]
    wishes = [await approval(truth, one) for one in ids]
    wishes[1]["rev"] = "0" * 16
    results = await chief.decide(*wishes, wishes[0])
    assert [one["result"] for one in results] == ["done", "refused", "done", "done", "refused"]
    assert [one["item"] for one in results] == [wish["item"] for wish in [*wishes, wishes[0]]]
    states = [(await review_of(truth, one))["state"] for one in ids]
    assert states == ["approved", "pending", "approved", "approved"]


async def test_two_hundred_at_once(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    changes = [create("0401", urgency="normal") for _ in range(200)]
    await phone.push(*changes)
    begun = datetime.now(UTC)
    results = await chief.decide(*[await approval(truth, change.item) for change in changes])
    print("200 decisions", datetime.now(UTC) - begun)
    assert {one["result"] for one in results} == {"done"}
    assert await truth.fetchval("SELECT count(*) FROM review WHERE state = 'approved'") == 200
    over = await chief.post("/v1/reviews", {"decisions": [await approval(truth, changes[0].item)] * 201})
    refused(over, 400, "parameter_invalid")


async def test_an_approved_petition_goes_to_its_department_by_itself(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item_id = await (await enrol(services, WORKER)).report("0504", urgency="normal", risk="low")
    await approve(services, app_client, truth, CHIEF, item_id)
    await approve(services, app_client, truth, builders.STREET_CADRE, item_id)
    case = await case_of(truth, item_id)
    assert (case["state"], case["organisation_id"]) == ("dispatched", organisation("xinfang", STREET).id)
    assert [one for one, _, _ in await case_path(truth, item_id)] == ["report", "accept", "dispatch"]


async def test_departments_review_what_only_they_may_read(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, truth: asyncpg.Connection
) -> None:
    item_id = await (await enrol(services, WORKER)).report("0204")
    police = await desk(services, app_client, POLICEMAN)
    assert await chief.queue() == []
    assert code(await chief.decide(await approval(truth, item_id))) == "not_found"
    assert await police.queue() == [str(item_id)]
    assert (await police.decide(await approval(truth, item_id)))[0]["result"] == "done"
    committee = await desk(services, app_client, builders.COMMITTEE)
    assert await committee.queue() == [str(item_id)]


# Returning -------------------------------------------------------------------------------------------------


async def test_a_return_is_a_todo_on_the_phone_until_it_is_corrected(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item_id = await phone.report("0401", urgency="normal")
    decision = {**await seen(truth, item_id), "decision": "return", "reason": "other", "note": "请核对"}
    (result,) = await chief.decide({**decision, "notes": {"description": "位置写清楚"}})
    assert result["state"] == "returned"
    entry, body = await _todo(services, phone)
    assert (entry["kind"], entry["present"]) == ("todo", True)
    assert (body.code, body.item, body.reason) == ("returned", item_id, "other")
    assert (body.note, body.notes) == ("请核对", {"description": "位置写清楚"})
    await phone.correct(item_id, description="3栋2单元楼道内堆放杂物")
    entry, _ = await _todo(services, phone)
    assert entry["present"] is False
    assert (await review_of(truth, item_id))["state"] == "pending"
    path = await review_path(truth, item_id)
    assert [one for one, _ in path] == ["submitted", "returned", "resubmitted"]
    assert await chief.queue() == [str(item_id)]


async def test_a_second_return_opens_the_todo_again(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    item_id = await phone.report("0401", urgency="normal")
    for version in (1, 2):
        decision = {**await seen(truth, item_id), "decision": "return", "reason": "incomplete"}
        assert (await chief.decide(decision))[0]["result"] == "done"
        entry, _ = await _todo(services, phone)
        assert entry["present"] is True
        await phone.correct(item_id, description=f"第{version}次更正")
    assert await truth.fetchval("SELECT count(*) FROM notice") == 1


async def test_the_notes_of_a_return_are_sealed(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    item_id = await a_hazard(services)
    decision = {**await seen(truth, item_id), "decision": "return", "reason": "other", "note": "secret-77"}
    await chief.decide({**decision, "notes": {"description": "secret-88"}})
    for table in ("review", "review_step", "notice", "audit"):
        for row in await truth.fetch(f"SELECT * FROM {table}"):
            assert "secret-" not in str(tuple(row))
            assert b"secret-" not in b"".join(value for value in row if isinstance(value, bytes))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "reason_needed"),
        ({"reason": "never_heard"}, "reason_unknown"),
        ({"reason": "identity_mismatch"}, "reason_unknown"),
        ({"reason": "other"}, "note_needed"),
        ({"reason": "incomplete", "notes": {"no_such_field": "?"}}, "parameter_invalid"),
    ],
)
async def test_a_return_says_why(
    services: Services, chief: Desk, truth: asyncpg.Connection, given: dict[str, Any], expected: str
) -> None:
    item_id = await a_hazard(services)
    assert code(await chief.decide({**await seen(truth, item_id), "decision": "return", **given})) == expected


async def test_a_desk_that_only_dispatches_decides_nothing(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services)
    dispatcher = await desk(services, app_client, DISPATCHER)
    assert await dispatcher.queue() == []
    assert code(await dispatcher.decide(await approval(truth, item_id))) == "forbidden"


# Taking back -----------------------------------------------------------------------------------------------


async def test_an_approval_can_be_taken_back_while_nothing_was_built_on_it(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services)
    await chief.decide(await approval(truth, item_id))
    other = await desk(services, app_client, SECOND_CHIEF)
    undoing = {"items": [await seen(truth, item_id)], "reason": "点错了"}
    assert (await other.post("/v1/reviews/undo", undoing)).json()["results"][0]["code"] == "forbidden"
    (result,) = (await chief.post("/v1/reviews/undo", undoing)).json()["results"]
    assert (result["result"], result["state"]) == ("done", "pending")
    assert await chief.queue() == [str(item_id)]
    assert [one for one, _ in await review_path(truth, item_id)] == ["submitted", "approved", "undone"]
    assert (await review_of(truth, item_id))["approved_version"] is None


async def test_it_is_too_late_once_the_case_moved_on(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, truth: asyncpg.Connection
) -> None:
    item_id = await a_hazard(services)
    await chief.decide(await approval(truth, item_id))
    dispatcher = await desk(services, app_client, DISPATCHER)
    await dispatcher.act(item_id, "accept", "reported")
    undoing = {"items": [await seen(truth, item_id)], "reason": "点错了"}
    assert (await chief.post("/v1/reviews/undo", undoing)).json()["results"][0]["code"] == "undo_too_late"
    assert (await review_of(truth, item_id))["state"] == "approved"


async def test_taking_back_needs_a_reason(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    item_id = await a_hazard(services)
    await chief.decide(await approval(truth, item_id))
    undoing = {"items": [await seen(truth, item_id)], "reason": "  "}
    refused(await chief.post("/v1/reviews/undo", undoing), 400, "reason_needed")


async def _todo(services: Services, phone: builders.Phone) -> tuple[dict[str, Any], Any]:
    """The to-do in the phone's own stream, as a pull would bring it."""
    async with services.database.read() as connection:
        (row,) = await connection.fetch(
            "SELECT f.* FROM feed f JOIN stream s ON s.id = f.stream_id WHERE s.key = $1 AND f.kind = 'todo'",
            f"own/{phone.person.id}",
        )
        bodies = await notice_bodies(connection, services, [row["object_id"]])
    return dict(row), bodies[row["object_id"]]
