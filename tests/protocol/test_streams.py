"""docs/protocol.md, section 5: streams, cursors, pages, digests, marks, and what the device says of itself."""

from __future__ import annotations

from functools import reduce
from operator import xor
from time import monotonic
from typing import Any

import pytest

from tests.builders import CHIEF, GRIDS, MATE, NEIGHBOUR, RIDER, WORKER, grid_id
from tests.protocol.bindings import entry_hash
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import RawPhone, as_base, compact, create, update

GRID = f"grid/{grid_id(GRIDS[0])}"


def streams(person: Any, *grids: str, restricted: bool = False) -> set[str]:
    codes = {f"grid/{grid_id(code)}" for code in grids}
    return codes | {key.replace("grid/", "restricted/") for key in codes if restricted} | {f"own/{person.id}"}


def page_of(answer: dict[str, Any], stream: str = GRID) -> dict[str, Any]:
    return next(page for page in answer["streams"] if page["stream"] == stream)


def cursors(answer: dict[str, Any]) -> dict[str, Any]:
    return {page["stream"]: page["cursor"] for page in answer["streams"]}


def digest(entries: list[dict[str, Any]]) -> str:
    present = [entry_hash(entry) for entry in entries if "item" in entry or "notice" in entry]
    return f"{reduce(xor, present, 0):016x}"


def test_which_streams_a_role_reads(server: LiveServer) -> None:
    expected = {
        WORKER: streams(WORKER, GRIDS[0]),
        NEIGHBOUR: streams(NEIGHBOUR, GRIDS[1]),
        CHIEF: streams(CHIEF, *GRIDS[:2], restricted=True),
        RIDER: streams(RIDER),
    }
    for person, keys in expected.items():
        answer = RawPhone(server, person).pull()
        assert set(answer["gained"]) == keys
        assert {page["stream"] for page in answer["streams"]} == keys
        assert all(page["entries"] == [] and page["digest"] == "0" * 16 for page in answer["streams"])


def test_what_is_restricted_reaches_the_chief_and_its_author_alone(server: LiveServer) -> None:
    worker, mate, chief = RawPhone(server, WORKER), RawPhone(server, MATE), RawPhone(server, CHIEF)
    (outcome,) = worker.push(create("0501"))["outcomes"]
    assert outcome["outcome"] == "applied", outcome
    found = {
        phone.person: [
            page["stream"] for page in phone.pull()["streams"] for entry in page["entries"] if "item" in entry
        ]
        for phone in (worker, mate, chief)
    }
    assert found == {
        WORKER: [f"own/{WORKER.id}"], MATE: [], CHIEF: [GRID.replace("grid/", "restricted/")],
    }  # fmt: skip


def test_scope_follows_the_assignments_as_they_are_now(server: LiveServer) -> None:
    phone = RawPhone(server, WORKER)
    known = cursors(phone.pull())
    move = "UPDATE assignment SET grid_id = $2 WHERE user_id = $1"
    server.sql(move, WORKER.id, grid_id(GRIDS[1]))
    answer = phone.pull(known)
    assert (answer["gained"], answer["lost"]) == ([f"grid/{grid_id(GRIDS[1])}"], [GRID])
    assert page_of(answer, answer["gained"][0])["cursor"] == [0, 0]


def test_an_answer_holds_the_effects_of_its_own_sets(server: LiveServer) -> None:
    phone = RawPhone(server)
    made = create()
    answer = phone.exchange(compact(phone.change_set([made])), first=1)
    (entry,) = page_of(answer)["entries"]
    assert (entry["id"], entry["rev"]) == (made["item"], answer["receipts"][0]["outcomes"][0]["rev"])


def test_a_cursor_brings_what_is_after_it(server: LiveServer) -> None:
    phone, mate = RawPhone(server), RawPhone(server, MATE)
    phone.push(create())
    known = cursors(mate.pull())
    made = create()
    phone.push(made)
    answer = mate.pull(known)
    assert [entry["id"] for entry in page_of(answer)["entries"]] == [made["item"]]
    assert page_of(answer)["entries"][0]["position"] == known[GRID][0] + 1
    assert mate.pull(cursors(answer) | {f"own/{MATE.id}": [0, 0]}).get("streams", []) == []


def test_an_entry_is_the_newest_state_of_an_object(server: LiveServer) -> None:
    phone = RawPhone(server)
    made = create()
    (outcome,) = phone.push(made)["outcomes"]
    phone.push(update(made, as_base(outcome), rooms_let=1))
    (entry,) = page_of(phone.pull())["entries"]
    assert (entry["version"], entry["item"]["fields"]["rooms_let"], entry["position"]) == (2, 1, 2)


