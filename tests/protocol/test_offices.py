"""docs/protocol.md, sections 6 and 7: photos, reviews, cases and items, each promise as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.builders import (
    AUDITOR,
    CADRE,
    CHIEF,
    DISPATCHER,
    FIREMAN,
    MATE,
    SECOND_CHIEF,
    WEST_CADRE,
    WEST_WORKER,
    WORKER,
    Person,
    photo,
    picture,
)
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import RawPhone, create, refused, update

PHOTO = {key: photo(1)[key] for key in ("sha256", "size")}
PATH = f"/v1/evidence/{PHOTO['sha256']}-{PHOTO['size']}"


@pytest.fixture
def worker(server: LiveServer) -> RawPhone:
    return RawPhone(server, WORKER)


class Offices:
    """Clients of people at desks."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._clients: dict[Person, httpx.Client] = {}

    def __getitem__(self, person: Person) -> httpx.Client:
        if person not in self._clients:
            self._clients[person] = self._server.client(self._server.sign_in(person))
        return self._clients[person]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.fixture
def offices(server: LiveServer) -> Iterator[Offices]:
    opened = Offices(server)
    yield opened
    opened.close()


def hazard(worker: RawPhone, *photos: int) -> dict[str, Any]:
    """A reported hazard, named as a reviewer names it."""
    made = create("0401", photos=[photo(number) for number in photos]) | {"urgency": "normal"}
    (outcome,) = worker.push(made)["outcomes"]
    assert outcome["outcome"] == "applied", outcome
    return {key: outcome[key] for key in ("item", "version", "rev")}


def declare(phone: RawPhone, *photos: dict[str, Any]) -> list[dict[str, Any]]:
    answer = phone.client.post("/v1/evidence", json={"photos": list(photos)})
    assert answer.status_code == 200, answer.text
    return answer.json()["photos"]


def uploaded(phone: RawPhone, *ids: str) -> dict[str, Any]:
    return phone.client.post("/v1/evidence/uploaded", json={"uploads": list(ids)}).json()


def put(declared: dict[str, Any], content: bytes) -> None:
    httpx.put(declared["upload"]["url"], content=content).raise_for_status()


def photo_state(phone: RawPhone, item: str) -> str:
    entries = [entry for page in phone.pull()["streams"] for entry in page["entries"] if entry["id"] == item]
    return entries[0]["item"].get("photos", ["declared"])[0]


# 6. Evidence -----------------------------------------------------------------------------------------------


def test_a_photo_from_declaration_to_reading(server: LiveServer, worker: RawPhone, offices: Offices) -> None:
    item = hazard(worker, 1)["item"]
    assert photo_state(worker, item) == "declared"
    (declared,) = declare(worker, PHOTO)
    assert declared["state"] == "uploading"
    assert declared["upload"].keys() == {"id", "url", "expires_at"}
    assert photo_state(worker, item) == "declared"
    put(declared, picture(1))
    told = uploaded(worker, declared["upload"]["id"])
    assert [(one["state"], one["upload"]) for one in told["photos"]] == [("stored", declared["upload"]["id"])]
    assert photo_state(worker, item) == "declared"
    refused(worker.client.get(PATH), 409, "evidence_not_verified")
    server.check_photos()
    assert photo_state(worker, item) == "verified"
    for thumbnail in (False, True):
        address = worker.client.get(PATH, params={"thumbnail": thumbnail}).json()
        read = httpx.get(address["url"])
        assert read.headers["content-type"] == address["media_type"]
        assert thumbnail or read.content == picture(1)
    audited = server.sql("SELECT actor_id, subject_id FROM audit WHERE action = 'evidence.read'")
    assert [tuple(row) for row in audited] == [(WORKER.id, PATH.rpartition("/")[2])] * 2
    for stranger in (WEST_CADRE, AUDITOR):
        refused(offices[stranger].get(PATH), 404, "evidence_unknown")


def test_a_photo_that_somebody_has_sent_is_not_asked_for_again(server: LiveServer, worker: RawPhone) -> None:
    mate = RawPhone(server, MATE)
    (declared,) = declare(worker, PHOTO)
    assert declare(worker, PHOTO)[0]["upload"]["id"] == declared["upload"]["id"]
    put(declared, picture(1))
    uploaded(worker, declared["upload"]["id"])
    (theirs,) = declare(mate, PHOTO)
    assert (theirs["state"], theirs["upload"]) == ("stored", None)


