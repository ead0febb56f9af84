"""Appointing, leaving, passwords: what the database and every way in say of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from schemas.wire import Capture, Change
from server.errors import Problem
from server.services import Services
from server.usecases.credentials import reset_password, unlock
from server.usecases.leaving import leave, unassign
from server.usecases.people import PostWish, assign, create_user
from server.usecases.people_views import PeopleWish, list_people, show_person
from server.usecases.returns import sweep_returns
from server.usecases.sessions import Caller
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    AUDITOR,
    CADRE,
    CHIEF,
    CITY,
    COUNTY,
    GRIDS,
    MATE,
    NEIGHBOUR,
    RIDER,
    SECOND_CHIEF,
    STREET,
    WEST_WORKER,
    WORKER,
    Person,
    capture,
    create,
    enrol,
    form,
    grid_id,
    photo,
    picture,
)
from tests.integration.office import approval, desk, review_of, seen
from tests.phones import field_phone

pytestmark = pytest.mark.long

WHY = "人员调整"
NEWCOMER = "13911112222"
GUARD = Person("security_administrator", "13900000091", division=CITY)
EAST_ADMINISTRATOR = Person("administrator", "13900000092", division=STREET)


@pytest.fixture(autouse=True)
async def city(services: Services, truth: asyncpg.Connection) -> None:
    await builders.build_city(services)
    for person in (GUARD, EAST_ADMINISTRATOR):
        await truth.execute(
            "INSERT INTO users (id, name, phone_index, phone_sealed) VALUES ($1, $2, $3, $4)",
            person.id,
            person.role,
            services.keyring.index("phone", person.phone),
            services.keyring.seal_for("phone", person.phone),
        )
        await truth.execute(
            "INSERT INTO assignment (user_id, role, division, valid_from) VALUES ($1, $2, $3, now() - interval '1 d')",
            person.id,
            person.role,
            person.division,
        )


@pytest.fixture
async def administrator(services: Services) -> Caller:
    return await builders.caller(services, ADMINISTRATOR)


@pytest.fixture
async def guard(services: Services) -> Caller:
    return await builders.caller(services, GUARD)


async def refusal(doing: Awaitable[object]) -> str:
    with pytest.raises(Problem) as refused:
        await doing
    return refused.value.code


async def posts(truth: asyncpg.Connection, user_id: UUID) -> list[tuple[Any, ...]]:
    rows = await truth.fetch(
        "SELECT role, valid_to IS NULL OR valid_to > now() FROM assignment WHERE user_id = $1 ORDER BY id",
        user_id,
    )
    return [tuple(row) for row in rows]


async def acts(truth: asyncpg.Connection, user_id: UUID) -> list[tuple[Any, ...]]:
    rows = await truth.fetch(
        "SELECT action, actor_id, reason FROM audit WHERE subject_id = $1 ORDER BY id", str(user_id)
    )
    return [tuple(row) for row in rows]


# Taking on and appointing ----------------------------------------------------------------------------------


async def test_a_new_worker_has_his_post_and_his_number_is_nowhere(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    wish = PostWish(role="grid_worker", grid=GRIDS[1], first=date(2025, 1, 1), last=date(2099, 6, 30))
    done = await create_user(services, administrator, "王芳", NEWCOMER, wish, WHY)
    row = await truth.fetchrow("SELECT * FROM assignment WHERE id = $1", done.assignment)
    assert (row["user_id"], row["role"], row["grid_id"], row["division"]) == (
        done.user,
        "grid_worker",
        grid_id(GRIDS[1]),
        GRIDS[1][:12],
    )
    assert row["valid_from"] == datetime(2024, 12, 31, 16, tzinfo=UTC)
    assert row["valid_to"] == datetime(2099, 6, 30, 16, tzinfo=UTC)
    assert [one[0] for one in await acts(truth, done.user)] == ["user.created", "user.assigned"]
    for table in ("users", "assignment", "audit"):
        for line in await truth.fetch(f"SELECT t::text AS line FROM {table} t"):
            assert NEWCOMER not in line["line"]
    sealed = await truth.fetchval("SELECT phone_sealed FROM users WHERE id = $1", done.user)
    assert services.keyring.unseal_for("phone", sealed) == NEWCOMER


async def test_what_is_refused_leaves_nothing_behind(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    before = await truth.fetchval("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM audit)")
    for wish, code in [
        (PostWish(role="grid_worker", grid="341102001002001"), "grid_unknown"),
        (PostWish(role="grid_worker", grid="\x00"), "grid_unknown"),
        (PostWish(role="city_centre", division=CITY), "division_unknown"),
        (PostWish(role="auditor", division=COUNTY), "role_not_yours"),
        (PostWish(role="grid_worker", grid=GRIDS[0], first=date(2025, 2, 1), last=date(2025, 1, 1)), "validity_empty"),
    ]:
        assert await refusal(create_user(services, administrator, "王芳", NEWCOMER, wish, WHY)) == code
    assert await refusal(create_user(services, administrator, "王芳", WORKER.phone, None, WHY)) == "phone_taken"
    assert await refusal(create_user(services, administrator, "王芳", "12345", None, WHY)) == "phone_invalid"
    assert await refusal(create_user(services, administrator, "\n", NEWCOMER, None, WHY)) == "name_invalid"
    assert await refusal(create_user(services, administrator, "王芳", NEWCOMER, None, " ")) == "reason_needed"
    assert await truth.fetchval("SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM audit)") == before


async def test_a_retired_grid_takes_nobody(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    await truth.execute("UPDATE grid_label SET to_version = 1 WHERE code = $1", GRIDS[1])
    wish = PostWish(role="grid_worker", grid=GRIDS[1])
    assert await refusal(assign(services, administrator, MATE.phone, wish, WHY)) == "grid_unknown"


async def test_who_worked_in_a_retired_grid_is_listed_by_its_code_and_shown_with_it(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    await truth.execute("UPDATE grid_label SET to_version = 1 WHERE code = $1", GRIDS[2])
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", WEST_WORKER.id)
    page = await list_people(services, administrator, PeopleWish(grid=GRIDS[2]), None, 50)
    posts = {one.id: [(post.grid, post.state) for post in one.posts] for one in page.people}
    assert posts[WEST_WORKER.id] == [(GRIDS[2], "ended")]
    assert WORKER.id not in posts
    shown = await show_person(services, administrator, str(WEST_WORKER.id))
    assert [(post.grid, post.state) for post in shown.person.posts] == [(GRIDS[2], "ended")]


@pytest.mark.parametrize("who", [CADRE, AUDITOR, WORKER, CHIEF], ids=lambda one: one.role)
async def test_nobody_else_appoints(services: Services, who: Person, truth: asyncpg.Connection) -> None:
    caller = await builders.caller(services, who)
    wish = PostWish(role="grid_worker", grid=GRIDS[0])
    assert await refusal(create_user(services, caller, "王芳", NEWCOMER, wish, WHY)) == "forbidden"
    assert await refusal(assign(services, caller, MATE.phone, wish, WHY)) == "forbidden"
    assert await refusal(leave(services, caller, MATE.phone, WHY)) == "forbidden"
    assert await refusal(reset_password(services, caller, MATE.phone, WHY)) == "forbidden"
    assert await truth.fetchval("SELECT count(*) FROM audit") == 0


async def test_nobody_changes_his_own_posts(services: Services, administrator: Caller, guard: Caller) -> None:
    wish = PostWish(role="grid_worker", grid=GRIDS[0])
    assert await refusal(assign(services, administrator, ADMINISTRATOR.phone, wish, WHY)) == "own_appointment"
    more = PostWish(role="administrator", division=CITY)
    assert await refusal(assign(services, guard, str(GUARD.id), more, WHY)) == "own_appointment"
    assert await refusal(leave(services, guard, GUARD.phone, WHY)) == "own_appointment"


async def test_whoever_lies_outside_is_not_there(services: Services, truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE assignment SET division = '341100000000' WHERE user_id = $1", RIDER.id)
    caller = await builders.caller(services, EAST_ADMINISTRATOR)
    wish = PostWish(role="grid_worker", grid=GRIDS[0])
    for key in (RIDER.phone, str(RIDER.id), "13999999999", str(uuid4()), "nobody", "--"):
        assert await refusal(assign(services, caller, key, wish, WHY)) == "not_found"
        assert await refusal(leave(services, caller, key, WHY)) == "not_found"
    assert (await assign(services, caller, NEIGHBOUR.phone, wish, WHY)).user == NEIGHBOUR.id


async def test_a_guard_appoints_who_watches_and_ends_it_again(
    services: Services, guard: Caller, truth: asyncpg.Connection
) -> None:
    done = await assign(services, guard, CADRE.phone, PostWish(role="auditor", division=COUNTY), WHY)
    assert done.assignment is not None
    ordinary = await truth.fetchval("SELECT min(id) FROM assignment WHERE user_id = $1", CADRE.id)
    assert await refusal(unassign(services, guard, CADRE.phone, ordinary, WHY)) == "not_found"
    await unassign(services, guard, CADRE.phone, done.assignment, WHY)
    assert await posts(truth, CADRE.id) == [("community", True), ("auditor", False)]
    assert await refusal(unassign(services, guard, CADRE.phone, done.assignment, WHY)) == "assignment_ended"


async def test_two_administrators_at_once_make_one_account(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    other = await builders.caller(services, EAST_ADMINISTRATOR)
    wish = PostWish(role="grid_worker", grid=GRIDS[0])
    told = await asyncio.gather(
        create_user(services, administrator, "王芳", NEWCOMER, wish, WHY),
        create_user(services, other, "王芳", NEWCOMER, wish, WHY),
        return_exceptions=True,
    )
    refused = [one for one in told if isinstance(one, Problem)]
    assert [one.code for one in refused] == ["phone_taken"]
    assert (
        await truth.fetchval(
            "SELECT count(*) FROM assignment WHERE grid_id = $1 AND role = 'grid_worker'", grid_id(GRIDS[0])
        )
        == 3
    )
    assert await truth.fetchval("SELECT count(*) FROM audit") == 2


async def test_two_administrators_at_once_give_a_post_once(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    other = await builders.caller(services, EAST_ADMINISTRATOR)
    wish = PostWish(role="grid_worker", grid=GRIDS[3])
    told = await asyncio.gather(
        *(assign(services, who, MATE.phone, wish, WHY) for who in (administrator, other) * 3), return_exceptions=True
    )
    assert [one.code for one in told if isinstance(one, Problem)] == ["assignment_overlaps"] * 5
    assert len(await posts(truth, MATE.id)) == 2


# Leaving ---------------------------------------------------------------------------------------------------


async def test_leaving_ends_everything_at_one_instant(
    services: Services, administrator: Caller, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    office = await desk(services, app_client, WORKER)
    await assign(
        services, administrator, WORKER.phone, PostWish(role="grid_worker", grid=GRIDS[3], first=date(2098, 1, 1)), WHY
    )
    planned = await leave(services, administrator, WORKER.phone, WHY, dry_run=True)
    assert (planned.dry_run, len(planned.assignments)) == (True, 2)
    assert await truth.fetchval("SELECT left_at FROM users WHERE id = $1", WORKER.id) is None
    done = await leave(services, administrator, WORKER.phone, WHY)
    assert (done.assignments, done.sessions) == (planned.assignments, 1)
    left_at = await truth.fetchval("SELECT left_at FROM users WHERE id = $1", WORKER.id)
    rows = await truth.fetch("SELECT valid_from, valid_to FROM assignment WHERE user_id = $1 ORDER BY id", WORKER.id)
    assert [row["valid_to"] for row in rows] == [left_at, rows[1]["valid_from"]]
    assert (await office.get("/v1/registry")).status_code == 401
    assert await refusal(leave(services, administrator, str(WORKER.id), WHY)) == "person_left"
    wish = PostWish(role="grid_worker", grid=GRIDS[0])
    assert await refusal(assign(services, administrator, str(WORKER.id), wish, WHY)) == "person_left"
    assert (await acts(truth, WORKER.id))[-1] == ("user.left", ADMINISTRATOR.id, WHY)


async def test_the_number_of_who_left_is_free_for_somebody_else(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    await leave(services, administrator, WORKER.phone, WHY)
    wish = PostWish(role="grid_worker", grid=GRIDS[0])
    assert await refusal(assign(services, administrator, WORKER.phone, wish, WHY)) == "not_found"
    successor = await create_user(services, administrator, "李强", WORKER.phone, wish, WHY)
    assert successor.user != WORKER.id
    assert (await builders.caller(services, WORKER)).user_id == successor.user
    assert (await leave(services, administrator, WORKER.phone, WHY)).user == successor.user


async def test_who_holds_a_post_that_is_anothers_to_end_does_not_leave(
    services: Services, administrator: Caller, guard: Caller
) -> None:
    await assign(services, guard, CADRE.phone, PostWish(role="auditor", division=COUNTY), WHY)
    assert await refusal(leave(services, administrator, CADRE.phone, WHY)) == "role_not_yours"
    assert await refusal(leave(services, guard, CADRE.phone, WHY)) == "role_not_yours"
    assert await refusal(leave(services, administrator, AUDITOR.phone, WHY)) == "role_not_yours"
    assert (await leave(services, guard, AUDITOR.phone, WHY)).user == AUDITOR.id


async def test_a_grid_that_lost_its_last_chief_is_named(services: Services, administrator: Caller) -> None:
    assert (await leave(services, administrator, CHIEF.phone, WHY)).without_chief == [GRIDS[1]]
    assert (await leave(services, administrator, SECOND_CHIEF.phone, WHY)).without_chief == [GRIDS[0]]


async def test_work_from_before_still_arrives_and_work_from_after_is_kept(
    services: Services, administrator: Caller, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    await truth.execute("UPDATE device SET enrolled_at = now() - interval '1 hour'")
    await leave(services, administrator, WORKER.phone, WHY)
    early = create("0401")
    here = capture()
    late = Change(
        "create",
        uuid4(),
        "0401",
        Capture(here.wall, 60_000, "boot", here.position),
        grid=GRIDS[0],
        fields=form("0401"),
    )
    receipt = await phone.push(early, late)
    assert receipt.status == "decided"
    assert [(one.outcome, one.code) for one in receipt.outcomes] == [
        ("applied", None),
        ("quarantined", "role_may_not_write"),
    ]
    assert await truth.fetchval("SELECT array_agg(id) FROM item") == [early.item]
    assert (await review_of(truth, early.item))["state"] == "pending"


async def test_a_phone_of_who_left_is_given_nothing_but_brings_its_photos(
    services: Services, administrator: Caller, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await field_phone(services, app_client, WORKER)
    mate = await field_phone(services, app_client, MATE)
    phone.create("0401", form("0401") | {"photos": [photo(7)]})
    phone.seal()
    await truth.execute("UPDATE device SET enrolled_at = now() - interval '1 hour'")
    mate.create("0102", form("0102"))
    mate.seal()
    await mate.sync()
    await leave(services, administrator, WORKER.phone, WHY)
    answer, _ = phone.apply(*await phone.send())
    assert [one.outcome for one in answer.receipts[0].outcomes] == ["applied"]
    assert (answer.streams, answer.gained, answer.mark) == ([], [], None)
    bearer = {"Authorization": phone.headers["Authorization"]}
    declared = await app_client.post("/v1/evidence", json={"photos": [_ref(7)]}, headers=bearer)
    assert declared.status_code == 200, declared.text
    way = declared.json()["photos"][0]["upload"]
    async with httpx.AsyncClient() as store:
        (await store.put(way["url"], content=picture(7))).raise_for_status()
    sent = await app_client.post("/v1/evidence/uploaded", json={"uploads": [way["id"]]}, headers=bearer)
    assert sent.json()["photos"][0]["state"] == "stored"
    for path in ("/v1/registry", "/v1/items", f"/v1/evidence/{photo(7)['sha256']}-{photo(7)['size']}"):
        assert (await app_client.get(path, headers=bearer)).status_code == 403, path
    await truth.execute("UPDATE device SET revoked_at = now() WHERE user_id = $1", WORKER.id)
    again = await app_client.post("/v1/evidence", json={"photos": [_ref(8)]}, headers=bearer)
    assert again.status_code == 403


def _ref(number: int) -> dict[str, Any]:
    return {key: value for key, value in photo(number).items() if key != "role"}


# What was returned to who is gone --------------------------------------------------------------------------


async def returned(
    services: Services, client: httpx.AsyncClient, truth: asyncpg.Connection, by: Person, item_id: UUID
) -> dict[str, Any]:
    at_desk = await desk(services, client, by)
    decision = {**await seen(truth, item_id), "decision": "return", "reason": "other", "note": "请补充楼栋"}
    return (await at_desk.decide(decision))[0]


async def to_dos(truth: asyncpg.Connection, item_id: UUID) -> dict[UUID, bool]:
    rows = await truth.fetch("SELECT user_id, open FROM notice WHERE item_id = $1 AND kind = 'todo'", item_id)
    return {row["user_id"]: row["open"] for row in rows}


async def test_what_was_returned_to_him_goes_to_his_grids_chief(
    services: Services, administrator: Caller, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item = await (await enrol(services, WORKER)).report("0401")
    assert (await returned(services, app_client, truth, CHIEF, item))["result"] == "done"
    assert await to_dos(truth, item) == {WORKER.id: True}
    done = await leave(services, administrator, WORKER.phone, WHY)
    heir = (await review_of(truth, item))["answers"]
    assert (done.handed_on, heir in (CHIEF.id, SECOND_CHIEF.id)) == (1, True)
    assert await to_dos(truth, item) == {WORKER.id: False, heir: True}
    chief = await field_phone(services, app_client, CHIEF if heir == CHIEF.id else SECOND_CHIEF)
    await chief.sync()
    chief.edit(item, description="三栋二单元楼道堆放杂物")
    chief.seal()
    answers = await chief.sync()
    assert [one.outcome for one in answers[0].receipts[0].outcomes] == ["applied"]
    assert (await review_of(truth, item))["state"] == "pending"
    assert await to_dos(truth, item) == {WORKER.id: False, heir: False}


async def test_a_return_finds_a_colleague_when_the_author_is_gone_already(
    services: Services, administrator: Caller, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item = await (await enrol(services, WORKER)).report("0401")
    await leave(services, administrator, WORKER.phone, WHY)
    assert (await returned(services, app_client, truth, CHIEF, item))["result"] == "done"
    assert set(await to_dos(truth, item)) <= {CHIEF.id, SECOND_CHIEF.id}


async def test_an_event_stays_with_who_only_changed_grids_and_a_record_is_handed_on(
    services: Services, administrator: Caller, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await enrol(services, WORKER)
    event, house = await phone.report("0401"), await phone.report("0102")
    resident = await phone.report("0101", dwelling=str(house))
    record = await phone.report("0104", person=str(resident), consent=True)
    for item in (event, record):
        assert (await returned(services, app_client, truth, CHIEF, item))["result"] == "done"
    number = await truth.fetchval("SELECT id FROM assignment WHERE user_id = $1", WORKER.id)
    await assign(services, administrator, WORKER.phone, PostWish(role="grid_worker", grid=GRIDS[2]), WHY)
    assert (await unassign(services, administrator, WORKER.phone, number, WHY)).handed_on == 1
    assert await to_dos(truth, event) == {WORKER.id: True}
    assert (await to_dos(truth, record))[WORKER.id] is False


async def test_a_lapsed_assignment_is_found_by_the_sweep(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    item = await (await enrol(services, WORKER)).report("0401")
    assert (await returned(services, app_client, truth, CHIEF, item))["result"] == "done"
    assert await sweep_returns(services) == 0
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", WORKER.id)
    assert await sweep_returns(services) == 1
    assert (await to_dos(truth, item))[WORKER.id] is False
    assert await sweep_returns(services) == 0


async def test_nothing_is_returned_where_nobody_could_correct_it(
    services: Services, administrator: Caller, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    """A tip lies in its author's own stream; once he is gone its reviewers decide on what there is."""
    item = await (await enrol(services, WORKER)).report("0204")
    await leave(services, administrator, WORKER.phone, WHY)
    result = await returned(services, app_client, truth, builders.POLICEMAN, item)
    assert (result["result"], result["code"]) == ("refused", "nobody_answers")
    assert (await review_of(truth, item))["state"] == "pending"
    police = await desk(services, app_client, builders.POLICEMAN)
    both = [
        {**await seen(truth, item), "decision": "return", "reason": "other", "note": "请补充"},
        await approval(truth, item),
    ]
    assert [one["result"] for one in await police.decide(*both)] == ["refused", "done"]


