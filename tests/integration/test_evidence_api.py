"""`/v1/evidence` over HTTP: what a phone and an office say and are told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from server.services import Services
from server.usecases.photo_checks import check_upload
from tests.integration.evidence_scene import fetch, new_item, put, ref
from tests.integration.town import CHIEF_EAST, PASSWORD, WORKER_EAST, WORKER_WEST, Citizen
from tests.unit.pictures import jpeg

pytestmark = pytest.mark.usefixtures("small_town")


async def signed_in(client: httpx.AsyncClient, who: Citizen) -> dict[str, str]:
    answer = await client.post("/v1/token", json={"grant": "password", "phone": who.phone, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access']}"}


def named(data: bytes) -> dict[str, Any]:
    photo = ref(data)
    return {"sha256": photo.sha256, "size": photo.size}


async def test_the_whole_way_over_http(app_client: httpx.AsyncClient, services: Services) -> None:
    data = jpeg(1)
    await new_item(services, data)
    worker = await signed_in(app_client, WORKER_EAST)

    answer = await app_client.post("/v1/evidence", json={"photos": [named(data)]}, headers=worker)
    assert answer.status_code == 200, answer.text
    (photo,) = answer.json()["photos"]
    assert photo["state"] == "uploading"
    assert await put(photo["upload"]["url"], data) == 200
    said = {"uploads": [photo["upload"]["id"]]}
    answer = await app_client.post("/v1/evidence/uploaded", json=said, headers=worker)
    assert [one["state"] for one in answer.json()["photos"]] == ["stored"]
    await check_upload(services, UUID(photo["upload"]["id"]))
    answer = await app_client.post("/v1/evidence", json={"photos": [named(data)]}, headers=worker)
    assert [(one["state"], one["upload"]) for one in answer.json()["photos"]] == [("verified", None)]

    chief = await signed_in(app_client, CHIEF_EAST)
    path = f"/v1/evidence/{ref(data).sha256}-{len(data)}"
    full = await app_client.get(path, headers=chief)
    small = await app_client.get(path, params={"thumbnail": "1"}, headers=chief)
    assert (full.status_code, small.status_code) == (200, 200)
    assert full.headers["cache-control"] == "no-store"
    assert await fetch(full.json()["url"]) == data
    assert await fetch(small.json()["url"]) != data

    stranger = await signed_in(app_client, WORKER_WEST)
    refused = await app_client.get(path, headers=stranger)
    assert (refused.status_code, refused.json()["code"]) == (404, "evidence_unknown")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"photos": []},
        {"photos": [{"sha256": "00", "size": 1}]},
        {"photos": [{"sha256": "AB" * 32, "size": 1}]},
        {"photos": [{"sha256": "ab" * 32, "size": 0}]},
        {"photos": [{"sha256": "ab" * 32, "size": 2**53}]},
        {"photos": [{"sha256": "ab" * 32, "size": 1e400}]},
        {"photos": [{"sha256": "ab" * 32, "size": "many"}]},
        {"photos": [{"sha256": "ab" * 32, "size": 1}] * 101},
        {"photos": [None]},
        [],
    ],
)
async def test_a_declaration_that_cannot_be_one_is_refused(app_client: httpx.AsyncClient, body: object) -> None:
    worker = await signed_in(app_client, WORKER_EAST)
    headers = worker | {"Content-Type": "application/json"}
    content = str(body).replace("'", '"').replace("None", "null").replace("inf", "1e400")

    answer = await app_client.post("/v1/evidence", content=content, headers=headers)

    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in ("body_malformed", "parameter_invalid")


async def test_one_photo_named_twice_is_answered_twice(app_client: httpx.AsyncClient) -> None:
    worker = await signed_in(app_client, WORKER_EAST)

    answer = await app_client.post("/v1/evidence", json={"photos": [named(jpeg(2))] * 2}, headers=worker)

    first, second = answer.json()["photos"]
    assert first == second
    assert first["upload"] is not None


@pytest.mark.parametrize("name", ["x", f"{'ab' * 32}", f"{'ab' * 32}-0", f"{'AB' * 32}-1", f"{'ab' * 32}-{'9' * 16}"])
async def test_a_name_that_is_none_is_refused(app_client: httpx.AsyncClient, name: str) -> None:
    answer = await app_client.get(f"/v1/evidence/{name}", headers=await signed_in(app_client, WORKER_EAST))

    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_invalid")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/evidence"), ("POST", "/v1/evidence/uploaded"), ("GET", f"/v1/evidence/{'ab' * 32}-1")],
)
async def test_nothing_is_told_without_a_token(app_client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await app_client.request(method, path, json={} if method == "POST" else None)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
