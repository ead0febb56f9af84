"""Phones as those who look after them see them: who sees which, revoking, replacing, and codes for a whole area."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from schemas.accounts import CodesRequest, EnrolmentRequest, NewCode
from server.db import people
from server.db.directory import PeopleFilter
from server.db.people import NewAssignment, NewUser
from server.errors import Problem
from server.services import Services
from server.usecases.devices import (
    DevicesWish,
    DeviceView,
    list_devices,
    replace_device,
    revoke_device,
    show_device,
)
from server.usecases.directory import list_directory, person_card, revealed_card
from server.usecases.enrolment import enrol, issue_codes
from server.usecases.sessions import Caller
from tests import builders
from tests.builders import (
    ADMINISTRATOR,
    ADVISER,
    AUDITOR,
    CADRE,
    CENTRE,
    CHIEF,
    CITY,
    COUNTY,
    EAST,
    GRIDS,
    MATE,
    NEIGHBOUR,
    RIDER,
    STREET,
    STREET_CADRE,
    WEST,
    WEST_CADRE,
    WEST_WORKER,
    WORKER,
    Person,
    grid_id,
)
from tests.phones import field_phone

GUARD = Person("security_administrator", "13900000041", division=CITY)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)
    await services.database.write(lambda tx: people.insert_users(tx.connection, [_user(services, GUARD)]))
    post = NewAssignment(user_id=GUARD.id, role=GUARD.role, division=CITY)
    await services.database.write(lambda tx: people.insert_assignments(tx.connection, [post]))


def _user(services: Services, one: Person) -> NewUser:
    index, sealed = services.keyring.index("phone", one.phone), services.keyring.seal_for("phone", one.phone)
    return NewUser(id=one.id, name="安全员", phone_index=index, phone_sealed=sealed)


async def device_of(services: Services, person: Person) -> UUID:
    return (await builders.enrol(services, person)).device_id


async def as_(services: Services, person: Person) -> Caller:
    return await builders.caller(services, person)


async def seen(services: Services, person: Person, **wish: object) -> list[DeviceView]:
    asked = DevicesWish(**({"revoked": False} | wish))  # type: ignore[arg-type]
    return (await list_devices(services, await as_(services, person), asked, None, 50)).devices


async def refused(work: object, code: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await work  # type: ignore[misc]
    assert caught.value.code == code
    return caught.value


async def enrol_with(services: Services, code: NewCode) -> UUID:
    return (await enrol(services, EnrolmentRequest(code=code.code, install="installation-1"))).device


# Who sees which --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looking", "shown"),
    [
        (ADMINISTRATOR, {WORKER, NEIGHBOUR, WEST_WORKER, RIDER}),
        (GUARD, {WORKER, NEIGHBOUR, WEST_WORKER, RIDER}),
        (CADRE, {WORKER, NEIGHBOUR}),
        (WEST_CADRE, {WEST_WORKER}),
        (CHIEF, {WORKER, NEIGHBOUR}),
    ],
)
async def test_who_sees_whose_phones(services: Services, looking: Person, shown: set[Person]) -> None:
    devices = {person.id: await device_of(services, person) for person in (WORKER, NEIGHBOUR, WEST_WORKER, RIDER)}
    page = await seen(services, looking)
    assert {(one.holder, one.id) for one in page} == {(one.id, devices[one.id]) for one in shown}
    for person in (WORKER, NEIGHBOUR, WEST_WORKER, RIDER):
        showing = show_device(services, await as_(services, looking), devices[person.id])
        if person in shown:
            assert (await showing).device.holder == person.id
        else:
            await refused(showing, "not_found")


@pytest.mark.parametrize("looking", [WORKER, ADVISER, STREET_CADRE, CENTRE, AUDITOR])
async def test_who_looks_after_no_phones_sees_none(services: Services, looking: Person) -> None:
    device = await device_of(services, WORKER)
    caller = await as_(services, looking)
    await refused(list_devices(services, caller, DevicesWish(), None, 50), "forbidden")
    await refused(show_device(services, caller, device), "forbidden")
    await refused(revoke_device(services, caller, device, "lost"), "forbidden")
    await refused(replace_device(services, caller, device, "lost"), "forbidden")
    await refused(list_directory(services, caller, PeopleFilter(), None, 50), "forbidden")


async def test_a_line_says_what_is_known_of_a_phone(services: Services, app_client: httpx.AsyncClient) -> None:
    phone = await field_phone(services, app_client, WORKER)
    before = datetime.now(UTC)
    phone.create("0102", builders.form("0102"))
    await phone.send()
    (one,) = await seen(services, CADRE)
    assert (one.holder_name, one.phone, one.name, one.app) == ("grid_worker 01", "139****0001", "红米", "")
    assert [(post.role, post.grid, post.place_zh) for post in one.posts] == [("grid_worker", GRIDS[0], "东社区")]
    assert one.last_exchange_at is not None
    assert before <= one.last_exchange_at <= datetime.now(UTC)
    assert (one.unsent, one.state) == (1, "enrolled")


async def test_the_list_is_narrowed(services: Services, truth: asyncpg.Connection) -> None:
    first, second = await device_of(services, WORKER), await device_of(services, NEIGHBOUR)
    third, fourth = await device_of(services, WEST_WORKER), await device_of(services, RIDER)
    await truth.execute(
        "UPDATE device SET last_exchange_at = now() - interval '6 days', unsent = 3 WHERE id = $1", first
    )
    await truth.execute("UPDATE device SET last_exchange_at = now() - interval '9 days' WHERE id = $1", second)
    # A phone that was never heard of has been silent since its enrolment.
    await truth.execute("UPDATE device SET enrolled_at = now() - interval '8 days' WHERE id = $1", third)

    async def ids(**wish: object) -> set[UUID]:
        return {one.id for one in await seen(services, ADMINISTRATOR, **wish)}

    assert await ids(silent_days=7) == {second, third}
    assert await ids(silent_days=5) == {first, second, third}
    assert await ids(unsent=True) == {first}
    assert await ids(place=GRIDS[1]) == {second}
    assert await ids(place=EAST) == {first, second}
    assert await ids(place=COUNTY[:6]) == {first, second, third, fourth}
    assert await ids(holder=WORKER.phone) == {first}
    assert await ids(holder=str(RIDER.id)) == {fourth}
    await refused(seen(services, ADMINISTRATOR, holder="13899999999"), "not_found")


async def test_it_goes_on_page_by_page(services: Services) -> None:
    made = [await device_of(services, person) for person in (WORKER, MATE, NEIGHBOUR, WORKER, MATE)]
    caller, cursor, found = await as_(services, CADRE), None, []
    for _ in range(3):
        page = await list_devices(services, caller, DevicesWish(), cursor, 2)
        found += [one.id for one in page.devices]
        cursor = page.next
    assert cursor is None
    assert sorted(found) == sorted(made)
    await refused(list_devices(services, caller, DevicesWish(), "nonsense", 2), "parameter_invalid")


async def test_only_those_who_watch_over_the_city_see_phones_of_who_has_left(
    services: Services, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WORKER)
    await truth.execute("UPDATE users SET left_at = now() WHERE id = $1", WORKER.id)
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", WORKER.id)
    assert await seen(services, ADMINISTRATOR) == []
    (one,) = await seen(services, GUARD)
    assert (one.id, one.state) == (device, "left")
    await revoke_device(services, await as_(services, GUARD), device, "left with it")
    await refused(replace_device(services, await as_(services, GUARD), device, "anew"), "forbidden")


async def retire(truth: asyncpg.Connection, grid: str) -> None:
    """As a plan leaves it once nothing is in the grid any more."""
    await truth.execute("UPDATE grid_label SET to_version = 1 WHERE code = $1", grid)
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE grid_id = $1", grid_id(grid))


async def test_who_worked_in_a_retired_grid_alone_stays_in_sight_of_its_administrator(
    services: Services, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WEST_WORKER)
    await retire(truth, GRIDS[2])
    for person in (ADMINISTRATOR, GUARD):
        (one,) = await seen(services, person)
        assert one.id == device
        assert [(post.grid, post.division, post.state) for post in one.posts] == [(GRIDS[2], WEST, "ended")]
        for place in (WEST, GRIDS[2]):
            assert [two.id for two in await seen(services, person, place=place)] == [device]
    assert "grid_worker 04" in await names(services, ADMINISTRATOR)
    for place in (WEST, GRIDS[2]):
        assert await names(services, ADMINISTRATOR, place=place, role="grid_worker") == ["grid_worker 04"]
    # Administrators of other places and the offices that look after a team have nothing to do with him.
    await truth.execute("UPDATE assignment SET division = $2 WHERE user_id = $1", ADMINISTRATOR.id, EAST)
    for person in (ADMINISTRATOR, WEST_CADRE):
        assert await seen(services, person) == []
        await refused(show_device(services, await as_(services, person), device), "not_found")


async def test_the_phone_of_who_has_no_post_left_can_be_revoked_and_not_replaced(
    services: Services, truth: asyncpg.Connection
) -> None:
    device, caller = await device_of(services, WEST_WORKER), await as_(services, ADMINISTRATOR)
    await retire(truth, GRIDS[2])
    detail = await show_device(services, caller, device)
    assert (detail.may_revoke, detail.may_replace) == (True, False)
    await refused(revoke_device(services, await as_(services, WEST_CADRE), device, "lost"), "not_found")
    assert (await revoke_device(services, caller, device, "retired with its grid")).device.state == "revoked"


async def test_a_post_to_come_is_in_sight_of_its_administrator_alone(
    services: Services, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WEST_WORKER)
    await truth.execute("UPDATE assignment SET valid_from = now() + '1 d' WHERE user_id = $1", WEST_WORKER.id)
    ((state,),) = [[post.state for post in one.posts] for one in await seen(services, ADMINISTRATOR)]
    assert state == "coming"
    await refused(show_device(services, await as_(services, WEST_CADRE), device), "not_found")


# Revoking --------------------------------------------------------------------------------------------------


async def test_a_revoked_phone_is_heard_and_given_nothing(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    phone = await field_phone(services, app_client, WORKER)
    await phone.sync()
    done = await revoke_device(services, await as_(services, CADRE), phone.device_id, " 手机遗失 ")
    assert (done.device.state, done.may_revoke, done.may_replace) == ("revoked", False, True)
    assert (done.device.revoked_by, done.device.revoked_by_name) == (CADRE.id, "community 10")
    item = phone.create("0102", builders.form("0102"))
    phone.seal()
    answer, _ = phone.apply(*await phone.send())
    assert [(one.status, one.code) for one in answer.receipts] == [("quarantined", "device_revoked")]
    assert (answer.streams, answer.mark) == ([], None)
    assert await truth.fetchval("SELECT count(*) FROM item WHERE id = $1", item) == 0
    assert (await app_client.get("/v1/registry", headers=phone.headers)).status_code == 403
    act = await truth.fetchrow("SELECT * FROM audit WHERE action = 'device.revoked'")
    assert act is not None
    assert (act["actor_id"], act["subject_id"], act["reason"]) == (CADRE.id, str(phone.device_id), "手机遗失")


async def test_revoking_takes_a_reason_and_happens_once(services: Services, truth: asyncpg.Connection) -> None:
    device, caller = await device_of(services, WORKER), await as_(services, ADMINISTRATOR)
    await refused(revoke_device(services, caller, device, "  "), "reason_needed")
    await refused(revoke_device(services, caller, uuid4(), "lost"), "not_found")
    await refused(revoke_device(services, await as_(services, WEST_CADRE), device, "lost"), "not_found")
    await revoke_device(services, caller, device, "lost")
    at = await truth.fetchval("SELECT revoked_at FROM device")
    await refused(revoke_device(services, await as_(services, GUARD), device, "lost"), "device_already_revoked")
    row = await truth.fetchrow("SELECT revoked_at, revoked_by FROM device")
    assert row is not None
    assert tuple(row) == (at, ADMINISTRATOR.id)
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'device.revoked'") == 1
    assert [one.id for one in await seen(services, ADMINISTRATOR, revoked=True)] == [device]
    assert await seen(services, ADMINISTRATOR) == []


async def test_who_works_for_two_teams_is_seen_by_both_and_his_phone_taken_by_neither(
    services: Services, truth: asyncpg.Connection
) -> None:
    device = await device_of(services, WORKER)
    both = "INSERT INTO assignment (user_id, role, grid_id) VALUES ($1, 'grid_worker', $2)"
    await truth.execute(both, WORKER.id, grid_id(GRIDS[2]))
    for person in (CADRE, WEST_CADRE):
        caller = await as_(services, person)
        detail = await show_device(services, caller, device)
        assert (detail.may_revoke, detail.may_replace) == (False, False)
        await refused(revoke_device(services, caller, device, "lost"), "forbidden")
        await refused(replace_device(services, caller, device, "lost"), "forbidden")
    assert await truth.fetchval("SELECT revoked_at FROM device") is None
    await revoke_device(services, await as_(services, ADMINISTRATOR), device, "lost")


async def test_an_administrator_revokes_the_phone_of_who_became_an_officer_but_gives_him_none(
    services: Services, truth: asyncpg.Connection
) -> None:
    device, caller = await device_of(services, WORKER), await as_(services, ADMINISTRATOR)
    await truth.execute(
        "UPDATE assignment SET role = 'street', grid_id = NULL, division = $2 WHERE user_id = $1", WORKER.id, STREET
    )
    detail = await show_device(services, caller, device)
    assert (detail.may_revoke, detail.may_replace) == (True, False)
    await revoke_device(services, caller, device, "an officer now")
    await refused(show_device(services, await as_(services, CADRE), device), "not_found")


# Replacing -------------------------------------------------------------------------------------------------


async def test_a_replaced_phone_is_revoked_and_the_new_one_says_so(
    services: Services, truth: asyncpg.Connection
) -> None:
    old = await device_of(services, WORKER)
    code = await replace_device(services, await as_(services, CHIEF), old, "屏幕碎了")
    assert code.user == WORKER.id
    assert await truth.fetchval("SELECT revoked_by FROM device") == CHIEF.id
    new = await enrol_with(services, code)
    (one,) = await seen(services, CHIEF)
    assert (one.id, one.replaces, one.state) == (new, old, "enrolled")
    (gone,) = await seen(services, CHIEF, revoked=True)
    assert (gone.id, gone.replaced_by) == (old, new)
    acts = await truth.fetch("SELECT action, reason, detail FROM audit ORDER BY id")
    assert [(act["action"], act["reason"]) for act in acts] == [
        ("device.revoked", "屏幕碎了"),
        ("enrolment_code.issued", "屏幕碎了"),
        ("device.enrolled", None),
    ]
    assert all(str(old) in act["detail"] for act in acts[1:])


async def test_only_the_newest_code_replaces(services: Services, truth: asyncpg.Connection) -> None:
    old, caller = await device_of(services, WORKER), await as_(services, CADRE)
    codes = await asyncio.gather(*(replace_device(services, caller, old, "lost") for _ in range(4)))
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'device.revoked'") == 1
    tries = await asyncio.gather(*(enrol_with(services, code) for code in codes), return_exceptions=True)
    refusals = [one.code for one in tries if isinstance(one, Problem)]
    assert refusals == ["enrolment_code_invalid"] * 3
    assert await truth.fetchval("SELECT count(*) FROM device WHERE replaces = $1", old) == 1


async def test_a_security_administrator_revokes_anywhere_and_enrols_nobody(services: Services) -> None:
    device, caller = await device_of(services, RIDER), await as_(services, GUARD)
    detail = await show_device(services, caller, device)
    assert (detail.may_revoke, detail.may_replace) == (True, False)
    await refused(replace_device(services, caller, device, "lost"), "forbidden")
    await revoke_device(services, caller, device, "lost")
    await refused(issue_codes(services, caller, CodesRequest(user=RIDER.phone)), "forbidden")


async def test_nothing_is_revoked_where_the_code_cannot_be_made(services: Services, truth: asyncpg.Connection) -> None:
    device = await device_of(services, WORKER)
    await truth.execute("ALTER TABLE enrolment_code ADD CHECK (replaces IS NULL)")
    with pytest.raises(asyncpg.CheckViolationError):
        await replace_device(services, await as_(services, CADRE), device, "lost")
    assert await truth.fetchval("SELECT revoked_at FROM device") is None


# Codes for a whole area ------------------------------------------------------------------------------------


async def test_codes_without_a_name_go_to_those_who_write(services: Services, truth: asyncpg.Connection) -> None:
    caller = await as_(services, ADMINISTRATOR)
    found = {code.user for code in await issue_codes(services, caller, CodesRequest(count=50))}
    assert {WORKER.id, CHIEF.id, RIDER.id} <= found
    assert ADVISER.id not in found
    assert [code.user for code in await issue_codes(services, caller, CodesRequest(user=ADVISER.phone))] == [ADVISER.id]
    also = "INSERT INTO assignment (user_id, role, grid_id) VALUES ($1, 'grid_worker', $2)"
    await truth.execute(also, ADVISER.id, grid_id(GRIDS[0]))
    assert ADVISER.id in {code.user for code in await issue_codes(services, caller, CodesRequest(count=50))}


# People ----------------------------------------------------------------------------------------------------


async def names(services: Services, person: Person, **wanted: object) -> list[str]:
    page = await list_directory(services, await as_(services, person), PeopleFilter(**wanted), None, 50)  # type: ignore[arg-type]
    return [one.name for one in page.people]


async def test_whom_each_may_look_up(services: Services) -> None:
    team = ["grid_adviser 09", "grid_chief 05", "grid_chief 06", "grid_worker 01", "grid_worker 02", "grid_worker 03"]
    assert await names(services, CADRE) == team
    assert await names(services, CHIEF) == team[1:]
    everybody = await names(services, GUARD)
    # The administrator sees the offices of his division too.
    assert set(await names(services, ADMINISTRATOR)) == set(everybody) - {"安全员"}
    assert len(everybody) == len(builders.PEOPLE) + 1


async def test_people_are_found_by_name_grid_and_role(services: Services) -> None:
    assert await names(services, ADMINISTRATOR, name="grid_ch") == ["grid_chief 05", "grid_chief 06", "grid_chief 07"]
    assert await names(services, ADMINISTRATOR, name="GRID%") == []
    assert await names(services, ADMINISTRATOR, place=GRIDS[1]) == ["grid_chief 05", "grid_worker 03"]
    assert await names(services, ADMINISTRATOR, role="grid_worker", place=EAST) == [
        "grid_worker 01",
        "grid_worker 02",
        "grid_worker 03",
    ]
    assert await names(services, ADMINISTRATOR, role="community") == ["community 10", "community 11"]
    assert await names(services, CADRE, role="community") == []


async def test_people_go_on_page_by_page(services: Services) -> None:
    caller, cursor, found = await as_(services, CADRE), None, []
    for _ in range(3):
        page = await list_directory(services, caller, PeopleFilter(), cursor, 2)
        found += [one.name for one in page.people]
        cursor = page.next
    assert cursor is None
    assert found == await names(services, CADRE)


async def test_a_person_with_what_he_does_and_his_phones_in_use(services: Services) -> None:
    kept, gone = await device_of(services, CHIEF), await device_of(services, CHIEF)
    await revoke_device(services, await as_(services, GUARD), gone, "lost")
    card = await person_card(services, await as_(services, CADRE), CHIEF.id)
    assert (card.name, card.phone) == ("grid_chief 05", "139****0005")
    assert [post.grid for post in card.posts] == list(GRIDS[:2])
    assert [device.id for device in card.devices] == [kept]
    await refused(person_card(services, await as_(services, WEST_CADRE), CHIEF.id), "not_found")


async def test_a_telephone_number_is_revealed_for_a_reason_that_is_kept(
    services: Services, truth: asyncpg.Connection
) -> None:
    caller = await as_(services, CADRE)
    await refused(revealed_card(services, caller, WORKER.id, ""), "reason_needed")
    await refused(revealed_card(services, await as_(services, WEST_CADRE), WORKER.id, "why not"), "not_found")
    assert await truth.fetchval("SELECT count(*) FROM audit") == 0
    assert (await revealed_card(services, caller, WORKER.id, "电话联系")).phone == WORKER.phone
    act = await truth.fetchrow("SELECT * FROM audit")
    assert act is not None
    assert (act["action"], act["actor_id"], act["subject_id"], act["reason"]) == (
        "user.revealed",
        CADRE.id,
        str(WORKER.id),
        "电话联系",
    )
    assert WORKER.phone not in str(tuple(act))


async def test_who_never_had_a_post_is_seen_by_those_who_give_posts(
    services: Services, truth: asyncpg.Connection
) -> None:
    await truth.execute("DELETE FROM assignment WHERE user_id = $1", MATE.id)
    assert "grid_worker 02" in await names(services, ADMINISTRATOR)
    assert "grid_worker 02" not in await names(services, CADRE)
    assert (await person_card(services, await as_(services, ADMINISTRATOR), MATE.id)).posts == []


async def test_who_has_left_is_nobodys_any_more(services: Services, truth: asyncpg.Connection) -> None:
    await truth.execute("UPDATE users SET left_at = now() WHERE id = $1", WORKER.id)
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", MATE.id)
    found = await names(services, CADRE)
    assert "grid_worker 01" not in found
    assert "grid_worker 02" not in found
    assert "grid_worker 02" in await names(services, GUARD)
