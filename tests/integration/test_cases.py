"""Cases over HTTP: from report to closed, the ways out, who may see and do what, and photos from after the work."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from server.services import Services
from tests import builders
from tests.builders import (
    CENTRE,
    CHIEF,
    COUNTY,
    DISPATCHER,
    EAST,
    FIREMAN,
    GRIDS,
    POLICEMAN,
    STREET,
    STREET_CADRE,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    create,
    deliver,
    enrol,
    organisation,
    photo,
)
from tests.integration.office import Desk, approve, case_of, case_path, desk, refused

FIRE = organisation("xiaofang", COUNTY)
POLICE = organisation("gongan", STREET)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def dispatcher(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, DISPATCHER)


@pytest.fixture
async def fireman(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, FIREMAN)


@pytest.fixture
async def chief(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, CHIEF)


@pytest.fixture
async def centre(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, CENTRE)


async def a_hazard(services: Services, **fields: Any) -> UUID:
    """An urgent one is dispatched first and reviewed later."""
    phone = await enrol(services, WORKER)
    return await phone.report("0401", urgency=fields.pop("urgency", "urgent"), photos=[photo(1)], **fields)


async def dispatched(services: Services, dispatcher: Desk, **fields: Any) -> UUID:
    item_id = await a_hazard(services, **fields)
    await dispatcher.act(item_id, "accept", "reported")
    await dispatcher.act(item_id, "dispatch", "accepted", department="xiaofang")
    return item_id


async def ids(at: Desk, **params: Any) -> list[str]:
    return [one["item"] for one in (await at.found("/v1/cases", **params))["cases"]]


def lacks(detail: Any) -> dict[str, str | None]:
    return {one["action"]: one["lacks"] for one in detail["actions"]}


# The straight course ---------------------------------------------------------------------------------------


async def test_from_report_to_closed(
    services: Services,
    app_client: httpx.AsyncClient,
    truth: asyncpg.Connection,
    dispatcher: Desk,
    fireman: Desk,
    chief: Desk,
) -> None:
    item_id = await a_hazard(services, urgency="normal")
    refused(await dispatcher.try_to(item_id, "accept", "reported"), 409, "review_pending")
    await deliver(services, WORKER, 1)
    await approve(services, app_client, truth, CHIEF, item_id)
    await dispatcher.act(item_id, "accept", "reported")
    sent = await dispatcher.act(item_id, "dispatch", "accepted", department="xiaofang")
    assert sent["case"]["organisation"]["id"] == str(FIRE.id)
    assert sent["case"]["respond_by"] is not None
    assert await ids(fireman, mine=True) == [str(item_id)]
    await fireman.act(item_id, "sign", "dispatched")
    after = photo(2, "close")
    handled = await fireman.act(item_id, "handle", "signed", photos=[{k: after[k] for k in ("sha256", "size")}])
    assert handled["case"]["state"] == "handled"
    refused(await chief.try_to(item_id, "verify", "handled"), 409, "evidence_not_verified")
    await deliver(services, FIREMAN, 2)
    await chief.act(item_id, "verify", "handled")
    closed = await dispatcher.act(item_id, "close", "verified")
    assert (closed["case"]["state"], lacks(closed)) == ("closed", {"reopen": "note_needed"})
    assert await case_path(truth, item_id) == [
        ("report", None, "reported"),
        ("accept", "reported", "accepted"),
        ("dispatch", "accepted", "dispatched"),
        ("sign", "dispatched", "signed"),
        ("handle", "signed", "handled"),
        ("verify", "handled", "verified"),
        ("close", "verified", "closed"),
    ]
    assert [one["actor_name"] for one in closed["steps"][1:3]] == ["dispatcher 13", "dispatcher 13"]
    roles = await truth.fetch("SELECT role FROM evidence_link WHERE item_id = $1 ORDER BY role", item_id)
    assert [row["role"] for row in roles] == ["close", "report"]


async def test_every_step_is_shown_to_who_holds_the_item(
    services: Services, truth: asyncpg.Connection, dispatcher: Desk
) -> None:
    item_id = await a_hazard(services)
    before = await truth.fetchrow("SELECT position, touch FROM feed WHERE object_id = $1", item_id)
    await dispatcher.act(item_id, "accept", "reported")
    after = await truth.fetchrow("SELECT position, touch FROM feed WHERE object_id = $1", item_id)
    assert before is not None
    assert after is not None
    assert (after["position"] > before["position"], after["touch"]) == (True, before["touch"] + 1)


async def test_a_critical_report_is_dispatched_at_once_and_closed_only_when_approved(
    services: Services,
    app_client: httpx.AsyncClient,
    truth: asyncpg.Connection,
    dispatcher: Desk,
    fireman: Desk,
    chief: Desk,
) -> None:
    item_id = await dispatched(services, dispatcher, urgency="critical")
    await fireman.act(item_id, "sign", "dispatched")
    await fireman.act(item_id, "handle", "signed")
    verified = await chief.act(item_id, "verify", "handled", waiver="现场已拆除,无法拍照")
    assert verified["waiver"] == "现场已拆除,无法拍照"
    refused(await dispatcher.try_to(item_id, "close", "verified"), 409, "review_pending")
    await approve(services, app_client, truth, CHIEF, item_id)
    assert (await dispatcher.act(item_id, "close", "verified"))["case"]["state"] == "closed"


async def test_an_action_names_the_state_it_leaves(services: Services, dispatcher: Desk) -> None:
    item_id = await a_hazard(services)
    await dispatcher.act(item_id, "accept", "reported")
    problem = refused(await dispatcher.try_to(item_id, "accept", "reported"), 409, "late_transition")
    assert "accepted" in problem["zh"]
    refused(await dispatcher.try_to(item_id, "accept", "accepted"), 409, "late_transition")
    refused(await dispatcher.try_to(item_id, "explode", "accepted"), 400, "parameter_invalid")


async def test_two_at_one_desk_at_once_are_told_apart(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    """Both saw `reported`; one of them comes too late, whoever that is."""
    item_id = await a_hazard(services)
    desks = [await desk(services, app_client, DISPATCHER) for _ in range(4)]
    answers = await asyncio.gather(*(one.try_to(item_id, "accept", "reported") for one in desks))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    assert len(await case_path(truth, item_id)) == 2


# Ways out --------------------------------------------------------------------------------------------------


async def test_a_case_that_was_sent_wrongly_goes_back_by_the_desks_leave(
    services: Services, truth: asyncpg.Connection, dispatcher: Desk, fireman: Desk
) -> None:
    item_id = await dispatched(services, dispatcher)
    refused(await fireman.try_to(item_id, "send_back", "dispatched"), 400, "reason_needed")
    refused(await fireman.try_to(item_id, "send_back", "dispatched", reason="whatever"), 400, "reason_unknown")
    asked = await fireman.act(item_id, "send_back", "dispatched", reason="sb_wrong_department", note="属公安职责")
    assert (asked["case"]["state"], asked["case"]["request"]["action"]) == ("dispatched", "send_back")
    refused(await fireman.try_to(item_id, "approve", "dispatched", request="send_back"), 403, "forbidden")
    back = await dispatcher.act(item_id, "approve", "dispatched", request="send_back")
    assert (back["case"]["state"], back["case"]["organisation"]) == ("sent_back", None)
    assert back["steps"][-2]["note"] == "属公安职责"
    again = await dispatcher.act(item_id, "dispatch", "sent_back", organisation=str(POLICE.id))
    assert again["case"]["organisation"]["id"] == str(POLICE.id)
    assert (await case_of(truth, item_id))["department"] == "gongan"


async def test_more_time_is_asked_for_and_granted_above(
    services: Services, app_client: httpx.AsyncClient, dispatcher: Desk, fireman: Desk, centre: Desk
) -> None:
    item_id = await dispatched(services, dispatcher)
    until = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
    wish = {"reason": "ex_materials", "until": until.isoformat()}
    refused(await fireman.try_to(item_id, "extend", "dispatched", reason="ex_materials"), 400, "parameter_invalid")
    refused(
        await fireman.try_to(item_id, "extend", "dispatched", **{**wish, "until": "2030-01-01T00:00:00"}),
        400,
        "parameter_invalid",
    )
    await fireman.act(item_id, "extend", "dispatched", **wish)
    refused(await dispatcher.try_to(item_id, "approve", "dispatched", request="extend"), 403, "forbidden")
    granted = await centre.act(item_id, "approve", "dispatched", request="extend")
    assert datetime.fromisoformat(granted["case"]["handle_by"]) == until


async def test_an_office_decides_on_a_case_whose_form_it_may_not_read(
    services: Services,
    app_client: httpx.AsyncClient,
    truth: asyncpg.Connection,
    dispatcher: Desk,
    centre: Desk,
) -> None:
    """A family dispute is not for the county centre to read; putting its case on hold is for it to approve."""
    item_id = await (await enrol(services, WORKER)).report("0501", urgency="urgent")
    police = await desk(services, app_client, POLICEMAN)
    await dispatcher.act(item_id, "accept", "reported")
    await dispatcher.act(item_id, "dispatch", "accepted", organisation=str(POLICE.id), note="机密说明")
    refused(await centre.get(f"/v1/cases/{item_id}"), 404, "not_found")
    assert await ids(centre) == []
    await police.act(item_id, "hold", "dispatched", reason="oh_funding")
    assert await ids(centre) == [str(item_id)]
    shown = await centre.found(f"/v1/cases/{item_id}")
    assert lacks(shown) == {"approve": None, "refuse": None, "escalate": "not_overdue"}
    assert "机密说明" not in str(shown)
    assert "机密说明" in str(await dispatcher.found(f"/v1/cases/{item_id}"))
    refused(await centre.get(f"/v1/items/{item_id}"), 404, "not_found")
    held = await centre.act(item_id, "approve", "dispatched", request="hold")
    assert held["case"]["state"] == "on_hold"
    refused(await centre.get(f"/v1/cases/{item_id}"), 404, "not_found")


async def test_declining_and_voiding(services: Services, dispatcher: Desk, chief: Desk, centre: Desk) -> None:
    declined, voided = await a_hazard(services), await a_hazard(services)
    done = await dispatcher.act(declined, "decline", "reported", reason="na_below_standard")
    assert done["case"]["state"] == "not_accepted"
    await chief.act(voided, "void", "reported", reason="vo_mistake")
    assert (await centre.act(voided, "approve", "reported", request="void"))["case"]["state"] == "void"
    assert await ids(dispatcher, case="not_accepted") == [str(declined)]


async def test_a_reopened_case_needs_new_photos_from_after_the_work(
    services: Services,
    app_client: httpx.AsyncClient,
    truth: asyncpg.Connection,
    dispatcher: Desk,
    fireman: Desk,
    chief: Desk,
) -> None:
    item_id = await dispatched(services, dispatcher)
    await deliver(services, WORKER, 1)
    await approve(services, app_client, truth, CHIEF, item_id)

    async def work(state: str, number: int) -> None:
        await fireman.act(item_id, "sign", state)
        shot = {key: photo(number)[key] for key in ("sha256", "size")}
        await fireman.act(item_id, "handle", "signed", photos=[shot])

    await work("dispatched", 2)
    await deliver(services, FIREMAN, 2)
    await chief.act(item_id, "verify", "handled")
    await chief.act(item_id, "close", "verified")
    refused(await chief.try_to(item_id, "reopen", "closed"), 400, "note_needed")
    await chief.act(item_id, "reopen", "closed", note="又堆上了")
    await dispatcher.act(item_id, "dispatch", "reopened", department="xiaofang")
    await work("dispatched", 2)
    refused(await chief.try_to(item_id, "verify", "handled"), 409, "evidence_not_verified")
    redone = await chief.act(item_id, "redo", "handled", note="照片是上次的")
    assert redone["case"]["state"] == "signed"
    shot = {key: photo(3)[key] for key in ("sha256", "size")}
    await fireman.act(item_id, "handle", "signed", photos=[shot])
    await deliver(services, FIREMAN, 3)
    assert (await chief.act(item_id, "verify", "handled"))["case"]["state"] == "verified"


async def test_a_refused_action_leaves_nothing_behind(
    services: Services, truth: asyncpg.Connection, dispatcher: Desk, fireman: Desk
) -> None:
    item_id = await dispatched(services, dispatcher)
    shot = {key: photo(9)[key] for key in ("sha256", "size")}
    refused(await fireman.try_to(item_id, "handle", "dispatched", photos=[shot]), 409, "late_transition")
    assert await truth.fetchval("SELECT count(*) FROM evidence_link WHERE role = 'close'") == 0


# Organisations ---------------------------------------------------------------------------------------------


async def test_the_nearest_organisation_is_found_up_the_tree(services: Services, dispatcher: Desk) -> None:
    street, county = await a_hazard(services), await a_hazard(services)
    for item_id in (street, county):
        await dispatcher.act(item_id, "accept", "reported")
    sent = await dispatcher.act(street, "dispatch", "accepted", department="gongan")
    assert sent["case"]["organisation"]["id"] == str(POLICE.id)
    sent = await dispatcher.act(county, "dispatch", "accepted", department="gongan", tier="county")
    assert sent["case"]["organisation"]["id"] == str(organisation("gongan", COUNTY).id)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"department": "minzu"},
        {"department": "xiaofang", "tier": "street"},
        {"organisation": str(organisation("shequ", builders.WEST).id)},
        {"organisation": "00000000-0000-0000-0000-000000000000"},
    ],
)
async def test_only_an_organisation_above_the_grid_serves(
    services: Services, dispatcher: Desk, given: dict[str, str]
) -> None:
    item_id = await a_hazard(services)
    await dispatcher.act(item_id, "accept", "reported")
    refused(await dispatcher.try_to(item_id, "dispatch", "accepted", **given), 422, "organisation_unsuitable")


async def test_several_organisations_work_together_and_one_leads(
    services: Services, app_client: httpx.AsyncClient, dispatcher: Desk, fireman: Desk
) -> None:
    item_id = await dispatched(services, dispatcher)
    joined = await fireman.act(item_id, "attach", "dispatched", organisation=str(POLICE.id))
    assert [one["id"] for one in joined["case"]["assisting"]] == [str(POLICE.id)]
    police = await desk(services, app_client, POLICEMAN)
    assert await ids(police, mine=True) == [str(item_id)]
    refused(await police.try_to(item_id, "sign", "dispatched"), 403, "forbidden")
    await fireman.act(item_id, "sign", "dispatched")


async def test_a_desk_chooses_from_the_offices_of_its_area_and_above(
    services: Services, app_client: httpx.AsyncClient, dispatcher: Desk
) -> None:
    answer = await dispatcher.found("/v1/organisations")
    assert {one["id"] for one in answer["organisations"]} == {str(organisation(*one).id) for one in builders.OFFICES}
    police = await dispatcher.found("/v1/organisations", department="gongan")
    assert [one["division"] for one in police["organisations"]] == [COUNTY, STREET]
    cadre = await desk(services, app_client, builders.CADRE)
    committees = await cadre.found("/v1/organisations", department="shequ")
    assert [one["division"] for one in committees["organisations"]] == [EAST]


# Queues ----------------------------------------------------------------------------------------------------


async def test_queues_are_ordered_narrowed_and_read_in_pages(
    services: Services, dispatcher: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    normal = [str(await phone.report("0401", urgency="normal")) for _ in range(3)]
    critical = str(await phone.report("0401", urgency="critical"))
    dispute = str(await phone.report("0501", urgency="normal"))
    assert await ids(dispatcher) == [critical, *normal, dispute]
    assert await ids(dispatcher, type="0501") == [dispute]
    assert await ids(dispatcher, division=builders.WEST) == []
    assert await ids(dispatcher, case="accepted") == []
    first = await dispatcher.found("/v1/cases", limit=3)
    rest = await dispatcher.found("/v1/cases", limit=3, cursor=first["next"])
    assert [one["item"] for one in [*first["cases"], *rest["cases"]]] == [critical, *normal, dispute]
    assert rest["next"] is None
    await truth.execute("UPDATE cases SET accept_by = now() - interval '1 minute' WHERE item_id = $1", UUID(normal[1]))
    late = (await dispatcher.found("/v1/cases", overdue=True))["cases"]
    assert [(one["item"], one["overdue"]) for one in late] == [(normal[1], ["accept"])]


async def test_who_has_nothing_to_do_with_it_sees_nothing(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, fireman: Desk
) -> None:
    phone = await enrol(services, WEST_WORKER)
    change = create("0501", grid=GRIDS[2], urgency="urgent")
    await phone.push(change)
    strangers = [chief, fireman, *[await desk(services, app_client, one) for one in (builders.CADRE, POLICEMAN)]]
    strangers += [await desk(services, app_client, one) for one in (builders.ADMINISTRATOR, builders.AUDITOR)]
    for stranger in strangers:
        assert await ids(stranger) == []
        refused(await stranger.get(f"/v1/cases/{change.item}"), 404, "not_found")
        refused(await stranger.try_to(change.item, "accept", "reported"), 404, "not_found")
        refused(await stranger.try_to(change.item, "accept", "closed"), 404, "not_found")
    west = await desk(services, app_client, WEST_CHIEF)
    assert await ids(west) == [str(change.item)]


async def test_what_one_sees_one_may_still_not_decide(
    services: Services, app_client: httpx.AsyncClient, dispatcher: Desk, chief: Desk
) -> None:
    item_id = await a_hazard(services)
    street = await desk(services, app_client, STREET_CADRE)
    for person in (chief, street):
        refused(await person.try_to(item_id, "accept", "reported"), 403, "forbidden")
    assert "accept" not in lacks(await street.found(f"/v1/cases/{item_id}"))
    assert lacks(await dispatcher.found(f"/v1/cases/{item_id}")) == {
        "accept": None,
        "decline": "reason_needed",
        "set_urgency": "parameter_invalid",
        "void": "reason_needed",
    }


async def test_a_record_has_no_case(services: Services, chief: Desk) -> None:
    item_id = await (await enrol(services, WORKER)).report("0102")
    refused(await chief.get(f"/v1/cases/{item_id}"), 404, "not_found")
    refused(await chief.try_to(item_id, "accept", "reported"), 404, "not_found")


async def test_notes_and_waivers_are_sealed(
    services: Services, truth: asyncpg.Connection, dispatcher: Desk, fireman: Desk, chief: Desk
) -> None:
    item_id = await dispatched(services, dispatcher)
    await fireman.act(item_id, "sign", "dispatched", note="secret-1")
    await fireman.act(item_id, "handle", "signed")
    await chief.act(item_id, "verify", "handled", waiver="secret-2")
    for table in ("cases", "case_step", "audit"):
        for row in await truth.fetch(f"SELECT * FROM {table}"):
            assert "secret-" not in str(tuple(row))
