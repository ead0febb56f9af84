"""Reading items: what lists and pages show, to whom, and that no way leads to what one may not read."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from msgspec import json

from schemas.wire import Base, Change
from server.services import Services
from server.usecases.reading import readable
from sync.access import ItemFacts, may_read
from tests import builders
from tests.builders import (
    CADRE,
    CHIEF,
    DISPATCHER,
    FIREMAN,
    GRIDS,
    NEIGHBOUR,
    PEOPLE,
    POLICEMAN,
    RIDER,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    caller,
    capture,
    create,
    deliver,
    enrol,
    organisation,
    photo,
    point,
)
from tests.integration.office import Desk, approval, desk, refused, seen


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def chief(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, CHIEF)


async def ids(at: Desk, **params: Any) -> list[str]:
    return [one["id"] for one in (await at.found("/v1/items", **params))["items"]]


async def a_resident(phone: builders.Phone, name: str = "王秀英") -> UUID:
    dwelling = await phone.report("0102")
    return await phone.report(
        "0101", name=name, dwelling=str(dwelling), id_type="resident_id", national_id="11010519491231002X"
    )


async def revealed(at: Desk, item_id: UUID) -> Any:
    answer = await at.post(f"/v1/items/{item_id}/reveal", {"reason": "核对身份"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_page_tells_everything_that_happened(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item_id = await phone.report("0401", urgency="normal", photos=[photo(1)], description="楼道堵塞")
    await deliver(services, WORKER, 1)
    returned = {**await seen(truth, item_id), "decision": "return", "reason": "incomplete", "note": "写明楼栋"}
    await chief.decide({**returned, "notes": {"description": "几栋?"}})
    await phone.correct(item_id, description="3栋楼道堵塞")
    await chief.decide(await approval(truth, item_id))
    view = await revealed(chief, item_id)
    assert view["author_name"] == "grid_worker 01"
    assert view["item"]["fields"]["description"] == "3栋楼道堵塞"
    assert view["item"]["review"]["state"] == "approved"
    first, second = view["history"]
    assert (first["version"], first["op"], first["fields"]["description"]) == (1, "create", "楼道堵塞")
    assert (second["version"], second["op"], second["fields"]) == (2, "update", {"description": "3栋楼道堵塞"})
    assert second["author_name"] == "grid_worker 01"
    assert second["code"] == GRIDS[0]
    steps = [(one["action"], one["actor_name"], one["note"], one["notes"]) for one in view["review_steps"]]
    assert steps == [
        ("submitted", "grid_worker 01", None, {}),
        ("returned", "grid_chief 05", "写明楼栋", {"description": "几栋?"}),
        ("resubmitted", "grid_worker 01", None, {}),
        ("approved", "grid_chief 05", None, {}),
    ]
    assert [one["action"] for one in view["case_steps"]] == ["report"]
    (shown,) = view["photos"]
    assert (shown["state"], shown["role"], shown["media_type"]) == ("verified", "report", "image/png")


async def test_personal_values_are_masked_in_the_history_too(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    resident = await a_resident(phone)
    await phone.correct(resident, name="王秀兰")
    answer = await chief.get(f"/v1/items/{resident}")
    assert answer.headers["cache-control"] == "no-store"
    assert not [value for value in ("秀英", "秀兰", "19491231") if value in answer.text]
    view = answer.json()
    assert (view["item"]["fields"]["name"], view["history"][1]["fields"]) == ("王*", {"name": "王*"})
    assert view["item"]["fields"]["national_id"] == "110***********002X"
    rows = await truth.fetch("SELECT actor_id, action, subject_id FROM audit WHERE action LIKE 'item.%'")
    assert [tuple(row) for row in rows] == [(CHIEF.id, "item.read", str(resident))]


async def test_revealing_is_noted_with_reason_and_fields_and_without_values(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    resident = await a_resident(await enrol(services, WORKER))
    view = await revealed(chief, resident)
    assert (view["item"]["fields"]["name"], view["history"][0]["fields"]["name"]) == ("王秀英", "王秀英")
    row = await truth.fetchrow("SELECT actor_id, subject_id, reason, detail FROM audit WHERE action = 'item.reveal'")
    assert row is not None
    assert tuple(row)[:3] == (CHIEF.id, str(resident), "核对身份")
    assert set(json.decode(row["detail"])["fields"]) == builders.form("0101").keys() | {"dwelling", "national_id"}
    assert "王秀英" not in row["detail"]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
async def test_nothing_is_revealed_without_a_reason(
    services: Services, chief: Desk, truth: asyncpg.Connection, reason: str
) -> None:
    resident = await a_resident(await enrol(services, WORKER))
    answer = await chief.post(f"/v1/items/{resident}/reveal", {"reason": reason})
    refused(answer, 400, "reason_needed" if not reason.strip() else "parameter_invalid")
    assert "王" not in answer.text
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action LIKE 'item.%'") == 0


async def test_revealing_reaches_no_further_than_reading(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    resident = await a_resident(await enrol(services, WORKER))
    stranger = await desk(services, app_client, WEST_CHIEF)
    refused(await stranger.post(f"/v1/items/{resident}/reveal", {"reason": "看看"}), 404, "not_found")
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action LIKE 'item.%'") == 0


async def test_lists_show_nothing_that_was_filled_in(services: Services, chief: Desk) -> None:
    await a_resident(await enrol(services, WORKER))
    answer = await chief.get("/v1/items")
    assert answer.status_code == 200
    assert "王秀英" not in answer.text
    assert "11010519491231002X" not in answer.text


async def test_lists_are_narrowed_and_read_in_pages(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    hazards = [await phone.report("0401", urgency="normal") for _ in range(3)]
    dwelling = await phone.report("0102")
    await chief.decide(await approval(truth, hazards[0]))
    everything = sorted(map(str, [*hazards, dwelling]), reverse=True)
    assert await ids(chief) == everything
    assert await ids(chief, type="0102") == [str(dwelling)]
    assert await ids(chief, type="0401", review="approved") == [str(hazards[0])]
    assert set(await ids(chief, case="reported")) == set(map(str, hazards))
    assert await ids(chief, division=builders.WEST) == []
    assert await ids(chief, division=builders.EAST) == everything
    first = await chief.found("/v1/items", limit=3)
    rest = await chief.found("/v1/items", limit=3, cursor=first["next"])
    assert [one["id"] for one in [*first["items"], *rest["items"]]] == everything
    assert rest["next"] is None
    street = await desk(services, app_client, DISPATCHER)
    assert await ids(street, type="0401") == [one for one in everything if one != str(dwelling)]


async def test_what_lies_elsewhere_is_nowhere_to_be_found(
    services: Services, app_client: httpx.AsyncClient, chief: Desk
) -> None:
    phone = await enrol(services, WEST_WORKER)
    planted = [create(code, grid=GRIDS[2]) for code in ("0401", "0501", "0102")]
    await phone.push(*planted)
    here = await (await enrol(services, WORKER)).report("0102")
    for person in (CHIEF, CADRE, NEIGHBOUR, WORKER):
        at = await desk(services, app_client, person)
        assert set(await ids(at)) <= {str(here)}
        for change in planted:
            refused(await at.get(f"/v1/items/{change.item}"), 404, "not_found")
    unknown = refused(await chief.get(f"/v1/items/{uuid4()}"), 404, "not_found")
    hidden = refused(await chief.get(f"/v1/items/{planted[0].item}"), 404, "not_found")
    assert {**unknown, "request_id": None} == {**hidden, "request_id": None}
    west = await desk(services, app_client, WEST_CHIEF)
    assert set(await ids(west)) == {str(change.item) for change in planted}


async def test_need_to_know_stays_with_those_who_need_to(
    services: Services, app_client: httpx.AsyncClient, chief: Desk
) -> None:
    """A clue is its author's and the police's; a neighbour of the same team does not see a family's dispute."""
    phone = await enrol(services, WORKER)
    clue, dispute = await phone.report("0204"), await phone.report("0501")
    police = await desk(services, app_client, POLICEMAN)
    mate = await desk(services, app_client, builders.MATE)
    assert await ids(police) == [str(clue)]
    assert await ids(mate) == []
    assert await ids(chief) == [str(dispute)]
    refused(await chief.get(f"/v1/items/{clue}"), 404, "not_found")


