"""The whole loop as one story, over HTTP and at the command line, with the real jobs process.

A phone reports a fire hazard from a place without signal, and its answer is lost. The report is returned, corrected,
approved, dispatched, handled, verified on site and closed. Meanwhile two phones change one resident's name offline: the
conflict is settled at the command line, taken back and settled again, and both phones end with the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.builders import (
    CADRE,
    CHIEF,
    COUNTY,
    DISPATCHER,
    FIREMAN,
    GRIDS,
    MATE,
    WORKER,
    Person,
    form,
    grid_id,
    organisation,
    photo,
    picture,
)
from tests.integration.story_phone import StoryPhone
from tests.protocol.live import PASSWORD, LiveServer, fresh_server

HOME = GRIDS[0]
STREAM = f"grid/{grid_id(HOME)}"
PATIENCE = 60.0


class Desk:
    """Somebody signed in with his password."""

    def __init__(self, server: LiveServer, person: Person) -> None:
        server.give_password(person)
        self._client = server.client()
        pair = self.post("/v1/token", {"grant": "password", "phone": person.phone, "password": PASSWORD})
        self._client.headers["Authorization"] = f"Bearer {pair['access']}"

    def get(self, path: str) -> Any:
        return self._taken(self._client.get(path))

    def post(self, path: str, body: Any) -> Any:
        return self._taken(self._client.post(path, json=body))

    def act(self, item_id: UUID, action: str, leaving: str, **given: Any) -> Any:
        return self.post(f"/v1/cases/{item_id}", {"action": action, "from": leaving} | given)["case"]

    def decide(self, decision: str, **given: Any) -> Any:
        """Decide about the one submission in the queue."""
        (waiting,) = self.get("/v1/reviews?type=0401")["reviews"]
        named = {"item": waiting["item"]["id"], "version": waiting["item"]["version"], "rev": waiting["rev"]}
        (result,) = self.post("/v1/reviews", {"decisions": [named | {"decision": decision} | given]})["results"]
        return result

    def code_for(self, person: Person) -> str:
        return self.post("/v1/enrol/codes", {"user": str(person.id)})["codes"][0]["code"]

    @staticmethod
    def _taken(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def server(embedded: dict[str, str], template: str) -> Iterator[LiveServer]:
    with fresh_server(embedded, template) as running:
        yield running


@pytest.fixture
def jobs(server: LiveServer) -> Iterator[None]:
    """The process that checks photos."""
    process = subprocess.Popen([sys.executable, "-m", "server.jobs"], env=os.environ | server.environ)
    yield
    process.terminate()
    assert process.wait(PATIENCE) == 0


@pytest.fixture
def onegrid(server: LiveServer) -> Callable[..., Any]:
    """Runs `onegrid conflict …` as the community's cadre and gives its document."""

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "server.cli", "conflict", *arguments, "--as", CADRE.phone, "--json"]
        done = subprocess.run(command, env=os.environ | server.environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


def eventually(look: Callable[[], bool]) -> None:
    """Until it is so; a deadline, not a pause."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


@pytest.mark.usefixtures("jobs")
def test_a_report_from_a_place_without_signal_to_a_closed_case(server: LiveServer, onegrid: Callable[..., Any]) -> None:
    cadre, chief = Desk(server, CADRE), Desk(server, CHIEF)
    worker = StoryPhone(server, cadre.code_for(WORKER))
    mate = StoryPhone(server, cadre.code_for(MATE))
    resident = register_a_resident(worker, mate)
    conflict = edit_the_same_name_offline(worker, mate, resident, onegrid)

    hazard = report_and_lose_the_answer(server, worker)
    worker.send_photos(1, 2)
    return_and_correct(chief, worker, hazard)
    settle_undo_settle(onegrid, conflict, worker, mate, resident)

    eventually(lambda: photo_states(worker, hazard) == ["verified", "verified"])
    assert chief.decide("approve")["state"] == "approved"
    handle(server, hazard)
    close(server, worker, hazard)

    worker.sync()
    seen = worker.device.visible(hazard)
    assert seen is not None
    assert seen.review is not None
    assert seen.case is not None
    assert (seen.review.state, seen.case.state) == ("approved", "closed")
    assert_same_bytes(worker, mate)
    assert worker.device.repairs == mate.device.repairs == 0
    assert server.value("SELECT count(*) FROM conflict") == 1
    assert server.value("SELECT count(*) FROM quarantine") == 0


def register_a_resident(worker: StoryPhone, mate: StoryPhone) -> UUID:
    home = worker.create("0102", form("0102"), HOME)
    fields = form("0101") | {"name": "张三", "dwelling": str(home), "phone": "13800001234"}
    resident = worker.create("0101", fields, HOME)
    worker.seal()
    (receipt,) = worker.sync()
    assert [one.outcome for one in receipt.outcomes] == ["applied", "applied"]
    mate.sync()
    return resident


def edit_the_same_name_offline(
    worker: StoryPhone, mate: StoryPhone, resident: UUID, onegrid: Callable[..., Any]
) -> str:
    """The first to arrive is the current value; the other is parked, and the phone says so."""
    worker.edit(resident, HOME, name="张三丰")
    mate.edit(resident, HOME, name="张山")
    worker.seal()
    mate.seal()
    assert [receipt.outcomes[0].outcome for receipt in worker.sync()] == ["applied"]
    assert [receipt.outcomes[0].outcome for receipt in mate.sync()] == ["parked"]
    assert [parked.fields for parked in mate.device.parked()] == [{"name": "张山"}]
    assert worker.device.parked() == []
    (listed,) = onegrid("list")["conflicts"]
    assert (listed["kind"], [field["key"] for field in listed["fields"]]) == ("update_update", ["name"])
    return listed["id"]


def report_and_lose_the_answer(server: LiveServer, worker: StoryPhone) -> UUID:
    """Retrying is answered with the same receipt, and there is one item."""
    fields = form("0401") | {"description": "楼道堆放纸箱", "photos": [photo(1), photo(2)]}
    hazard = worker.create("0401", fields, HOME, urgency="normal")
    worker.seal()
    lost = worker.send_and_lose_the_answer().json()["receipts"]
    (receipt,) = worker.sync()
    assert [receipt.hash] == [one["hash"] for one in lost]
    assert receipt.outcomes[0].rev == lost[0]["outcomes"][0]["rev"]
    assert server.value("SELECT count(*) FROM revision WHERE item_id = $1", hazard) == 1
    return hazard


def return_and_correct(chief: Desk, worker: StoryPhone, hazard: UUID) -> None:
    returned = chief.decide("return", reason="facts_unclear", notes={"description": "请写明几楼"})
    assert returned["result"] == "done", returned
    worker.sync()
    (todo,) = worker.device.todos()
    assert (todo.item, todo.notes) == (hazard, {"description": "请写明几楼"})
    worker.edit(hazard, HOME, description="三楼楼道堆放纸箱")
    worker.seal()
    assert [receipt.outcomes[0].outcome for receipt in worker.sync()] == ["applied"]
    assert worker.device.todos() == []


def settle_undo_settle(
    onegrid: Callable[..., Any], conflict: str, worker: StoryPhone, mate: StoryPhone, resident: UUID
) -> None:
    shown = onegrid("show", conflict)
    assert shown["fields"][0]["masked"] is True
    revealed = onegrid("show", conflict, "--reveal", "--reason", "核对姓名")["fields"][0]
    assert [revealed[side] for side in ("base", "server", "incoming")] == ["张三", "张三丰", "张山"]
    assert onegrid("resolve", conflict, "--take", "incoming", "--reason", "电话核实")["state"] == "resolved"
    assert names(worker, mate, resident) == ["张山", "张山"]
    assert mate.device.parked() == []
    assert onegrid("undo", conflict, "--reason", "看错人")["state"] == "open"
    assert names(worker, mate, resident) == ["张三丰", "张三丰"]
    assert len(mate.device.parked()) == 1
    merged = onegrid("resolve", conflict, "--take", "merge", "--set", "name=张珊", "--reason", "以身份证为准")
    assert merged["state"] == "resolved"
    assert names(worker, mate, resident) == ["张珊", "张珊"]
    assert mate.device.parked() == []


def names(worker: StoryPhone, mate: StoryPhone, resident: UUID) -> list[str]:
    """What both phones show, once they have synced."""
    found: list[str] = []
    for phone in (worker, mate):
        phone.sync()
        seen = phone.device.visible(resident)
        assert seen is not None
        found.append(seen.fields["name"])
    return found


def photo_states(phone: StoryPhone, item_id: UUID, role: str = "report") -> list[str]:
    phone.sync()
    seen = phone.device.visible(item_id)
    return [one.state for one in seen.evidence if one.role == role] if seen else []


def handle(server: LiveServer, hazard: UUID) -> None:
    """The desk files it and sends it to the fire brigade, who sign, deal with it and photograph the result."""
    dispatcher, fireman = Desk(server, DISPATCHER), Desk(server, FIREMAN)
    assert dispatcher.act(hazard, "accept", "reported")["state"] == "accepted"
    sent = dispatcher.act(hazard, "dispatch", "accepted", department="xiaofang")
    assert sent["organisation"]["id"] == str(organisation("xiaofang", COUNTY).id)
    assert fireman.act(hazard, "sign", "dispatched")["state"] == "signed"
    after = {key: photo(3)[key] for key in ("sha256", "size")}
    (declared,) = fireman.post("/v1/evidence", {"photos": [after]})["photos"]
    httpx.put(declared["upload"]["url"], content=picture(3)).raise_for_status()
    (stored,) = fireman.post("/v1/evidence/uploaded", {"uploads": [declared["upload"]["id"]]})["photos"]
    assert stored["state"] == "stored"
    assert fireman.act(hazard, "handle", "signed", photos=[after])["state"] == "handled"


def close(server: LiveServer, worker: StoryPhone, hazard: UUID) -> None:
    """The worker looks at the place himself; the desk closes the case."""
    eventually(lambda: photo_states(worker, hazard, "close") == ["verified"])
    assert worker.act(hazard, "verify", "handled")["case"]["state"] == "verified"
    closed = Desk(server, DISPATCHER).act(hazard, "close", "verified")
    assert (closed["state"], closed["overdue"]) == ("closed", [])


def assert_same_bytes(worker: StoryPhone, mate: StoryPhone) -> None:
    """Each phone's memory and a fresh pull of each agree, entry for entry and byte for byte."""
    worker.sync()
    mate.sync()
    assert worker.device.memberships()[STREAM] == mate.device.memberships()[STREAM]
    assert worker.whole_stream(STREAM) == mate.whole_stream(STREAM)
    entries, digest = mate.whole_stream(STREAM)
    assert len(entries) == 3
    assert digest == worker.device.digest(STREAM) == mate.device.digest(STREAM)
