"""Finding items: by text, by personal values through blind indexes, by whom, and what is left of it on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from schemas.wire import Base, Change
from server.db import people
from server.db.people import NewAssignment
from server.services import Services
from server.usecases.conflict_access import id_range
from server.usecases.conflicts import resolve_conflict, undo_resolution
from server.usecases.indexing import index_items
from server.usecases.orders import Order
from server.usecases.searching import tag
from sync.disputes import Choice
from sync.searching import phone_fact, surname_fact
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    CADRE,
    CHIEF,
    EAST,
    FIREMAN,
    GRIDS,
    MATE,
    WEST,
    WEST_CHIEF,
    WEST_WORKER,
    WORKER,
    Phone,
    caller,
    capture,
    create,
    enrol,
    grid_id,
    point,
)
from tests.integration.office import Desk, desk, refused

pytestmark = pytest.mark.long

NUMBER = "11010519491231002X"


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def chief(services: Services, app_client: httpx.AsyncClient) -> Desk:
    return await desk(services, app_client, CHIEF)


async def found(at: Desk, **wish: Any) -> list[str]:
    answer = await at.post("/v1/items/search", wish)
    assert answer.status_code == 200, answer.text
    return [one["item"]["id"] for one in answer.json()["hits"]]


async def resident(phone: Phone, grid: str = GRIDS[0], **fields: Any) -> UUID:
    dwelling = create("0102", grid=grid, location=point(grid))
    form: dict[str, Any] = {
        "name": "王秀英",
        "phone": "13812341234",
        "national_id": NUMBER,
        "id_type": "resident_id",
    } | fields
    change = create("0101", grid=grid, dwelling=str(dwelling.item), **form)
    receipt = await phone.push(dwelling, change)
    assert [one.outcome for one in receipt.outcomes] == ["applied", "applied"], receipt
    return change.item


async def terms(truth: asyncpg.Connection, item_id: UUID) -> set[str]:
    return set(await truth.fetchval("SELECT terms FROM item_search WHERE item_id = $1", item_id) or [])


# Text ------------------------------------------------------------------------------------------------------


async def test_text_is_found_by_parts_of_its_words(services: Services, chief: Desk) -> None:
    phone = await enrol(services, WORKER)
    shop = await phone.report("0103", name="琅琊路ＡＢ百货", address="东街 1号")
    await phone.report("0103", name="琅路琊百 琊山", address="西街")
    assert await found(chief, text="琅琊") == [str(shop)]
    assert await found(chief, text="ab 东街") == [str(shop)]
    assert await found(chief, text="琊路a") == [str(shop)]
    assert await found(chief, text="东街 湖边") == []
    by_address = await chief.found("/v1/items/search", q="琅琊", type="0103", division=EAST)
    assert [(one["item"]["id"], one["title"]) for one in by_address["hits"]] == [(str(shop), "琅琊路ＡＢ百货")]
    assert (await chief.found("/v1/items/search", q="琅琊", type="0101"))["hits"] == []
    assert (await chief.found("/v1/items/search", q="琅琊", division=WEST))["hits"] == []


async def test_pairs_alone_are_no_find(services: Services, chief: Desk) -> None:
    await (await enrol(services, WORKER)).report("0103", name="琅琊路 琊山店")
    assert await found(chief, text="琅琊山") == []


async def test_text_that_is_personal_is_not_found(services: Services, chief: Desk) -> None:
    phone = await enrol(services, WORKER)
    await phone.report("0401", description="琅琊路堵塞")
    await resident(phone, name="琅琊", remark="琅琊")
    assert await found(chief, text="琅琊") == []


async def test_finds_are_read_in_pages_newest_first(services: Services, chief: Desk) -> None:
    phone = await enrol(services, WORKER)
    shops = sorted([str(await phone.report("0103", name="琅琊百货")) for _ in range(5)], reverse=True)
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = (await chief.post("/v1/items/search", {"text": "琅琊", "limit": 2, "cursor": cursor})).json()
        seen += [one["item"]["id"] for one in page["hits"]]
        cursor = page["next"]
    assert (seen, cursor) == (shops, None)


@pytest.mark.parametrize(
    ("wish", "code", "field"),
    [
        ({}, "search_empty", None),
        ({"text": "  "}, "search_too_short", "text"),
        ({"text": "琅"}, "search_too_short", "text"),
        ({"text": "琅 琊"}, "search_too_short", "text"),
        ({"phone": " "}, "search_empty", None),
        ({"surname": "王"}, "search_needs_community", "division"),
        ({"surname": "王", "division": builders.STREET}, "search_needs_community", "division"),
        ({"text": "琅琊", "cursor": "x"}, "parameter_invalid", "cursor"),
        ({"text": "x" * 101}, "parameter_invalid", "text"),
        ({"phone": "\0"}, "parameter_invalid", "phone"),
        ({"limit": 0, "text": "琅琊"}, "parameter_invalid", "limit"),
    ],
)
async def test_what_cannot_be_looked_for_is_told(
    chief: Desk, wish: dict[str, Any], code: str, field: str | None
) -> None:
    problem = refused(await chief.post("/v1/items/search", wish), 400, code)
    assert problem.get("field") == field or code == "parameter_invalid"


# Personal values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wish",
    [
        {"phone": "+86 138 1234 1234"},
        {"national_id": NUMBER.lower()},
        {"name": "王 秀英"},
        {"surname": "王", "division": EAST},
        {"name": "王秀英", "phone": "13812341234", "type": "0101"},
    ],
)
async def test_personal_values_are_found_whole_and_shown_masked(
    services: Services, chief: Desk, truth: asyncpg.Connection, wish: dict[str, Any]
) -> None:
    item_id = await resident(await enrol(services, WORKER))
    answer = await chief.post("/v1/items/search", wish)
    assert [(one["item"]["id"], one["title"]) for one in answer.json()["hits"]] == [(str(item_id), "王*")]
    assert not [value for value in ("秀英", "13812341234", NUMBER) if value in answer.text]
    assert answer.headers["cache-control"] == "no-store"
    row = await truth.fetchrow("SELECT * FROM audit WHERE action = 'item.search'")
    assert row is not None
    assert row["actor_id"] == CHIEF.id
    assert not [value for value in ("王", "秀英", "13812341234", NUMBER[:6], NUMBER[6:14]) if value in str(dict(row))]
    assert '"shown": 1' in row["detail"]


async def test_a_search_by_text_is_no_search_by_personal_values(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    await (await enrol(services, WORKER)).report("0103", name="琅琊百货")
    assert await found(chief, text="琅琊")
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'item.search'") == 0


@pytest.mark.parametrize(
    "wish",
    [{"phone": "1381234123"}, {"national_id": NUMBER[:17]}, {"name": "王秀"}, {"surname": "王秀", "division": EAST}],
)
async def test_parts_of_personal_values_find_nothing(services: Services, chief: Desk, wish: dict[str, Any]) -> None:
    await resident(await enrol(services, WORKER))
    assert await found(chief, **wish) == []


async def test_plates_phones_and_names_of_any_form_are_found(services: Services, chief: Desk) -> None:
    phone = await enrol(services, WORKER)
    parked = await phone.report("0602", plate="皖MA1234")
    shop = await phone.report("0103", manager="赵六", manager_phone="0550-3012345")
    assert await found(chief, plate="皖ma1234") == [str(parked)]
    assert await found(chief, phone="05503012345") == [str(shop)]
    assert await found(chief, name="赵六") == [str(shop)]


async def test_a_surname_is_found_within_its_community_alone(services: Services, app_client: httpx.AsyncClient) -> None:
    east = await resident(await enrol(services, WORKER))
    west = await resident(await enrol(services, WEST_WORKER), GRIDS[2])
    street = await desk(services, app_client, builders.STREET_CADRE)
    assert await found(street, surname="王", division=EAST) == [str(east)]
    assert await found(street, surname="王", division=WEST) == [str(west)]
    assert await found(street, surname="李", division=WEST) == []


async def test_nothing_is_found_beyond_what_one_may_read(
    services: Services, app_client: httpx.AsyncClient, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item_id = await resident(phone)
    shop = await phone.report("0103", name="琅琊百货")
    dispute = await phone.report("0501", party_a="钱七")
    for person in (WEST_CHIEF, FIREMAN, ADMINISTRATOR):
        at = await desk(services, app_client, person)
        assert await found(at, phone="13812341234") == []
        assert await found(at, surname="王", division=EAST) == []
        assert str(shop) not in await found(at, text="琅琊") or person is FIREMAN
    mate = await desk(services, app_client, MATE)
    assert await found(mate, name="钱七") == []
    assert await found(chief, name="钱七") == [str(dispute)]
    assert await found(chief, phone="13812341234") == [str(item_id)]
    rows = await truth.fetch("SELECT DISTINCT actor_id FROM audit WHERE action = 'item.search'")
    assert {row["actor_id"] for row in rows} >= {WEST_CHIEF.id, ADMINISTRATOR.id, CHIEF.id}


async def test_no_marked_value_stands_in_the_index(services: Services, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    item_id = await resident(phone)
    await phone.report("0501", party_a="钱七", party_a_phone="13900001111", cause="琅琊路口争吵")
    every = [term for row in await truth.fetch("SELECT terms FROM item_search") for term in row["terms"]]
    assert len(await terms(truth, item_id)) == 4
    assert not [one for one in every if any(value in one for value in ("王", "钱", "1381234", "琅琊", NUMBER))]


# What follows an item --------------------------------------------------------------------------------------


async def test_an_edit_is_found_by_what_it_says_now(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    item_id = await resident(phone)
    await phone.correct(item_id, phone="13900001234")
    assert await found(chief, phone="13812341234") == []
    assert await found(chief, phone="13900001234") == [str(item_id)]
    await phone.correct(item_id, phone=None)
    assert tag(services.keyring, phone_fact("13900001234")) not in await terms(truth, item_id)


async def test_several_edits_in_one_set_leave_the_last(services: Services, chief: Desk) -> None:
    phone = await enrol(services, WORKER)
    new = create("0103", name="琅琊百货")
    edit = Change("update", new.item, "0103", capture(), base=None, fields={"name": "明湖百货"})
    receipt = await phone.push(new, edit)
    outcomes = [one.outcome for one in receipt.outcomes]
    assert outcomes[0] == "applied"
    assert await found(chief, text="明湖" if outcomes[1] in ("applied", "merged") else "琅琊") == [str(new.item)]


async def test_a_deleted_item_leaves_the_index(services: Services, chief: Desk, truth: asyncpg.Connection) -> None:
    phone = await enrol(services, WORKER)
    shop = await phone.report("0103", name="琅琊百货")
    row = await truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", shop)
    assert row is not None
    base = Base(row["version"], f"{row['rev'] % 2**64:016x}")
    await phone.push(Change("delete", shop, "0103", capture(), base=base))
    assert await found(chief, text="琅琊") == []
    assert await truth.fetchval("SELECT count(*) FROM item_search") == 0


async def test_a_move_to_another_community_takes_the_surname_along(
    services: Services, truth: asyncpg.Connection
) -> None:
    since = datetime.now(UTC) - timedelta(days=9)
    place = NewAssignment(user_id=WORKER.id, role="grid_worker", grid_id=grid_id(GRIDS[2]), valid_from=since)
    await services.database.write(lambda tx: people.insert_assignments(tx.connection, [place]))
    phone = await enrol(services, WORKER)
    item_id = await resident(phone)
    home = create("0102", grid=GRIDS[2], location=point(GRIDS[2]))
    assert (await phone.push(home)).outcomes[0].outcome == "applied"
    here, there = (tag(services.keyring, surname_fact(one, "王")) for one in (EAST, WEST))
    assert here in await terms(truth, item_id)
    await phone.correct(item_id, dwelling=str(home.item))
    assert await truth.fetchval("SELECT grid_id FROM item WHERE id = $1", item_id) == grid_id(GRIDS[2])
    moved = await terms(truth, item_id)
    assert there in moved
    assert here not in moved


async def test_settling_a_conflict_changes_what_is_found(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone, mate = await enrol(services, WORKER), await enrol(services, MATE)
    shop = await phone.report("0103", name="琅琊百货")
    row = await truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", shop)
    assert row is not None
    base = Base(row["version"], f"{row['rev'] % 2**64:016x}")
    await phone.correct(shop, name="明湖百货")
    late = Change("update", shop, "0103", capture(), base=base, fields={"name": "东坡百货"})
    assert (await mate.push(late)).outcomes[0].outcome == "parked"
    assert await found(chief, text="东坡") == []
    conflict = await truth.fetchval("SELECT id FROM conflict")
    actor = await caller(services, CADRE, "cli")
    order = Order(actor=actor, ids=id_range(str(conflict)), reason="当面核实", now=datetime.now(UTC))
    await resolve_conflict(services, order, Choice("incoming", {}, {}))
    assert (await found(chief, text="东坡"), await found(chief, text="明湖")) == ([str(shop)], [])
    await undo_resolution(services, order)
    assert (await found(chief, text="东坡"), await found(chief, text="明湖")) == ([], [str(shop)])


async def test_an_index_that_is_missing_is_made_anew(
    services: Services, chief: Desk, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    item_id = await resident(phone)
    before = await truth.fetch("SELECT item_id, terms FROM item_search ORDER BY item_id")
    await truth.execute("DELETE FROM item_search WHERE item_id = $1", item_id)
    assert await found(chief, phone="13812341234") == []
    administrator = await caller(services, ADMINISTRATOR, "cli")
    assert (await index_items(services, administrator, "升级后", missing_only=True)).items == 1
    assert (await index_items(services, administrator, "升级后", missing_only=False)).items == len(before)
    assert await truth.fetch("SELECT item_id, terms FROM item_search ORDER BY item_id") == before
    assert await found(chief, phone="13812341234") == [str(item_id)]
