"""Every other route under bad input: a problem document with a known code, never a 5xx, and nothing stored."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import CATALOGUE
from tests.builders import ADMINISTRATOR, CHIEF, DISPATCHER, WORKER
from tests.protocol.kept import nothing_stored
from tests.protocol.live import PASSWORD, LiveServer
from tests.protocol.rawphone import RawPhone, create, is_problem, refused
from tests.protocol.test_fuzz import BENDINGS, EXAMPLES, JUNK, bent

DEEP = 10_000
# One and the same in every test process: parameters name tests.
NOBODY = UUID(int=0xDEAD)
SEEN = {"item": str(NOBODY), "version": 1, "rev": "0" * 16}

# Route -> (whose token, a body that is taken).
ROUTES: dict[str, tuple[Any, dict[str, Any]]] = {
    "/v1/enrol": (None, {"code": "AAAAAAAAAAAA", "install": "install-1"}),
    "/v1/enrol/codes": (ADMINISTRATOR, {"user": str(WORKER.id), "count": 1}),
    "/v1/token": (None, {"grant": "refresh", "refresh": "A" * 48}),
    "/v1/evidence": (WORKER, {"photos": [{"sha256": "ab" * 32, "size": 5}]}),
    "/v1/evidence/uploaded": (WORKER, {"uploads": [str(NOBODY)]}),
    "/v1/reviews": (CHIEF, {"decisions": [SEEN | {"decision": "approve"}]}),
    "/v1/reviews/undo": (CHIEF, {"items": [SEEN], "reason": "看错"}),
    f"/v1/cases/{NOBODY}": (DISPATCHER, {"action": "accept", "from": "reported"}),
}


@pytest.fixture(scope="module")
def callers(shared_server: LiveServer) -> Iterator[dict[str, httpx.Client]]:
    """A client a route."""
    opened: dict[str, httpx.Client] = {}
    for path, (person, _) in ROUTES.items():
        opened[path] = shared_server.client(shared_server.sign_in(person) if person else None)
    yield opened
    for client in opened.values():
        client.close()


def post(client: httpx.Client, path: str, body: bytes, **headers: str) -> httpx.Response:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=body, headers={"Content-Type": "application/json"} | given_headers)


def unreadable(good: bytes) -> dict[bytes, tuple[int, str]]:
    """Bodies that are none of this route's, whichever it is."""
    key = good.split(b'"')[1]
    inside = good[:-1] + b', "x": '
    malformed = (400, "body_malformed")
    return {
        b"": (400, "parameter_invalid"),
        b"null": (400, "parameter_invalid"),
        b"[]": (400, "parameter_invalid"),
        b"{}": (400, "parameter_invalid"),
        b'"text"': (400, "parameter_invalid"),
        good[:-1]: malformed,
        good[: len(good) // 2]: malformed,
        good + b"}": malformed,
        b"hello": malformed,
        b"\xff\xfe\x00": malformed,
        good.decode().encode("utf-16"): malformed,
        b"[" * DEEP + b"]" * DEEP: malformed,
        inside + b"[" * DEEP + b"]" * DEEP + b"}": malformed,
        inside + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}": malformed,
        inside + b"1e400}": malformed,
        inside + b'"\xff"}': malformed,
        inside + b"NaN}": malformed,
        b'{"' + key + b'": null}': (400, "parameter_invalid"),
        b'{"' + key + b'": 1180591620717411303424}': (400, "parameter_invalid"),
    }


@pytest.mark.parametrize("path", ROUTES)
def test_bodies_that_cannot_be_read(shared_server: LiveServer, callers: dict[str, httpx.Client], path: str) -> None:
    good = json.dumps(ROUTES[path][1]).encode()
    with nothing_stored(shared_server):
        for body, (status, code) in unreadable(good).items():
            if path == "/v1/enrol/codes" and body in (b"{}", b'{"user": null}'):
                continue  # a wish for one code, for whoever has the fewest devices
            answer = post(callers[path], path, body)
            problem = is_problem(answer)
            assert (answer.status_code, problem["code"]) == (status, code), (body[:60], problem)