def test_what_did_not_arrive_is_said_and_what_was_never_given_out(worker: RawPhone, server: LiveServer) -> None:
    (declared,) = declare(worker, PHOTO)
    (foreign,) = declare(RawPhone(server, MATE), {"sha256": "cd" * 32, "size": 9})
    strange = [str(uuid4()), foreign["upload"]["id"]]
    told = uploaded(worker, declared["upload"]["id"], *strange)
    assert [(one["code"], one["state"]) for one in told["photos"]] == [("upload_missing", "uploading")]
    assert told["unknown"] == strange


def test_a_refused_photo_may_be_sent_again(server: LiveServer, worker: RawPhone) -> None:
    item = hazard(worker, 1)["item"]
    (declared,) = declare(worker, PHOTO)
    put(declared, bytes(PHOTO["size"]))
    uploaded(worker, declared["upload"]["id"])
    server.check_photos()
    assert photo_state(worker, item) == "refused"
    (again,) = declare(worker, PHOTO)
    put(again, picture(1))
    uploaded(worker, again["upload"]["id"])
    server.check_photos()
    assert photo_state(worker, item) == "verified"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"photos": []}, {"photos": [PHOTO] * 101}, {"photos": [PHOTO | {"size": 0}]},
        {"photos": [PHOTO | {"size": 2**53}]}, {"photos": [PHOTO | {"sha256": "AB" * 32}]}, {"photos": "x"}, [],
    ],
)  # fmt: skip
def test_declarations_that_are_none(worker: RawPhone, server: LiveServer, body: Any) -> None:
    refused(worker.client.post("/v1/evidence", json=body), 400, "parameter_invalid")
    assert server.counts("evidence", "upload") == {"evidence": 0, "upload": 0}


# 7. Reviews, cases, items ----------------------------------------------------------------------------------


