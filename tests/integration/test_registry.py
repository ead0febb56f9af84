"""The catalogue and the registry as apps fetch them: whole, once, and only what is theirs."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

import asyncpg
import httpx
import pytest

from schemas.grid_code import printed
from server.services import RegistryHolder, Services
from tests.integration import town
from tests.integration.test_auth import a_code, enrol, refused, sign_in

pytestmark = pytest.mark.usefixtures("small_town")


async def bearer(client: httpx.AsyncClient, citizen: town.Citizen) -> dict[str, str]:
    access = (await sign_in(client, citizen.phone)).json()["access"]
    return {"Authorization": f"Bearer {access}"}


@pytest.mark.parametrize(
    ("citizen", "codes"),
    [
        (town.WORKER_EAST, [f"{town.EAST}001"]),
        (town.CHIEF_EAST, [f"{town.EAST}001"]),
        (town.WORKER_WEST, [f"{town.WEST}001"]),
        (town.COMMUNITY_EAST, [f"{town.EAST}001", f"{town.EAST}002"]),
        (town.ADMINISTRATOR, sorted(town.GRIDS)),
        (town.RIDER, sorted(town.GRIDS)),
    ],
)
async def test_each_gets_the_grids_of_his_territory(
    app_client: httpx.AsyncClient, citizen: town.Citizen, codes: list[str]
) -> None:
    view = (await app_client.get("/v1/registry", headers=await bearer(app_client, citizen))).json()
    assert view["version"] == 1
    assert [grid["code"] for grid in view["grids"]] == codes


async def test_a_grid_has_everything_an_app_draws(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    await truth.execute(
        """UPDATE grid_label SET compounds = '{东苑}', micro_grids = '[{"serial": "01", "name": "东片"}]'"""
    )
    view = (await app_client.get("/v1/registry", headers=await bearer(app_client, town.WORKER_EAST))).json()
    west, south = 117.9, 32.7
    ring = [[west, south], [west + 0.01, south], [west + 0.01, south + 0.01], [west, south + 0.01], [west, south]]
    assert (view["since"], view["scope"]) == (None, [str(town.grid_id(f"{town.EAST}001"))])
    assert view["grids"] == [
        {
            "id": str(town.grid_id(f"{town.EAST}001")),
            "code": f"{town.EAST}001",
            "printed": printed(f"{town.EAST}001"),
            "name": "第1网格",
            "kind": "general",
            "community": town.EAST,
            "community_zh": "东社区",
            "community_en": "East",
            "compounds": ["东苑"],
            "micro_grids": [{"code": f"{town.EAST}001-01", "name": "东片"}],
            "outline": [ring],
            "synthetic": True,
            "valid_from": None,
            "valid_to": None,
        }
    ]


async def test_a_grid_tells_its_first_and_last_day(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    """As the file has them: whole days, of which the last one still counts."""
    await truth.execute("UPDATE grid_label SET valid_from = '2026-03-01', valid_to = '2026-11-30'")
    view = (await app_client.get("/v1/registry", headers=await bearer(app_client, town.WORKER_EAST))).json()
    assert [(one["valid_from"], one["valid_to"]) for one in view["grids"]] == [("2026-03-01", "2026-11-30")]
    await truth.execute("UPDATE grid_label SET valid_from = NULL")
    view = (await app_client.get("/v1/registry", headers=await bearer(app_client, town.WORKER_EAST))).json()
    assert [(one["valid_from"], one["valid_to"]) for one in view["grids"]] == [(None, "2026-11-30")]


async def test_what_is_held_is_not_sent_again(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    headers = await bearer(app_client, town.WORKER_EAST)
    for path in ("/v1/registry", "/v1/catalogue", "/v1/catalogue?lang=zh"):
        first = await app_client.get(path, headers=headers)
        tag = first.headers["etag"]
        for held in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            again = await app_client.get(path, headers=headers | {"If-None-Match": held})
            assert (again.status_code, again.content) == (304, b""), (path, held)
            assert again.headers["etag"].removeprefix("W/") == tag.removeprefix("W/")
        other = await app_client.get(path, headers=headers | {"If-None-Match": '"other"'})
        assert other.content == first.content
    tag = (await app_client.get("/v1/registry", headers=headers)).headers["etag"]
    await truth.execute("UPDATE grid_label SET name = '新名' WHERE community = $1", town.EAST)
    changed = await app_client.get("/v1/registry", headers=headers | {"If-None-Match": tag})
    assert changed.json()["grids"][0]["name"] == "新名"


async def publish(truth: asyncpg.Connection, version: int) -> None:
    await truth.execute("INSERT INTO registry_version (version, note) VALUES ($1, 'test')", version)


async def test_a_phone_asks_for_what_changed_since_it_looked(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    headers = await bearer(app_client, town.ADMINISTRATOR)
    scope = [str(town.grid_id(code)) for code in sorted(town.GRIDS)]

    async def since(version: int) -> tuple[int, int | None, list[str]]:
        view = (await app_client.get("/v1/registry", headers=headers, params={"since": version})).json()
        assert view["scope"] == scope
        return view["version"], view["since"], [grid["name"] for grid in view["grids"]]

    assert await since(1) == (1, 1, [])
    await publish(truth, 2)
    await truth.execute("UPDATE grid_label SET to_version = 2 WHERE code = $1", f"{town.EAST}002")
    await truth.execute(
        "INSERT INTO grid_label (grid_id, from_version, code, community, kind, name, outline) "
        "SELECT grid_id, 2, code, community, kind, '改名', outline FROM grid_label WHERE to_version = 2"
    )
    assert await since(1) == (2, 1, ["改名"])
    assert await since(2) == (2, 2, [])
    await publish(truth, 3)
    await truth.execute("UPDATE division SET name_zh = '新西社区', changed_in = 3 WHERE code = $1", town.WEST)
    assert await since(2) == (3, 2, ["第3网格"])
    assert await since(1) == (3, 1, ["改名", "第3网格"])
    assert await since(0) == (3, 0, ["第1网格", "改名", "第3网格"])
    # A phone of before a restore knows a version that this database has not.
    assert await since(4) == (3, None, ["第1网格", "改名", "第3网格"])


@pytest.mark.parametrize("since", ["-1", "x", "", "1.5", str(2**31)])
async def test_a_version_is_a_whole_number(app_client: httpx.AsyncClient, since: str) -> None:
    headers = await bearer(app_client, town.WORKER_EAST)
    refused(await app_client.get("/v1/registry", headers=headers, params={"since": since}), 400, "parameter_invalid")


async def test_an_ended_assignment_takes_its_grid_along(
    app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    headers = await bearer(app_client, town.WORKER_EAST)
    await truth.execute("UPDATE assignment SET valid_to = now() WHERE user_id = $1", town.WORKER_EAST.id)
    assert (await app_client.get("/v1/registry", headers=headers)).json()["grids"] == []
    await truth.execute(
        "INSERT INTO assignment (user_id, role, grid_id, valid_from) VALUES ($1, 'grid_worker', $2, now() + '1 hour')",
        town.WORKER_EAST.id,
        town.grid_id(f"{town.WEST}001"),
    )
    assert (await app_client.get("/v1/registry", headers=headers)).json()["grids"] == []


async def test_the_catalogue_is_the_packaged_document(app_client: httpx.AsyncClient) -> None:
    packaged = files("schemas").joinpath("data/catalogue-2024.2.json").read_bytes()
    headers = await bearer(app_client, town.WORKER_EAST) | {"accept-encoding": "identity"}
    answer = await app_client.get("/v1/catalogue", headers=headers)
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(packaged).digest()
    assert answer.headers["catalogue-version"] == "2024.2"
    assert answer.headers["content-type"] == "application/json"


async def test_the_catalogue_in_one_language(app_client: httpx.AsyncClient) -> None:
    headers = await bearer(app_client, town.WORKER_EAST)
    for language, name in (("zh", "网格员"), ("en", "Grid worker")):
        document = (await app_client.get(f"/v1/catalogue?lang={language}", headers=headers)).json()
        assert document["roles"][0]["name"] == name
        assert '"zh"' not in json.dumps(document)
    tags = {
        (await app_client.get(f"/v1/catalogue{query}", headers=headers)).headers["etag"]
        for query in ("", "?lang=zh", "?lang=en")
    }
    assert len(tags) == 3


async def test_nobody_gets_them_without_signing_in(app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> None:
    for path in ("/v1/registry", "/v1/catalogue"):
        refused(await app_client.get(path), 401, "token_missing")
    phone = (await enrol(app_client, await a_code(app_client))).json()
    headers = {"Authorization": f"Bearer {phone['access']}"}
    assert (await app_client.get("/v1/catalogue", headers=headers)).status_code == 200
    await truth.execute("UPDATE device SET revoked_at = now()")
    refused(await app_client.get("/v1/catalogue", headers=headers), 403, "forbidden")


async def test_the_registry_in_memory_is_that_of_the_database(services: Services) -> None:
    held = services.registry
    assert held.version == 1
    assert held.by_code == {code: town.grid_id(code) for code in town.GRIDS}
    found = held.index.locate(117.905, 32.705, 5.0)
    assert found.grid_id == town.grid_id(f"{town.EAST}001")


async def test_a_registry_that_is_published_later_is_seen(services: Services, truth: asyncpg.Connection) -> None:
    holder = RegistryHolder(services.database)
    await truth.execute("UPDATE grid_label SET to_version = NULL")
    await holder.refresh()
    assert len(holder.registry.labels) == 3
    await truth.execute("INSERT INTO registry_version (version, note) VALUES (2, 'one grid fewer')")
    await truth.execute("UPDATE grid_label SET to_version = 2 WHERE code = $1", f"{town.WEST}001")
    fresh = RegistryHolder(services.database)
    await fresh.refresh()
    assert fresh.registry.version == 2
    assert f"{town.WEST}001" not in fresh.registry.by_code
