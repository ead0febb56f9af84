"""A new installation has nobody: the first security administrator, and how everybody else follows from him."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx
import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.founding import CITY, found
from server.usecases.people import PostWish, create_user
from tests.builders import Person, caller

FIRST, SECOND = "13911112221", "13911112222"
WHY = "启用"


async def test_the_first_appoints_an_administrator_who_appoints_the_rest(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    made = await found(services, "周明", FIRST, WHY)
    signed_in = await app_client.post(
        "/v1/token", json={"grant": "password", "phone": FIRST, "password": made.password}
    )
    assert signed_in.status_code == 200
    guard = await caller(services, Person("", FIRST))
    wish = PostWish(role="administrator", division=CITY.code)
    await create_user(services, guard, "郑和", SECOND, wish, WHY)
    administrator = await caller(services, Person("", SECOND))
    centre = PostWish(role="city_centre", division=CITY.code)
    third = await create_user(services, administrator, "孙丽", "13911112223", centre, WHY)
    assert await truth.fetchval("SELECT role FROM assignment WHERE user_id = $1", third.user) == "city_centre"
    act = await truth.fetchrow("SELECT actor_id, reason FROM audit WHERE action = 'user.founded'")
    assert tuple(act) == (made.user, WHY)


async def test_there_is_one_first(services: Services, truth: asyncpg.Connection) -> None:
    await truth.execute("INSERT INTO division (code, tier, name_zh) VALUES ($1, 'city', '滁州市')", CITY.code)
    told = await asyncio.gather(
        found(services, "周明", FIRST, WHY), found(services, "吴越", SECOND, WHY), return_exceptions=True
    )
    assert [one.code for one in told if isinstance(one, Problem)] == ["founded_already"]
    assert await truth.fetchval("SELECT count(*) FROM users") == 1
    await truth.execute("UPDATE users SET left_at = now()")
    with pytest.raises(Problem, match="phone_invalid"):
        await found(services, "周明", "123", WHY)
    await found(services, "郑和", "13911112223", WHY)