async def test_a_department_reads_what_it_holds(services: Services, app_client: httpx.AsyncClient, chief: Desk) -> None:
    item_id = await (await enrol(services, WORKER)).report("0401", urgency="urgent")
    fireman, dispatcher = await desk(services, app_client, FIREMAN), await desk(services, app_client, DISPATCHER)
    refused(await fireman.get(f"/v1/items/{item_id}"), 404, "not_found")
    await dispatcher.act(item_id, "accept", "reported")
    await dispatcher.act(item_id, "dispatch", "accepted", department="xiaofang")
    assert (await fireman.found(f"/v1/items/{item_id}"))["item"]["id"] == str(item_id)
    await fireman.act(item_id, "send_back", "dispatched", reason="sb_wrong_department")
    await dispatcher.act(item_id, "approve", "dispatched", request="send_back")
    refused(await fireman.get(f"/v1/items/{item_id}"), 404, "not_found")


async def test_a_part_time_worker_reads_his_own_reports_alone(
    services: Services, app_client: httpx.AsyncClient
) -> None:
    phone = await enrol(services, RIDER)
    own = await phone.report("0401")
    await (await enrol(services, WORKER)).report("0401")
    assert await ids(await desk(services, app_client, RIDER)) == [str(own)]


async def test_a_deleted_item_is_nobodys_to_read(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    item_id = await phone.report("0102")
    row = await seen(truth, item_id)
    gone = Change("delete", item_id, "0102", capture(), base=Base(row["version"], row["rev"]))
    assert (await phone.push(gone)).outcomes[0].outcome == "applied"
    assert await ids(chief) == []
    refused(await chief.get(f"/v1/items/{item_id}"), 404, "not_found")


async def test_a_deleted_record_leaves_no_todo(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    item_id = await phone.report("0103", photos=[photo(1)])
    resident = await a_resident(phone)
    person = await phone.report("0104", person=str(resident))
    returned = {**await seen(truth, person), "decision": "return", "reason": "incomplete"}
    assert (await chief.decide(returned))[0]["state"] == "returned"
    row = await seen(truth, person)
    await phone.push(Change("delete", person, "0104", capture(), base=Base(row["version"], row["rev"])))
    assert await truth.fetchval("SELECT open FROM notice WHERE item_id = $1", person) is False
    assert await truth.fetchval("SELECT present FROM feed WHERE kind = 'todo'") is False
    assert str(item_id) in await ids(chief)


async def test_lists_and_the_rule_for_one_item_agree(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    """Truth is `sync.access.may_read`, asked for every person and item from the plain rows."""
    worker, west = await enrol(services, WORKER), await enrol(services, WEST_WORKER)
    for code in ("0102", "0401", "0501", "0204", "0504", "0703"):
        await worker.report(code, urgency=None)
        await west.push(create(code, grid=GRIDS[3], **_located(code, GRIDS[3])))
    dispatcher = await desk(services, app_client, DISPATCHER)
    hazard = await worker.report("0401", urgency="urgent")
    await dispatcher.act(hazard, "accept", "reported")
    await dispatcher.act(hazard, "dispatch", "accepted", department="jiedao")
    for assisting in ("gongan", "xiaofang"):
        await dispatcher.act(hazard, "attach", "dispatched", department=assisting)
    facts = await _facts(truth)
    assert len(facts) > 10
    for person in PEOPLE:
        who = await caller(services, person)
        expected = {
            item_id
            for item_id, one in facts.items()
            if may_read(person.id, who.assignments, one, builders.TYPES[one.type])
        }
        async with services.database.read() as connection:
            assert await readable(connection, services, who, list(facts)) == expected, person.role
        assert {UUID(one) for one in await ids(await desk(services, app_client, person), limit=200)} == expected


def _located(code: str, grid: str) -> dict[str, Any]:
    return {"location": point(grid)} if "location" in builders.form(code) else {}


async def _facts(truth: asyncpg.Connection) -> dict[UUID, ItemFacts]:
    rows = await truth.fetch(
        "SELECT i.id, i.type, i.grid_id, l.code, i.author_id, c.organisation_id, c.assisting FROM item i "
        "JOIN grid_label l ON l.grid_id = i.grid_id LEFT JOIN cases c ON c.item_id = i.id"
    )
    known = {one.id: one for one in (organisation(*office) for office in builders.OFFICES)}
    return {
        row["id"]: ItemFacts(
            type=row["type"],
            grid_id=row["grid_id"],
            grid_code=row["code"],
            author_id=row["author_id"],
            holders=tuple(known[one] for one in [row["organisation_id"], *(row["assisting"] or ())] if one),
        )
        for row in rows
    }


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "gqFhoWI"},
        {"limit": 0},
        {"limit": 201},
        {"type": "04"},
        {"division": "34118"},
        {"review": "lost"},
        {"case": "%00"},
    ],
)
async def test_what_cannot_be_asked_is_refused(chief: Desk, query: dict[str, Any]) -> None:
    refused(await chief.get("/v1/items", **query), 400, "parameter_invalid")