def test_an_absence_has_no_body(server: LiveServer) -> None:
    phone, mate = RawPhone(server), RawPhone(server, MATE)
    made, other = create(), create()
    first, _ = phone.push(made, other)["outcomes"]
    before = mate.pull()
    phone.push(update(made, as_base(first)) | {"op": "delete"})
    (entry,) = page_of(mate.pull(cursors(before)))["entries"]
    assert entry.keys() == {"position", "kind", "id", "version", "rev", "touch"}
    assert entry["id"] == made["item"]
    fresh = page_of(mate.pull())
    assert [one["id"] for one in fresh["entries"]] == [other["item"]]
    assert fresh["digest"] == digest(fresh["entries"])


def test_pages_are_cut_by_bytes_and_add_up(server: LiveServer) -> None:
    """A digest is given only where `more` is absent, and a mark only where nothing is left."""
    phone = RawPhone(server)
    phone.push(*(create(unit_no=f"1-{number}") for number in range(12)))
    whole = page_of(phone.pull())
    known: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []
    for _ in range(13):
        answer = phone.pull(known, max_bytes=1_500)
        for page in answer["streams"]:
            assert ("digest" in page) is not page.get("more", False)
        page = page_of(answer)
        entries += page["entries"]
        assert ("mark" in answer) is not answer.get("more", False)
        if not answer.get("more"):
            break
        known |= cursors(answer)
    assert len(entries) == 12
    assert entries == whole["entries"]
    assert page["digest"] == whole["digest"] == digest(entries)


@pytest.mark.parametrize("deleted", [0, 1])
def test_the_digest_is_computed_as_written(server: LiveServer, deleted: int) -> None:
    phone = RawPhone(server)
    made = [create(unit_no=str(number)) for number in range(3)]
    outcomes = phone.push(*made)["outcomes"]
    for one, outcome in list(zip(made, outcomes, strict=True))[:deleted]:
        phone.push(update(one, as_base(outcome)) | {"op": "delete"})
    page = page_of(phone.pull())
    assert len(page["entries"]) == 3 - deleted
    assert page["digest"] == digest(page["entries"])
    stored = server.value("SELECT digest FROM stream WHERE key = $1", GRID)
    assert page["digest"] == f"{stored % 2**64:016x}"


def test_a_mark_says_that_nothing_is_new(server: LiveServer) -> None:
    phone, mate = RawPhone(server), RawPhone(server, MATE)
    mark = phone.pull()["mark"]

    def asked() -> int:
        return phone.client.get("/v1/exchange", params={"mark": mark}).status_code

    assert asked() == 204
    assert mate.client.get("/v1/exchange", params={"mark": mark}).status_code == 200
    mate.push(create("0102", GRIDS[1]))
    assert asked() == 204
    mate.push(create())
    assert asked() == 200
    mark = phone.pull()["mark"]
    assert asked() == 204
    server.sql("UPDATE assignment SET valid_to = now() WHERE user_id = $1", WORKER.id)
    # What is said from memory may be two seconds old, and has to travel.
    deadline = monotonic() + 3
    while asked() == 204:
        assert monotonic() < deadline
    assert asked() == 200


def test_in_another_epoch_cursors_mean_nothing_and_numbers_go_on(server: LiveServer) -> None:
    phone = RawPhone(server)
    phone.push(create())
    epoch = phone.pull()["epoch"]
    assert phone.pull(epoch=epoch)["epoch"] == epoch
    server.sql("INSERT INTO epoch (id, reason) VALUES ('epoch-of-test', 'restore')")
    answer = phone.exchange(compact(phone.change_set([create()])), first=2, epoch=epoch, cursors={GRID: [1, 1]})
    assert (answer["epoch"], answer["expected"]) == ("epoch-of-test", 2)
    assert not {"receipts", "gained", "lost", "streams", "mark"} & answer.keys()
    again = phone.exchange(compact(phone.change_set([create()], no=2)), first=2, epoch="epoch-of-test")
    assert [one["outcome"] for one in again["receipts"][0]["outcomes"]] == ["applied"]


def test_what_the_device_says_of_itself_is_noted(server: LiveServer) -> None:
    phone = RawPhone(server)
    phone.push(create())
    phone.pull(unsent=7, app="1.2.3", acknowledged=1)
    row = server.sql("SELECT unsent, app, last_exchange_at IS NOT NULL AS seen FROM device WHERE id = $1", phone.id)[0]
    assert tuple(row) == (7, "1.2.3", True)
    assert server.value("SELECT acknowledged FROM counter WHERE device_id = $1", phone.id) == 1
    phone.pull(acknowledged=2**53 - 1)
    assert server.value("SELECT acknowledged FROM counter WHERE device_id = $1", phone.id) == 1


def test_empty_fields_are_left_out(server: LiveServer) -> None:
    answer = RawPhone(server).pull()
    assert answer.keys() == {
        "epoch", "now", "expected", "safe_no", "catalogue", "registry", "gained", "streams", "mark",
    }  # fmt: skip
