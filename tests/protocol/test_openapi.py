"""Every operation of /schema/openapi.json by Schemathesis: generated requests, each with a token of every role.

Checked of each answer: no 5xx, a documented status, content type and body. Operations that need something to act on
are also asked with what was prepared for them, so that each reaches a success. The number of generated requests is a
few for each operation; `ONEGRID_TEST_SCHEMATHESIS=200` tries that many of each kind and takes minutes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.api.uploads import OFFSET_STREAM
from tests.integration.uploads_scene import announced
from tests.protocol.live import fresh_server
from tests.protocol.rawphone import compact, create, is_problem
from tests.protocol.roles import Inhabited, password_grant

pytestmark = pytest.mark.long

EXAMPLES = int(os.environ.get("ONEGRID_TEST_SCHEMATHESIS", "4"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TUS = {"Tus-Resumable": "1.0.0"}
schemathesis.serializer.alias(OFFSET_STREAM, "application/octet-stream")
Prepared = Callable[[Inhabited], tuple[str, dict[str, Any]]]


def plain(role: str = "worker", **given: Any) -> Prepared:
    return lambda city: (role, given)


def with_photo(city: Inhabited) -> tuple[str, dict[str, Any]]:
    one = city.verified_photo()
    return "worker", {"path_parameters": {"photo": f"{one['sha256']}-{one['size']}"}}


def resumed(body: bytes | None = None, **headers: str) -> Prepared:
    def prepare(city: Inhabited) -> tuple[str, dict[str, Any]]:
        parts = {"path_parameters": {"upload_id": city.open_upload()}, "headers": TUS | headers}
        return "worker", parts if body is None else parts | {"body": body}

    return prepare


def on_case(city: Inhabited) -> dict[str, Any]:
    return {"path_parameters": {"item_id": city.approved()["item"]}}


def undone(city: Inhabited) -> tuple[str, dict[str, Any]]:
    return "chief at a desk", {"body": {"items": [city.approved()], "reason": "看错"}}


def refreshed(city: Inhabited) -> tuple[str, dict[str, Any]]:
    pair = city.ask("community", "POST", "/v1/token", password_grant())
    return "community", {"body": {"grant": "refresh", "refresh": pair["refresh"]}}


def forked(city: Inhabited) -> tuple[str, dict[str, Any]]:
    phone = city.phones["worker"]
    phone.push(create())
    other = compact(phone.change_set([create()], no=phone.no))
    phone.exchange(other, first=phone.no)
    return "worker", {"body": {"install": "install-2", "refused": {"no": phone.no, "hash": sha256(other).hexdigest()}}}


PREPARED: dict[str, list[Prepared]] = {
    "POST /v1/enrol": [lambda city: ("worker", {"body": {"code": city.code(), "install": "install-1"}})],
    "POST /v1/enrol/fork": [forked],
    "POST /v1/enrol/codes": [plain("administrator", body={"count": 2})],
    "POST /v1/token": [plain("community", body=password_grant()), refreshed],
    "GET /v1/catalogue": [plain(), plain("auditor", query={"lang": "en"})],
    "GET /v1/registry": [plain("community"), plain(query={"since": 0})],
    "GET /v1/exchange": [
        plain(query={"mark": "x"}),
        lambda city: ("rider", {"query": {"mark": city.phones["rider"].pull()["mark"]}}),
    ],
    "GET /v1/exchange/dictionary": [plain()],
    "GET /v1/events": [plain(query={"wait": 0}), plain("community", query={"wait": 0})],
    "POST /v1/exchange": [lambda city: ("chief", {"body": city.phones["chief"].header()})],
    "POST /v1/evidence": [plain(body={"photos": [{"sha256": "ab" * 32, "size": 5}]})],
    "POST /v1/evidence/uploaded": [lambda city: ("worker", {"body": {"uploads": [city.open_upload()]}})],
    "GET /v1/evidence/{photo}": [with_photo],
    "POST /v1/uploads": [plain(headers=TUS | announced(b"a photo"))],
    "GET /v1/uploads/{upload_id}": [resumed()],
    "PATCH /v1/uploads/{upload_id}": [resumed(b"a", **{"Upload-Offset": "0"})],
    "DELETE /v1/uploads/{upload_id}": [resumed()],
    "GET /v1/items": [plain("community"), plain("chief at a desk", query={"type": "0401", "limit": 1})],
    "GET /v1/items/{item_id}": [
        lambda city: ("community", {"path_parameters": {"item_id": city.report(photos=[])["item"]}})
    ],
    "POST /v1/items/{item_id}/reveal": [
        lambda city: (
            "community",
            {"path_parameters": {"item_id": city.report(photos=[])["item"]}, "body": {"reason": "核对"}},
        )
    ],
    "GET /v1/items/search": [plain("community", query={"q": "百货"})],
    "POST /v1/items/search": [plain("community", body={"phone": "13855012345"})],
    "GET /v1/reviews": [plain("chief at a desk")],
    "POST /v1/reviews": [
        lambda city: ("chief at a desk", {"body": {"decisions": [city.report() | {"decision": "approve"}]}})
    ],
    "POST /v1/reviews/undo": [undone],
    "GET /v1/cases": [plain("dispatcher")],
    "GET /v1/cases/{item_id}": [lambda city: ("dispatcher", on_case(city))],
    "POST /v1/cases/{item_id}": [
        lambda city: ("dispatcher", on_case(city) | {"body": {"action": "accept", "from": "reported"}})
    ],
    "GET /v1/organisations": [plain("dispatcher")],
    "GET /health/live": [plain()],
    "GET /health/ready": [plain()],
    "GET /metrics": [plain()],
    "GET /errors/{code}": [plain(path_parameters={"code": "not_found"})],
}
# Nothing that could be sent to these is wrong: no parameters, or any text at all.
NEVER_WRONG = (
    *("GET /health/live", "GET /health/ready", "GET /metrics", "GET /errors/{code}"),
    "GET /v1/exchange/dictionary",
)
OPEN_TO_ALL = (
    *("POST /v1/enrol", "POST /v1/enrol/fork", "POST /v1/token"),
    *("GET /health/live", "GET /health/ready", "GET /metrics"),
)


@pytest.fixture(scope="module")
def city(embedded: dict[str, str], template: str) -> Iterator[Inhabited]:
    with fresh_server(embedded, template) as server:
        yield Inhabited(server)


@pytest.fixture(scope="module")
def operations(city: Inhabited) -> dict[str, Any]:
    """By label, such as `GET /v1/items`."""
    schema = schemathesis.openapi.from_url(f"{city.server.url}/schema/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.label: operation for operation in found}


@pytest.fixture(scope="module")
def successes() -> Iterator[Counter[str]]:
    """How many 2xx each operation reached; printed at the end."""
    counted: Counter[str] = Counter()
    yield counted
    print("\n" + "\n".join(f"{counted[label]:6} 2xx  {label}" for label in PREPARED))


def aim(city: Inhabited, target: dict[str, Any], case: Any, role: str | None) -> None:
    """Point a generated request at something that exists, which no generator would guess."""
    if "item_id" in (case.path_parameters or {}):
        case.path_parameters["item_id"] = target["item"]
    body = case.body if isinstance(case.body, dict) else {}
    if "device" in body and role in city.phones:
        body |= {"device": city.phones[role].id, "cursors": {}}
    for named in [*body.get("decisions", []), *body.get("items", [])]:
        if isinstance(named, dict):
            named |= target


def media_type(operation: Any) -> str:
    """JSON, but where the bytes of a photo are meant."""
    return next((one.media_type for one in operation.body if one.media_type == OFFSET_STREAM), "application/json")


def ask(city: Inhabited, case: Any, role: str | None) -> int:
    """Send it with a role's token, and hold the answer against the document."""
    headers = {"Authorization": "Bearer AAAAAAAAAAAAAAAAAAAAAA"} if role is None else city.tokens[role]
    if case.operation.label == "GET /v1/events" and isinstance(case.query.setdefault("wait", 0), int):
        # It would wait for as long as it was told.
        case.query["wait"] = min(case.query["wait"], 0)
    response = case.call(base_url=city.server.url, headers=headers, timeout=30)
    case.validate_response(response, checks=CHECKS)
    return response.status_code


