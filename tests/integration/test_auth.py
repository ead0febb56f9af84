"""Signing in, refreshing, enrolling: what a repeated, late, forged or unlucky request gets."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import asyncpg
import httpx
import pytest

from server.services import Services
from tests.integration import town
from tests.integration.town import PASSWORD

pytestmark = pytest.mark.usefixtures("small_town")


async def sign_in(client: httpx.AsyncClient, phone: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/v1/token", json={"grant": "password", "phone": phone, "password": password})


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/token", json={"grant": "refresh", "refresh": token})


async def use(client: httpx.AsyncClient, access: str) -> httpx.Response:
    return await client.get("/v1/registry", headers={"Authorization": f"Bearer {access}"})


async def a_code(client: httpx.AsyncClient, user: str | None = None) -> str:
    pair = (await sign_in(client, town.ADMINISTRATOR.phone)).json()
    answer = await client.post(
        "/v1/enrol/codes",
        json={"user": user or str(town.WORKER_EAST.id)},
        headers={"Authorization": f"Bearer {pair['access']}"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["codes"][0]["code"]


async def enrol(client: httpx.AsyncClient, code: str, install: str = "installation-1") -> httpx.Response:
    return await client.post(
        "/v1/enrol",
        json={"code": code, "install": install, "name": "红米", "platform": "android", "app": "1.0"},
    )


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert problem["type"] == f"/errors/{code}"
    assert problem["zh"]
    assert problem["en"]
    return problem


async def test_access_tokens_are_short_and_let_their_holder_in(app_client: httpx.AsyncClient) -> None:
    answer = await sign_in(app_client, town.WORKER_EAST.phone)
    assert answer.status_code == 200
    pair = answer.json()
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", pair["access"])
    assert pair["access_expires_in"] == 900
    assert (await use(app_client, pair["access"])).status_code == 200


async def test_tokens_and_codes_are_not_in_the_database(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    pair = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    code = await a_code(app_client)
    dump = ""
    for table in ("session", "enrolment_code", "users", "audit"):
        dump += str([tuple(row) for row in await truth.fetch(f"SELECT * FROM {table}")])
    for secret in (pair["access"], pair["refresh"], code, PASSWORD, town.WORKER_EAST.phone):
        assert secret not in dump


async def test_a_lost_answer_to_a_refresh_can_be_asked_for_again(app_client: httpx.AsyncClient) -> None:
    first = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    lost = (await refresh(app_client, first["refresh"])).json()
    again = (await refresh(app_client, first["refresh"])).json()
    assert again == lost
    assert lost["access"] != first["access"]
    assert (await use(app_client, again["access"])).status_code == 200


async def test_once_the_new_pair_is_used_the_old_refresh_token_is_superseded(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    first = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    second = (await refresh(app_client, first["refresh"])).json()
    assert (await use(app_client, second["access"])).status_code == 200
    refused(await refresh(app_client, first["refresh"]), 401, "token_superseded")
    replays = await truth.fetch("SELECT actor_id FROM audit WHERE action = 'session.replayed'")
    assert [row["actor_id"] for row in replays] == [town.WORKER_EAST.id]
    assert (await use(app_client, second["access"])).status_code == 200


async def test_presenting_the_new_refresh_token_uses_the_pair_too(app_client: httpx.AsyncClient) -> None:
    first = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    second = (await refresh(app_client, first["refresh"])).json()
    third = (await refresh(app_client, second["refresh"])).json()
    refused(await refresh(app_client, first["refresh"]), 401, "token_superseded")
    assert (await refresh(app_client, second["refresh"])).json() == third


async def test_refreshes_at_the_same_time_get_the_same_pair(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    first = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    async with truth.transaction():
        await truth.execute("SELECT 1 FROM session FOR UPDATE")
        refreshes = [asyncio.create_task(refresh(app_client, first["refresh"])) for _ in range(5)]
        await until_waiting(truth, 5)
    answers = await asyncio.gather(*refreshes)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["access"] for answer in answers}) == 1
    # However they crossed, what each of them may have lost can still be asked for.
    assert (await refresh(app_client, first["refresh"])).json() == answers[0].json()


async def until_waiting(truth: asyncpg.Connection, number: int) -> None:
    """Until that many of the application's transactions wait for a row."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while await truth.fetchval(waiting) < number:
            await asyncio.sleep(0.01)
            # Inside a transaction the view would stay as it was first seen.
            await truth.execute("SELECT pg_stat_clear_snapshot()")


