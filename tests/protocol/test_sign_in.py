"""docs/protocol.md, sections 1 to 3: forms, enrolment and tokens, catalogue and registry."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import zstandard

from server.errors import CATALOGUE
from tests.builders import ADMINISTRATOR, CADRE, CHIEF, GRIDS, MATE, STREET_CADRE, WEST_WORKER, WORKER, Person, grid_id
from tests.protocol.live import PASSWORD, LiveServer
from tests.protocol.rawphone import MSGPACK, RawPhone, compact, create, lines, packed, refused

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def anybody(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


def code_for(server: LiveServer, person: Person, by: Person = ADMINISTRATOR) -> str:
    with server.client(server.sign_in(by)) as desk:
        answer = desk.post("/v1/enrol/codes", json={"user": str(person.id)})
    assert answer.status_code == 200, answer.text
    return answer.json()["codes"][0]["code"]


def enrol(client: httpx.Client, code: str, install: str = "install-1") -> httpx.Response:
    return client.post("/v1/enrol", json={"code": code, "install": install})


def refresh(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/v1/token", json={"grant": "refresh", "refresh": token})


def use(client: httpx.Client, access: str) -> httpx.Response:
    return client.get("/v1/registry", headers={"Authorization": f"Bearer {access}"})


# 1. Forms --------------------------------------------------------------------------------------------------


def test_every_code_is_in_the_table_of_errors() -> None:
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", (DOCS / "errors.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(CATALOGUE) <= listed


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_bodies_and_answers_may_be_packed(shared_server: LiveServer, coding: str) -> None:
    phone = RawPhone(shared_server)
    plain = lines(phone.header(first=1), compact(phone.change_set([create() for _ in range(5)])))
    body = gzip.compress(plain) if coding == "gzip" else zstandard.ZstdCompressor().compress(plain)
    answer = phone.post(body, Content_Encoding=coding, Accept_Encoding=coding)
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, coding)
    assert len(answer.json()["receipts"][0]["outcomes"]) == 5
    assert "Accept-Encoding" in answer.headers["vary"]


def test_the_answer_has_the_form_that_is_accepted(shared_server: LiveServer) -> None:
    phone = RawPhone(shared_server)
    packed_answer = phone.post(lines(phone.header()), Accept=MSGPACK)
    json_answer = phone.post(packed(phone.header()), Content_Type=MSGPACK, Accept="application/json")
    assert packed_answer.headers["content-type"] == MSGPACK
    assert json_answer.headers["content-type"] == "application/json"


def test_times_are_text_in_json_and_timestamps_in_messagepack(shared_server: LiveServer) -> None:
    phone = RawPhone(shared_server)
    wall = datetime.now(UTC)
    for given in (wall, wall.isoformat()):
        body = packed(phone.header() | {"clock": {"wall": given, "mono": 1, "boot": "boot"}})
        answer = phone.post(body, Content_Type=MSGPACK)
        told = msgspec.msgpack.decode(answer.content)["now"]
        assert abs(told - wall) < timedelta(minutes=1)
    assert datetime.fromisoformat(phone.pull()["now"]).utcoffset() == timedelta()


# 2. Enrolment and tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("maker", [ADMINISTRATOR, CADRE, CHIEF])
def test_who_makes_enrolment_codes(shared_server: LiveServer, anybody: httpx.Client, maker: Person) -> None:
    enrolled = enrol(anybody, code_for(shared_server, WORKER, maker)).json()
    told = {"device", "user", "name", "roles", "epoch", "limits"}
    assert enrolled.keys() == told | {"access", "access_expires_in", "refresh", "ticket"}
    assert (enrolled["user"], enrolled["roles"]) == (str(WORKER.id), ["grid_worker"])
    assert (len(enrolled["access"]), type(enrolled["access_expires_in"])) == (22, int)


@pytest.mark.parametrize("maker", [STREET_CADRE, WORKER])
def test_who_makes_none(shared_server: LiveServer, maker: Person) -> None:
    with shared_server.client(shared_server.sign_in(maker)) as desk:
        refused(desk.post("/v1/enrol/codes", json={"user": str(WORKER.id)}), 403, "forbidden")


def test_nobody_makes_codes_for_people_outside_his_area(shared_server: LiveServer) -> None:
    with shared_server.client(shared_server.sign_in(CHIEF)) as desk:
        refused(desk.post("/v1/enrol/codes", json={"user": str(WEST_WORKER.id)}), 404, "not_found")


def test_enrolling_again_gives_the_same_answer_until_a_token_is_used(
    shared_server: LiveServer, anybody: httpx.Client
) -> None:
    code = code_for(shared_server, WORKER)
    first = enrol(anybody, code).json()
    assert enrol(anybody, code).json() == first
    refused(enrol(anybody, code, "another-install"), 400, "enrolment_code_invalid")
    assert use(anybody, first["access"]).status_code == 200
    refused(enrol(anybody, code), 400, "enrolment_code_invalid")
    refused(enrol(anybody, "AAAA-AAAA-AAAA"), 400, "enrolment_code_invalid")


def test_a_replaced_refresh_token_gives_the_same_successor_until_that_is_used(
    shared_server: LiveServer, anybody: httpx.Client
) -> None:
    first = enrol(anybody, code_for(shared_server, MATE)).json()
    second = refresh(anybody, first["refresh"]).json()
    assert refresh(anybody, first["refresh"]).json() == second
    refused(use(anybody, first["access"]), 401, "token_unknown")
    assert use(anybody, second["access"]).status_code == 200
    refused(refresh(anybody, first["refresh"]), 401, "token_superseded")
    assert use(anybody, second["access"]).status_code == 200
    assert refresh(anybody, second["refresh"]).status_code == 200
    refused(refresh(anybody, "A" * 48), 401, "token_unknown")


def test_an_expired_token_asks_for_a_refresh(shared_server: LiveServer, anybody: httpx.Client) -> None:
    enrolled = enrol(anybody, code_for(shared_server, WORKER)).json()
    expire = "UPDATE session SET access_expires_at = now() - interval '1 second' WHERE device_id = $1"
    shared_server.sql(expire, enrolled["device"])
    refused(use(anybody, enrolled["access"]), 401, "token_expired")
    fresh = refresh(anybody, enrolled["refresh"]).json()
    assert use(anybody, fresh["access"]).status_code == 200


def test_too_many_failed_sign_ins_lock(shared_server: LiveServer, anybody: httpx.Client) -> None:
    shared_server.give_password(STREET_CADRE)
    wrong = {"grant": "password", "phone": STREET_CADRE.phone, "password": "wrong"}
    for _ in range(shared_server.settings.login_failures):
        refused(anybody.post("/v1/token", json=wrong), 401, "login_failed")
    right = anybody.post("/v1/token", json=wrong | {"password": PASSWORD})
    refused(right, 429, "login_locked")
    assert int(right.headers["retry-after"]) > 0


# 3. Catalogue and registry ---------------------------------------------------------------------------------


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from keys(one)
    elif isinstance(value, list):
        for one in value:
            yield from keys(one)


def test_the_catalogue_in_two_languages_or_in_one(shared_server: LiveServer) -> None:
    client = RawPhone(shared_server).client
    both, chinese = client.get("/v1/catalogue"), client.get("/v1/catalogue", params={"lang": "zh"})
    english = client.get("/v1/catalogue", params={"lang": "en"})
    assert {"name_zh", "name_en"} <= set(keys(both.json()))
    assert not any(key.endswith("_zh") or key.endswith("_en") for key in keys(chinese.json()))
    assert "消防隐患" in chinese.text
    assert "Fire hazards" not in chinese.text
    assert "消防隐患" not in english.text
    assert len({both.headers["etag"], chinese.headers["etag"], english.headers["etag"]}) == 3
    assert both.headers["catalogue-version"] == both.json()["catalogue_version"]


@pytest.mark.parametrize("path", ["/v1/catalogue", "/v1/registry"])
def test_what_is_held_is_not_sent_again(shared_server: LiveServer, path: str) -> None:
    client = RawPhone(shared_server).client
    etag = client.get(path).headers["etag"]
    for held in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        answer = client.get(path, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_registry_lists_the_grids_of_ones_scope(shared_server: LiveServer) -> None:
    worker = RawPhone(shared_server, WORKER).client.get("/v1/registry").json()
    chief = RawPhone(shared_server, CHIEF).client.get("/v1/registry").json()
    assert [grid["id"] for grid in worker["grids"]] == [str(grid_id(GRIDS[0]))]
    assert [grid["code"] for grid in chief["grids"]] == list(GRIDS[:2])
    (grid,) = worker["grids"]
    assert {"id", "code", "name", "community", "outline", "synthetic"} <= grid.keys()
    assert grid["synthetic"] is True
    west, east = min(p[0] for p in grid["outline"][0]), max(p[0] for p in grid["outline"][0])
    assert west < 117.905 < east


def test_a_phone_asks_for_what_changed_since_the_version_it_holds(shared_server: LiveServer) -> None:
    client = RawPhone(shared_server, CHIEF).client
    whole = client.get("/v1/registry").json()
    scope = [str(grid_id(code)) for code in GRIDS[:2]]
    assert (whole["since"], whole["scope"], len(whole["grids"])) == (None, scope, 2)
    held = client.get("/v1/registry", params={"since": whole["version"]}).json()
    assert held == {"version": whole["version"], "since": whole["version"], "scope": scope, "grids": []}
    later = client.get("/v1/registry", params={"since": whole["version"] + 1}).json()
    assert later == whole
    refused(client.get("/v1/registry", params={"since": "first"}), 400, "parameter_invalid")