@pytest.mark.parametrize("path", ROUTES)
def test_text_that_cannot_be_stored(shared_server: LiveServer, callers: dict[str, httpx.Client], path: str) -> None:
    """NUL and halves of characters in place of every text of the body."""
    with nothing_stored(shared_server):
        for text in texts(ROUTES[path][1]):
            for bad in ("\\u0000", "\\ud800", "\\udc00x", text + "\\u0000"):
                body = json.dumps(ROUTES[path][1]).replace(json.dumps(text), f'"{bad}"').encode()
                assert is_problem(post(callers[path], path, body))["code"] in ("parameter_invalid", "body_malformed")


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("path", ROUTES)
def test_other_types_and_codings(shared_server: LiveServer, callers: dict[str, httpx.Client], path: str) -> None:
    good = json.dumps(ROUTES[path][1]).encode()
    with nothing_stored(shared_server):
        for media in ("text/plain", "application/msgpack", "multipart/form-data", "x"):
            refused(post(callers[path], path, good, Content_Type=media), 415, "encoding_unknown")
        for coding in ("gzip", "zstd", "br"):
            refused(post(callers[path], path, gzip.compress(good), Content_Encoding=coding), 415, "encoding_unknown")


@pytest.mark.parametrize("path", ROUTES)
def test_bodies_over_the_limit(shared_server: LiveServer, callers: dict[str, httpx.Client], path: str) -> None:
    with nothing_stored(shared_server):
        body = b'{"x":"' + b"x" * shared_server.settings.max_body_bytes + b'"}'
        refused(post(callers[path], path, body), 413, "body_too_large")


@pytest.mark.parametrize("path", [path for path, (person, _) in ROUTES.items() if person])
def test_nobody_without_a_token(shared_server: LiveServer, path: str) -> None:
    good = json.dumps(ROUTES[path][1]).encode()
    with shared_server.client() as stranger, nothing_stored(shared_server):
        refused(post(stranger, path, good), 401, "token_missing")
        refused(post(stranger, path, good, Authorization="Bearer x"), 401, "token_unknown")


QUERIES = [
    "/v1/items?limit=0", "/v1/items?limit=201", "/v1/items?limit=x", "/v1/items?limit=1e400",
    f"/v1/items?limit={2**70}",
    "/v1/items?type=x", "/v1/items?type=%00%00%00%00", "/v1/items?division=1", "/v1/items?review=x", "/v1/items?case=x",
    "/v1/items?cursor=%00", "/v1/items?cursor=" + "A" * 201, "/v1/items?cursor=%ff", "/v1/items?cursor=W10",
    "/v1/items?cursor=eyJhIjoxfQ", "/v1/reviews?cursor=e30", "/v1/reviews?limit=-1", "/v1/reviews?type=0401%00",
    "/v1/cases?overdue=perhaps", "/v1/cases?mine=2", "/v1/cases?case=x", "/v1/cases?cursor=W251bGxd",
    "/v1/organisations?department=X", "/v1/organisations?department=%f0%9f%8f%a0", "/v1/catalogue?lang=fr",
    "/v1/evidence/x", "/v1/evidence/" + "a" * 64 + "-0", "/v1/evidence/" + "a" * 64 + "-" + "9" * 30,
    "/v1/evidence/" + "a" * 64 + "-5?thumbnail=x",
]  # fmt: skip


@pytest.mark.parametrize("path", QUERIES)
def test_queries_that_are_wrong(callers: dict[str, httpx.Client], path: str) -> None:
    refused(callers["/v1/reviews"].get(path), 400, "parameter_invalid")


@pytest.mark.parametrize("path", [
    "/v1/items/x", "/v1/items/%00", "/v1/items/%ff", "/v1/items/" + "0" * 10_000, "/v1/cases/x", "/v1/cases/..%2f..",
    f"/v1/items/{NOBODY}", f"/v1/cases/{NOBODY}", "/v1/items/../items/x", "/v2/items", "/v1/items/%ed%a0%80",
])  # fmt: skip
def test_things_that_are_not_there(callers: dict[str, httpx.Client], path: str) -> None:
    refused(callers["/v1/reviews"].get(path), 404, "not_found")