def try_each(cases: Any, use: Callable[[Any], None]) -> None:
    """Use as many of the generated requests as the settings say."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def generated(case: Any) -> None:
        use(case)

    generated()


def test_the_document_names_exactly_these_operations(operations: dict[str, Any]) -> None:
    assert sorted(operations) == sorted(PREPARED)


@pytest.mark.parametrize("label", PREPARED)
def test_an_operation_answers_as_documented(
    city: Inhabited, operations: dict[str, Any], successes: Counter[str], label: str
) -> None:
    operation = operations[label]
    for prepare in PREPARED[label]:
        role, given_parts = prepare(city)
        media = {"media_type": media_type(operation)} if "body" in given_parts else {}
        status = ask(city, operation.Case(**given_parts, **media), role)
        assert 200 <= status < 300, (status, given_parts)
        successes[label] += 1
    roles = ["worker", None] if label in OPEN_TO_ALL else [*city.tokens, None]
    media = {"media_type": media_type(operation)} if operation.body else {}
    target = city.report(photos=[]) if label not in OPEN_TO_ALL else {}

    def right(case: Any) -> None:
        for role in roles:
            aim(city, target, case, role)
            successes[label] += 200 <= ask(city, case, role) < 300

    def wrong(case: Any) -> None:
        for role in roles:
            successes[label] += 200 <= ask(city, case, role) < 300

    try_each(operation.as_strategy(generation_mode=GenerationMode.POSITIVE, **media), right)
    if label not in NEVER_WRONG:
        try_each(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, **media), wrong)
    assert successes[label] > 0


def test_every_refusal_of_a_role_is_a_problem_document(city: Inhabited) -> None:
    """A desk's token on the device's routes, a device's on a desk's, and none at all."""
    with city.server.client() as client:
        for role, headers in city.tokens.items():
            for method, path in (("GET", "/v1/exchange?mark=x"), ("POST", "/v1/enrol/codes"), ("POST", "/v1/reviews")):
                answer = client.request(method, path, headers=headers, json={})
                assert answer.is_success or is_problem(answer), (role, path)