# Passwords -------------------------------------------------------------------------------------------------


async def test_a_fresh_password_opens_and_the_old_sign_ins_end(
    services: Services, guard: Caller, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    office = await desk(services, app_client, CADRE)
    phone = await field_phone(services, app_client, CHIEF)
    await truth.execute(
        "UPDATE users SET failures = 5, locked_until = now() + interval '1 hour' WHERE id = $1", CADRE.id
    )
    done = await reset_password(services, guard, CADRE.phone, WHY)
    assert (done.user, len(done.password), done.sessions) == (CADRE.id, 12, 1)
    assert (await office.get("/v1/registry")).status_code == 401
    signed_in = await app_client.post(
        "/v1/token", json={"grant": "password", "phone": CADRE.phone, "password": done.password}
    )
    assert signed_in.status_code == 200
    await reset_password(services, guard, CHIEF.phone, WHY)
    assert (await app_client.get("/v1/registry", headers=phone.headers)).status_code == 200
    lines = [row["line"] for row in await truth.fetch("SELECT a::text AS line FROM audit a")]
    assert not any(done.password in line or CADRE.phone in line for line in lines)


async def test_unlocking_lets_him_try_again(services: Services, guard: Caller, truth: asyncpg.Connection) -> None:
    await truth.execute(
        "UPDATE users SET failures = 5, locked_until = now() + interval '1 hour' WHERE id = $1", CADRE.id
    )
    assert await unlock(services, guard, CADRE.phone, WHY) == CADRE.id
    assert tuple(await truth.fetchrow("SELECT failures, locked_until FROM users WHERE id = $1", CADRE.id)) == (0, None)
    assert (await acts(truth, CADRE.id))[-1] == ("user.unlocked", GUARD.id, WHY)
    assert (
        await refusal(unlock(services, await builders.caller(services, ADMINISTRATOR), CADRE.phone, WHY)) == "forbidden"
    )


async def test_an_ended_validity_is_over_although_nobody_acts(services: Services, truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", ADMINISTRATOR.id)
    caller = await builders.caller(services, ADMINISTRATOR)
    wish = PostWish(role="grid_worker", grid=GRIDS[0])
    assert await refusal(assign(services, caller, WEST_WORKER.phone, wish, WHY)) == "forbidden"