async def test_a_repeated_refresh_counts_the_life_of_the_pair_anew(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    first = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    await refresh(app_client, first["refresh"])
    await truth.execute("UPDATE session SET access_expires_at = now() - interval '1 minute'")
    again = (await refresh(app_client, first["refresh"])).json()
    assert (await use(app_client, again["access"])).status_code == 200


async def test_what_a_bad_token_is_told(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    missing = await app_client.get("/v1/registry")
    refused(missing, 401, "token_missing")
    assert missing.headers["www-authenticate"] == "Bearer"
    refused(await use(app_client, "A" * 22), 401, "token_unknown")
    refused(await app_client.get("/v1/registry", headers={"Authorization": "Basic eDp5"}), 401, "token_unknown")
    refused(await refresh(app_client, "A" * 48), 401, "token_unknown")
    pair = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    await truth.execute("UPDATE session SET access_expires_at = now() - interval '1 second'")
    refused(await use(app_client, pair["access"]), 401, "token_expired")
    assert (await refresh(app_client, pair["refresh"])).status_code == 200
    await truth.execute("UPDATE session SET refresh_expires_at = now() - interval '1 second'")
    refused(await refresh(app_client, pair["refresh"]), 401, "token_unknown")


async def test_who_left_is_out_but_his_phone_may_still_refresh(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    office = (await sign_in(app_client, town.WORKER_EAST.phone)).json()
    phone = (await enrol(app_client, await a_code(app_client))).json()
    await truth.execute("UPDATE users SET left_at = now() WHERE id = $1", town.WORKER_EAST.id)
    refused(await use(app_client, office["access"]), 401, "token_unknown")
    refused(await refresh(app_client, office["refresh"]), 401, "token_unknown")
    refused(await sign_in(app_client, town.WORKER_EAST.phone), 401, "login_failed")
    assert (await refresh(app_client, phone["refresh"])).status_code == 200


async def test_a_revoked_device_is_shown_nothing(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    phone = (await enrol(app_client, await a_code(app_client))).json()
    await truth.execute("UPDATE device SET revoked_at = now()")
    refused(await use(app_client, phone["access"]), 403, "forbidden")


async def test_wrong_password_and_unknown_phone_look_the_same(app_client: httpx.AsyncClient) -> None:
    wrong = await sign_in(app_client, town.WORKER_EAST.phone, "Wrong-Horse-9")
    unknown = await sign_in(app_client, "13899999999")
    one, other = refused(wrong, 401, "login_failed"), refused(unknown, 401, "login_failed")
    assert {k: v for k, v in one.items() if k != "request_id"} == {k: v for k, v in other.items() if k != "request_id"}


async def test_too_many_failures_lock_and_the_lock_ends(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    for _ in range(5):
        refused(await sign_in(app_client, town.WORKER_EAST.phone, "Wrong-Horse-9"), 401, "login_failed")
    locked = await sign_in(app_client, town.WORKER_EAST.phone)
    refused(locked, 429, "login_locked")
    assert 1790 <= int(locked.headers["retry-after"]) <= 1800
    assert (await sign_in(app_client, town.WORKER_EAST_2.phone)).status_code == 200
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'user.locked'") == 1
    await truth.execute("UPDATE users SET locked_until = now() - interval '1 second' WHERE locked_until IS NOT NULL")
    refused(await sign_in(app_client, town.WORKER_EAST.phone, "Wrong-Horse-9"), 401, "login_failed")
    assert (await sign_in(app_client, town.WORKER_EAST.phone)).status_code == 200


async def test_guesses_at_the_same_time_share_one_limit(app_client: httpx.AsyncClient) -> None:
    guesses = [sign_in(app_client, town.WORKER_EAST.phone, f"Guess-Number-{i}") for i in range(20)]
    answers = await asyncio.gather(*guesses)
    looked_at = [answer for answer in answers if answer.json()["code"] == "login_failed"]
    assert len(looked_at) == 5
    refused(await sign_in(app_client, town.WORKER_EAST.phone), 429, "login_locked")


async def test_a_right_password_forgives(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    for _ in range(4):
        await sign_in(app_client, town.WORKER_EAST.phone, "Wrong-Horse-9")
    assert (await sign_in(app_client, town.WORKER_EAST.phone)).status_code == 200
    assert await truth.fetchval("SELECT failures FROM users WHERE id = $1", town.WORKER_EAST.id) == 0


async def test_enrolling_makes_one_device_however_often_it_is_asked(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    code = await a_code(app_client)
    assert re.fullmatch(r"[2-9A-HJKMNP-Z]{12}", code)
    answers = await asyncio.gather(*(enrol(app_client, code) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    enrolled = answers[0].json()
    assert enrolled["user"] == str(town.WORKER_EAST.id)
    assert enrolled["roles"] == ["grid_worker"]
    assert enrolled["epoch"] == await truth.fetchval("SELECT id FROM epoch")
    assert await truth.fetchval("SELECT count(*) FROM device") == 1
    refused(await enrol(app_client, code, "installation-2"), 400, "enrolment_code_invalid")
    assert (await use(app_client, enrolled["access"])).status_code == 200
    refused(await enrol(app_client, code), 400, "enrolment_code_invalid")


async def test_a_code_may_be_typed_by_hand(app_client: httpx.AsyncClient) -> None:
    code = await a_code(app_client)
    typed = f"{code[:4]}-{code[4:8]} {code[8:]}".lower()
    assert (await enrol(app_client, typed)).status_code == 200


async def test_codes_end(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    refused(await enrol(app_client, "ABCDEFGHJKMN"), 400, "enrolment_code_invalid")
    code = await a_code(app_client)
    await truth.execute("UPDATE enrolment_code SET expires_at = now() - interval '1 second'")
    refused(await enrol(app_client, code), 400, "enrolment_code_invalid")


@pytest.mark.parametrize(
    ("issuer", "user", "expected"),
    [
        (town.ADMINISTRATOR, town.WORKER_WEST, 200),
        (town.ADMINISTRATOR, town.RIDER, 200),
        (town.ADMINISTRATOR, town.COMMUNITY_EAST, 404),
        (town.ADMINISTRATOR, town.ADMINISTRATOR, 404),
        (town.COMMUNITY_EAST, town.WORKER_EAST_2, 200),
        (town.COMMUNITY_EAST, town.CHIEF_EAST, 200),
        (town.COMMUNITY_EAST, town.WORKER_WEST, 404),
        (town.COMMUNITY_EAST, town.RIDER, 404),
        (town.CHIEF_EAST, town.WORKER_EAST, 200),
        (town.CHIEF_EAST, town.WORKER_EAST_2, 404),
        (town.WORKER_EAST, town.WORKER_EAST, 403),
        (town.HANDLER, town.WORKER_EAST, 403),
    ],
)
async def test_who_may_issue_codes_for_whom(
    app_client: httpx.AsyncClient, issuer: town.Citizen, user: town.Citizen, expected: int
) -> None:
    access = (await sign_in(app_client, issuer.phone)).json()["access"]
    for key in (str(user.id), user.phone):
        answer = await app_client.post(
            "/v1/enrol/codes", json={"user": key}, headers={"Authorization": f"Bearer {access}"}
        )
        assert answer.status_code == expected, answer.text


async def test_a_worker_of_two_teams_is_out_of_reach_of_either_chief(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await truth.execute(
        "INSERT INTO assignment (user_id, role, grid_id) VALUES ($1, 'grid_worker', $2)",
        town.WORKER_EAST.id,
        town.grid_id(town.WORKER_WEST.grid or ""),
    )
    access = (await sign_in(app_client, town.CHIEF_EAST.phone)).json()["access"]
    answer = await app_client.post(
        "/v1/enrol/codes", json={"user": town.WORKER_EAST.phone}, headers={"Authorization": f"Bearer {access}"}
    )
    refused(answer, 404, "not_found")
    team = await app_client.post("/v1/enrol/codes", json={"count": 9}, headers={"Authorization": f"Bearer {access}"})
    assert [code["user"] for code in team.json()["codes"]] == [str(town.CHIEF_EAST.id)]


async def test_codes_for_a_whole_area_go_to_those_without_devices_first(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await enrol(app_client, await a_code(app_client, str(town.WORKER_EAST.id)))
    access = (await sign_in(app_client, town.COMMUNITY_EAST.phone)).json()["access"]
    headers = {"Authorization": f"Bearer {access}"}
    two = (await app_client.post("/v1/enrol/codes", json={"count": 2}, headers=headers)).json()["codes"]
    assert {code["user"] for code in two} == {str(town.WORKER_EAST_2.id), str(town.CHIEF_EAST.id)}
    many = (await app_client.post("/v1/enrol/codes", json={"count": 50}, headers=headers)).json()["codes"]
    assert len(many) == 3
    issued = await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'enrolment_code.issued'")
    assert issued == await truth.fetchval("SELECT count(*) FROM enrolment_code") == 6


async def test_a_wrong_master_key_is_told_at_once(services: Services) -> None:
    from msgspec.structs import replace

    from server.embedded.words import StartError
    from server.services import open_services

    with pytest.raises(StartError, match="ONEGRID_MASTER_KEY"):
        async with open_services(replace(services.settings, master_key=b"x" * 32)):
            pytest.fail("opened with a key that opens nothing")
