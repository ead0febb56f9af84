"""docs/protocol.md, section 2: a device that the database has forgotten comes back for its ticket."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.builders import WORKER
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import refused
from tests.protocol.test_sign_in import code_for, enrol, refresh, use

INSTALL = "install-of-the-app"


@pytest.fixture
def anybody(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


@pytest.fixture
def enrolled(shared_server: LiveServer, anybody: httpx.Client) -> dict[str, Any]:
    """A device that has used its first tokens."""
    answer = enrol(anybody, code_for(shared_server, WORKER), INSTALL).json()
    assert use(anybody, answer["access"]).status_code == 200
    return answer


def forget(server: LiveServer, device: str) -> None:
    """As a backup from before the enrolment would have it."""
    server.sql("DELETE FROM session WHERE device_id = $1", device)
    server.sql(
        "UPDATE enrolment_code SET used_at = NULL, install = NULL, device_id = NULL WHERE device_id = $1", device
    )
    server.sql("DELETE FROM device WHERE id = $1", device)


def come_back(client: httpx.Client, ticket: str, install: str = INSTALL, **more: str) -> httpx.Response:
    return client.post("/v1/enrol", json={"ticket": ticket, "install": install} | more)


def test_a_forgotten_device_returns_as_what_it_was(
    shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]
) -> None:
    since = shared_server.value("SELECT enrolled_at FROM device WHERE id = $1", enrolled["device"])
    forget(shared_server, enrolled["device"])
    refused(refresh(anybody, enrolled["refresh"]), 401, "token_unknown")
    answer = come_back(anybody, enrolled["ticket"], name="红米", app="2.0")
    assert answer.status_code == 200, answer.text
    returned = answer.json()
    same = ("device", "user", "name", "roles", "epoch", "ticket")
    assert {key: returned[key] for key in same} == {key: enrolled[key] for key in same}
    assert use(anybody, returned["access"]).status_code == 200
    (row,) = shared_server.sql("SELECT * FROM device WHERE id = $1", enrolled["device"])
    assert (row["enrolled_at"], row["name"], row["app"]) == (since, "红米", "2.0")
    acts = shared_server.sql(
        "SELECT actor_id FROM audit WHERE action = 'device.returned' AND subject_id = $1", str(row["id"])
    )
    assert [act["actor_id"] for act in acts] == [WORKER.id]


def test_its_old_tokens_stay_dead(shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]) -> None:
    forget(shared_server, enrolled["device"])
    returned = come_back(anybody, enrolled["ticket"]).json()
    assert returned["refresh"] != enrolled["refresh"]
    refused(use(anybody, enrolled["access"]), 401, "token_unknown")
    refused(refresh(anybody, enrolled["refresh"]), 401, "token_unknown")


def test_the_same_return_is_answered_alike_until_a_token_is_used(
    shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]
) -> None:
    forget(shared_server, enrolled["device"])
    with ThreadPoolExecutor(5) as at_once:
        answers = list(at_once.map(lambda _: come_back(anybody, enrolled["ticket"]), range(5)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({answer.text for answer in answers}) == 1
    assert come_back(anybody, enrolled["ticket"]).json() == answers[0].json()
    assert use(anybody, answers[0].json()["access"]).status_code == 200
    refused(come_back(anybody, enrolled["ticket"]), 409, "device_known")
    returns = "SELECT count(*) FROM audit WHERE action = 'device.returned' AND subject_id = $1"
    assert shared_server.value(returns, enrolled["device"]) == 1


def test_a_ticket_opens_nothing_while_the_device_is_known(
    shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]
) -> None:
    refused(come_back(anybody, enrolled["ticket"]), 409, "device_known")
    unused = enrol(anybody, code_for(shared_server, WORKER), INSTALL).json()
    refused(come_back(anybody, unused["ticket"]), 409, "device_known")
    assert use(anybody, unused["access"]).status_code == 200


def test_nor_for_a_revoked_device(shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]) -> None:
    revoke = "UPDATE device SET revoked_at = now() WHERE id = $1"
    shared_server.sql(revoke, enrolled["device"])
    refused(come_back(anybody, enrolled["ticket"]), 409, "device_known")
    forget(shared_server, enrolled["device"])
    assert come_back(anybody, enrolled["ticket"]).status_code == 200
    shared_server.sql(revoke, enrolled["device"])
    refused(come_back(anybody, enrolled["ticket"]), 409, "device_known")


def test_a_ticket_is_bound_to_its_installation(
    shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]
) -> None:
    forget(shared_server, enrolled["device"])
    refused(come_back(anybody, enrolled["ticket"], "another-install"), 400, "ticket_invalid")
    assert shared_server.value("SELECT count(*) FROM device WHERE id = $1", enrolled["device"]) == 0


def test_no_byte_of_a_ticket_may_differ(
    shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]
) -> None:
    forget(shared_server, enrolled["device"])
    ticket = enrolled["ticket"]
    assert len(ticket) <= 400
    raw = base64.urlsafe_b64decode(ticket)
    for place in range(len(raw)):
        altered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        refused(come_back(anybody, base64.urlsafe_b64encode(altered).decode()), 400, "ticket_invalid")
    for forged in (ticket[:-1], ticket + "A", ticket + "AAAA", ticket[:-4], "A" * 100, "A" * 20):
        refused(come_back(anybody, forged), 400, "ticket_invalid")
    assert come_back(anybody, ticket).status_code == 200


def test_the_device_of_who_has_left_comes_back_to_send_and_is_given_nothing(
    shared_server: LiveServer, anybody: httpx.Client, enrolled: dict[str, Any]
) -> None:
    forget(shared_server, enrolled["device"])
    leave = "UPDATE users SET left_at = CASE WHEN $2 THEN now() END WHERE id = $1"
    shared_server.sql(leave, WORKER.id, True)
    try:
        answer = come_back(anybody, enrolled["ticket"])
        assert (answer.status_code, answer.json()["device"]) == (200, enrolled["device"])
        signed_in = {"Authorization": f"Bearer {answer.json()['access']}"}
        refused(anybody.get("/v1/registry", headers=signed_in), 403, "forbidden")
    finally:
        shared_server.sql(leave, WORKER.id, False)


@pytest.mark.parametrize("body", [{}, {"code": "AAAAAAAAAAAA", "ticket": "A" * 100}, {"code": None, "ticket": None}])
def test_either_a_code_or_a_ticket(anybody: httpx.Client, body: dict[str, Any]) -> None:
    refused(anybody.post("/v1/enrol", json=body | {"install": INSTALL}), 400, "parameter_invalid")