def test_photos_of_other_sizes(callers: dict[str, httpx.Client]) -> None:
    for size in (1, 2**31, 999_999_999_999_999):
        refused(callers["/v1/reviews"].get(f"/v1/evidence/{'a' * 64}-{size}"), 404, "evidence_unknown")


def test_a_case_action_takes_only_what_it_can_store(server: LiveServer) -> None:
    """On a case that is there: what is wrong is refused, the case stays as it is, and a right action is taken."""
    worker = RawPhone(server, WORKER)
    made = create("0401") | {"urgency": "urgent"}
    worker.push(made)
    path = f"/v1/cases/{made['item']}"
    right = {"action": "accept", "from": "reported"}
    with server.client(server.sign_in(DISPATCHER)) as desk:
        with nothing_stored(server):
            for more in (
                *({"from": value} for value in ("closed", "", None, 5, "x" * 65, "\0")),
                *({"action": value} for value in ("explode", "", None, 5, [], "ACCEPT")),
                *(
                    {"until": value}
                    for value in ("tomorrow", "2026-01-01T00:00:00", "9999-12-31T23:59:59-10:00x", 10**18, [])
                ),
                *({"organisation": value} for value in ("x", 5, [])),
                *({"photos": value} for value in ("x", [5], [{"sha256": "ab" * 32, "size": 0}], [{}] * 21)),
                *({"note": value} for value in (5, "\0", "x" * 2_001)),
                {"mood": "good"},
            ):
                answer = desk.post(path, json=right | more)
                assert answer.status_code != 200, more
                assert is_problem(answer)["code"] in CATALOGUE, more
        assert desk.post(path, json=right).status_code == 200
        for far in ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59Z"):
            extension = {"action": "extend", "from": "accepted", "until": far, "reason": "weather", "note": "x"}
            assert is_problem(desk.post(path, json=extension))["code"] in CATALOGUE


@settings(max_examples=EXAMPLES)
@given(path=st.sampled_from(sorted(ROUTES)), bendings=BENDINGS)
def test_any_bytes(callers: dict[str, httpx.Client], path: str, bendings: Any) -> None:
    answer = post(callers[path], path, bent(json.dumps(ROUTES[path][1]).encode(), bendings))
    assert answer.status_code == 200 or is_problem(answer)["code"] in CATALOGUE


@settings(max_examples=EXAMPLES)
@given(path=st.sampled_from(sorted(ROUTES)), data=st.data(), junk=JUNK)
def test_any_value_in_any_place(callers: dict[str, httpx.Client], path: str, data: st.DataObject, junk: Any) -> None:
    body = json.loads(json.dumps(ROUTES[path][1]))
    place = data.draw(st.sampled_from(sorted(body)))
    if isinstance(body[place], list) and isinstance(body[place][0], dict) and data.draw(st.booleans()):
        body[place][0][data.draw(st.sampled_from(sorted(body[place][0])))] = junk
    else:
        body[place] = junk
    answer = post(callers[path], path, json.dumps(body).encode())
    assert answer.status_code == 200 or is_problem(answer)["code"] in CATALOGUE


def test_a_password_is_bytes_and_nothing_else(shared_server: LiveServer) -> None:
    """Long, odd or empty ones are refused and never break the sign-in of others."""
    shared_server.give_password(DISPATCHER)
    grant = {"grant": "password", "phone": DISPATCHER.phone}
    with shared_server.client() as client:
        for password, code in (
            ("", "parameter_invalid"),
            ("x" * 201, "parameter_invalid"),
            ("🙂" * 200, "login_failed"),
        ):
            assert is_problem(client.post("/v1/token", json=grant | {"password": password}))["code"] == code
        assert client.post("/v1/token", json=grant | {"password": PASSWORD}).status_code == 200