def decide(client: httpx.Client, *decisions: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post("/v1/reviews", json={"decisions": list(decisions)})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def verified_hazard(server: LiveServer, worker: RawPhone) -> dict[str, Any]:
    seen = hazard(worker, 1)
    (declared,) = declare(worker, PHOTO)
    if declared["upload"]:
        put(declared, picture(1))
        uploaded(worker, declared["upload"]["id"])
        server.check_photos()
    return seen


def test_a_queue_holds_what_its_reader_may_decide(server: LiveServer, worker: RawPhone, offices: Offices) -> None:
    seen = hazard(worker)
    for person, expected in ((CHIEF, [seen["item"]]), (SECOND_CHIEF, [seen["item"]]), (WEST_CADRE, []), (AUDITOR, [])):
        found = offices[person].get("/v1/reviews", params={"type": "0401"}).json()["reviews"]
        assert [one["item"]["id"] for one in found] == expected


def test_each_decision_has_its_own_result(server: LiveServer, worker: RawPhone, offices: Offices) -> None:
    good, stale, late = (verified_hazard(server, worker) for _ in range(3))
    results = decide(
        offices[CHIEF],
        good | {"decision": "approve"},
        stale | {"decision": "approve", "rev": "0" * 16},
        late | {"decision": "return", "reason": "no_such_reason"},
        {"item": str(uuid4()), "version": 1, "rev": "0" * 16, "decision": "approve"},
        good | {"decision": "approve"},
    )
    assert [(one["result"], one.get("code")) for one in results] == [
        ("done", None),
        ("refused", "late_transition"),
        ("refused", "reason_unknown"),
        ("refused", "not_found"),
        ("refused", "late_transition"),
    ]


def test_at_most_two_hundred_at_once(worker: RawPhone, offices: Offices) -> None:
    one = hazard(worker) | {"decision": "approve"}
    answer = offices[CHIEF].post("/v1/reviews", json={"decisions": [one] * 201})
    refused(answer, 400, "parameter_invalid")
    assert len(decide(offices[CHIEF], *[one] * 200)) == 200


def test_an_approval_is_taken_back_while_nothing_was_built_on_it(
    server: LiveServer, worker: RawPhone, offices: Offices
) -> None:
    seen = verified_hazard(server, worker)
    undo = {"items": [seen], "reason": "看错"}
    decide(offices[CHIEF], seen | {"decision": "approve"})
    (others,) = offices[SECOND_CHIEF].post("/v1/reviews/undo", json=undo).json()["results"]
    assert others["result"] == "refused"
    assert offices[CHIEF].post("/v1/reviews/undo", json=undo).json()["results"][0]["result"] == "done"
    decide(offices[CHIEF], seen | {"decision": "approve"})
    act(offices[DISPATCHER], seen["item"], "accept", "reported")
    (late,) = offices[CHIEF].post("/v1/reviews/undo", json=undo).json()["results"]
    assert (late["result"], late["code"]) == ("refused", "undo_too_late")


def test_a_return_is_a_todo_until_an_update_resubmits(server: LiveServer, worker: RawPhone, offices: Offices) -> None:
    seen = hazard(worker)
    returned = {"decision": "return", "reason": "facts_unclear", "note": "再看", "notes": {"description": "几楼"}}
    (result,) = decide(offices[CHIEF], seen | returned)
    assert (result["result"], result["state"]) == ("done", "returned")
    (todo,) = todos(worker)
    assert {key: todo[key] for key in ("item", "reason", "note", "notes")} == {
        "item": seen["item"], "reason": "facts_unclear", "note": "再看", "notes": {"description": "几楼"},
    }  # fmt: skip
    assert todos(RawPhone(server, MATE)) == []
    named = {"item": seen["item"], "type": "0401"}
    worker.push(update(named, [seen["version"], seen["rev"]], description="三楼"))
    assert todos(worker) == []
    found = offices[CHIEF].get("/v1/reviews", params={"type": "0401"}).json()["reviews"]
    assert [(one["item"]["id"], one["item"]["version"]) for one in found] == [(seen["item"], 2)]


def todos(phone: RawPhone) -> list[dict[str, Any]]:
    entries = [entry for page in phone.pull()["streams"] for entry in page["entries"]]
    return [entry["notice"] for entry in entries if entry["kind"] == "todo" and "notice" in entry]


def act(client: httpx.Client, item: str, action: str, leaving: str, **given: Any) -> httpx.Response:
    return client.post(f"/v1/cases/{item}", json={"action": action, "from": leaving} | given)


def test_an_action_names_the_state_it_leaves(server: LiveServer, worker: RawPhone, offices: Offices) -> None:
    item = verified_hazard(server, worker)["item"]
    desk = offices[DISPATCHER]
    refused(act(desk, item, "accept", "reported"), 409, "review_pending")
    decide(offices[CHIEF], {**_seen(desk, item), "decision": "approve"})
    assert act(desk, item, "accept", "reported").status_code == 200
    refused(act(desk, item, "accept", "reported"), 409, "late_transition")
    refused(act(desk, item, "dispatch", "reported", department="xiaofang"), 409, "late_transition")
    assert act(desk, item, "dispatch", "accepted", department="xiaofang").status_code == 200
    assert [one["item"] for one in offices[FIREMAN].get("/v1/cases", params={"mine": True}).json()["cases"]] == [item]
    refused(act(desk, item, "nonsense", "dispatched"), 400, "parameter_invalid")


def _seen(client: httpx.Client, item: str) -> dict[str, Any]:
    found = client.get(f"/v1/items/{item}").json()["item"]
    return {"item": item, "version": found["version"], "rev": found["rev"]}


def test_what_one_may_not_read_is_not_found(server: LiveServer, worker: RawPhone, offices: Offices) -> None:
    item = hazard(worker)["item"]
    for path in (f"/v1/items/{item}", f"/v1/cases/{item}"):
        assert offices[CADRE].get(path).status_code == 200
        for stranger in (WEST_CADRE, AUDITOR):
            refused(offices[stranger].get(path), 404, "not_found")
        refused(RawPhone(server, WEST_WORKER).client.get(path), 404, "not_found")
        refused(offices[CADRE].get(path.replace(item, str(uuid4()))), 404, "not_found")
    listed = offices[CADRE].get("/v1/items").json()["items"]
    assert [one["id"] for one in listed] == [item]
    assert offices[WEST_CADRE].get("/v1/items").json() == {"items": [], "next": None}


def test_an_item_is_read_with_its_history(worker: RawPhone, offices: Offices) -> None:
    seen = hazard(worker)
    named = {"item": seen["item"], "type": "0401"}
    worker.push(update(named, [seen["version"], seen["rev"]], at_risk=2))
    history = offices[CADRE].get(f"/v1/items/{seen['item']}").json()["history"]
    assert sorted((one["version"], one["op"]) for one in history) == [(1, "create"), (2, "update")]
    assert {one["version"]: one["fields"] for one in history}[2] == {"at_risk": 2}
    assert {UUID(one["author"]) for one in history} == {WORKER.id}


def test_lists_are_paged(worker: RawPhone, offices: Offices) -> None:
    items = {hazard(worker)["item"] for _ in range(3)}
    found: list[str] = []
    cursor = None
    for _ in range(3):
        params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = offices[CADRE].get("/v1/items", params=params).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
    assert (set(found), len(found), cursor) == (items, 3, None)
    refused(offices[CADRE].get("/v1/items", params={"cursor": "x"}), 400, "parameter_invalid")
