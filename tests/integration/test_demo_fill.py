"""The demo city as it stands in the database, and what its file lets a person do."""

from __future__ import annotations

import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from server.demo.city import one_street, whole_city
from server.demo.fill import fill
from server.demo.registering import register
from server.services import Services

pytestmark = pytest.mark.long


async def sign_in(app_client: httpx.AsyncClient, login: dict[str, Any]) -> dict[str, str]:
    wish = {"grant": "password", "phone": login["phone"], "password": login["password"]}
    answer = await app_client.post("/v1/token", json=wish)
    assert answer.status_code in (200, 201), answer.text
    return {"Authorization": f"Bearer {answer.json()['access']}"}


async def test_the_whole_city_enters_the_registry(services: Services, truth: asyncpg.Connection) -> None:
    city, today = whole_city(), date(2026, 3, 1)
    await services.database.write(lambda tx: register(tx.connection, city, today))
    count = await truth.fetchrow(
        """SELECT (SELECT count(*) FROM division) AS divisions,
            (SELECT count(*) FROM division WHERE outline IS NOT NULL AND NOT synthetic) AS real_outlines,
            (SELECT count(*) FROM grid_label WHERE synthetic) AS grids,
            (SELECT count(*) FROM grid_code) AS codes,
            (SELECT count(*) FROM crosswalk) AS legacy,
            (SELECT count(*) FROM organisation) AS organisations"""
    )
    assert dict(count) == {
        "divisions": 278,
        "real_outlines": 8,
        "grids": 2088,
        "codes": 2088,
        "legacy": 91,
        "organisations": len(city.organisations),
    }
    hosts = await truth.fetch("SELECT code, host_county FROM division WHERE host_county IS NOT NULL ORDER BY code")
    assert [tuple(row) for row in hosts] == [
        ("341171000000", "341103000000"),
        ("341171001000", "341103000000"),
        ("341172000000", "341103000000"),
        ("341172001000", "341103000000"),
        ("341172002000", "341102000000"),
    ]
    sites = await truth.fetch("SELECT kind, valid_from, valid_to FROM grid_label WHERE valid_to IS NOT NULL")
    assert len(sites) == sum(grid.kind == "temporary" for grid in city.grids)
    assert all(row["kind"] == "temporary" and row["valid_from"] < today for row in sites)
    assert min(row["valid_to"] for row in sites) >= today + timedelta(days=90)


async def test_the_file_of_a_filled_city_opens_it(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection, tmp_path: Path
) -> None:
    await fill(services, tmp_path, "http://onegrid.test", one_street())
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    demo = msgspec.json.decode((tmp_path / "demo.json").read_bytes())
    await check_rows(truth)
    entries = {login["role"]: await sign_in(app_client, login) for login in demo["logins"]}
    assert len(entries) == 13
    await check_enrolment(app_client, truth, demo["enrolment_codes"])
    for role in ("grid_worker", "part_time_worker", "grid_chief", "grid_adviser"):
        user = next(person.id for person in reversed(one_street().people) if person.role == role)
        answer = await app_client.post("/v1/enrol/codes", json={"user": str(user)}, headers=entries[demo["enrolling"]])
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["codes"][0]["user"] == str(user)


async def check_rows(truth: asyncpg.Connection) -> None:
    """Telephone numbers stand sealed; assignments are old enough for a history of thirty days."""
    people = one_street().people
    assert await truth.fetchval("SELECT count(*) FROM users") == len(people)
    assert await truth.fetchval("SELECT count(*) FROM users WHERE password_hash IS NOT NULL") == 13
    assert await truth.fetchval("SELECT count(*) FROM assignment") == sum(len(one.assignments) for one in people)
    newest = await truth.fetchval("SELECT max(valid_from) FROM assignment")
    assert newest < datetime.now(UTC) - timedelta(days=31)
    dump = str(await truth.fetch("SELECT encode(phone_sealed, 'escape'), encode(phone_index, 'escape') FROM users"))
    assert "1990550" not in dump
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'demo.filled'") == 1


async def check_enrolment(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection, codes: list[dict[str, Any]]
) -> None:
    """A code of the file makes the phone of the worker it names."""
    assert len(codes) == len(one_street().devices)
    wish = {"code": codes[0]["code"], "install": "phone-of-the-demo", "name": "demo", "app": "test/1"}
    answer = await app_client.post("/v1/enrol", json=wish)
    assert answer.status_code in (200, 201), answer.text
    assert answer.json()["roles"] == [codes[0]["role"]]
    held = await truth.fetch(
        """SELECT l.code FROM assignment a JOIN grid_label l ON l.grid_id = a.grid_id
        WHERE a.user_id = $1 ORDER BY l.code""",
        answer.json()["user"],
    )
    assert [row["code"] for row in held] == codes[0]["grids"]
