"""docs/protocol.md, section 4: bases, captures, what becomes of a change, and by whose authority."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.builders import GRIDS, MATE, NEIGHBOUR, RIDER, WORKER, form, grid_id
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import RawPhone, as_base, compact, create, now, update


@pytest.fixture
def worker(shared_server: LiveServer) -> RawPhone:
    return RawPhone(shared_server, WORKER)


@pytest.fixture
def mate(shared_server: LiveServer) -> RawPhone:
    return RawPhone(shared_server, MATE)


def outcome(phone: RawPhone, *changes: Any) -> dict[str, Any]:
    """What became of the last of these changes."""
    return phone.push(*changes)["outcomes"][-1]


def fields_of(phone: RawPhone, item: str) -> dict[str, Any] | None:
    """The item's fields as a fresh pull shows them; None where it is absent."""
    entries = [entry for page in phone.pull()["streams"] for entry in page["entries"] if entry["id"] == item]
    return entries[0]["item"]["fields"] if entries else None


def parked(phone: RawPhone, item: str) -> list[dict[str, Any]]:
    """The fields that the phone is shown as parked."""
    notices = [entry["notice"] for page in phone.pull()["streams"] for entry in page["entries"] if "notice" in entry]
    return [notice["fields"] for notice in notices if (notice["kind"], notice["item"]) == ("parked", item)]


def made_by(phone: RawPhone, type_code: str = "0102", **fields: Any) -> tuple[dict[str, Any], list[Any]]:
    """A new item, and the base of an edit of it."""
    made = create(type_code, **fields)
    applied = outcome(phone, made)
    assert applied["outcome"] == "applied", applied
    return made, as_base(applied)


# Bases -----------------------------------------------------------------------------------------------------


def test_ones_own_unsent_edits_are_not_changes_of_others(worker: RawPhone) -> None:
    made, base = made_by(worker)
    for use in ("rented", "shared", "vacant"):
        assert outcome(worker, update(made, base, use=use))["outcome"] == "applied"
    assert fields_of(worker, made["item"])["use"] == "vacant"


def test_a_base_may_be_left_out_for_what_this_device_made_and_never_pulled(worker: RawPhone, mate: RawPhone) -> None:
    made, _ = made_by(worker)
    assert outcome(worker, update(made, None, rooms_let=1))["outcome"] == "applied"
    parked = outcome(mate, update(made, None, rooms_let=2))
    assert parked["outcome"] == "parked"
    assert fields_of(worker, made["item"])["rooms_let"] == 1


def test_a_base_that_never_was_is_never_taken_as_current(worker: RawPhone) -> None:
    made, base = made_by(worker)
    for wrong in ([1, "0" * 16], [2, base[1]], [99, base[1]]):
        parked = outcome(worker, update(made, wrong, rooms_let=2))
        assert parked["outcome"] == "parked"
    assert "rooms_let" not in fields_of(worker, made["item"])


def test_null_clears_a_field(worker: RawPhone) -> None:
    made, base = made_by(worker, rooms_let=2)
    assert outcome(worker, update(made, base, rooms_let=None))["outcome"] == "applied"
    assert "rooms_let" not in fields_of(worker, made["item"])


# Outcomes --------------------------------------------------------------------------------------------------


def test_what_is_already_so_is_applied_and_makes_no_revision(worker: RawPhone, shared_server: LiveServer) -> None:
    made, base = made_by(worker)
    again = outcome(worker, made)
    assert (again["outcome"], as_base(again)) == ("applied", base)
    other = outcome(worker, made | {"fields": made["fields"] | {"rooms_let": 5}})
    assert (other["outcome"], other["code"]) == ("quarantined", "item_exists")
    assert shared_server.value("SELECT count(*) FROM revision WHERE item_id = $1", UUID(made["item"])) == 1


def test_disjoint_edits_merge(worker: RawPhone, mate: RawPhone) -> None:
    made, base = made_by(worker)
    assert outcome(worker, update(made, base, rooms_let=2))["outcome"] == "applied"
    assert outcome(mate, update(made, base, gas_cylinder=True))["outcome"] == "merged"
    found = fields_of(worker, made["item"])
    assert (found["rooms_let"], found["gas_cylinder"]) == (2, True)


def test_an_overlap_with_the_same_value_is_none(worker: RawPhone, mate: RawPhone) -> None:
    made, base = made_by(worker)
    outcome(worker, update(made, base, address="甲"))
    assert outcome(mate, update(made, base, address="甲"))["outcome"] == "merged"


def test_manual_parks_that_field_and_applies_the_others(worker: RawPhone, mate: RawPhone) -> None:
    made, base = made_by(worker)
    outcome(worker, update(made, base, address="甲"))
    told = outcome(mate, update(made, base, address="乙", gas_cylinder=True))
    assert told["outcome"] == "parked"
    assert UUID(told["conflict"])
    found = fields_of(worker, made["item"])
    assert (found["address"], found["gas_cylinder"]) == ("甲", True)
    assert parked(mate, made["item"]) == [{"address": "乙"}]
    assert parked(worker, made["item"]) == []
    joined = outcome(mate, update(made, base, address="丙"))
    assert (joined["outcome"], joined["conflict"]) == ("parked", told["conflict"])
    assert parked(mate, made["item"]) == [{"address": "丙"}]


POLICIES: list[tuple[str, str, Any, Any, Any]] = [
    ("0102", "rooms_let", 2, 3, 3),
    ("0101", "remark", "甲", "乙", ["甲", "乙"]),
    ("0105", "checked_on", "2025-03-01", "2025-02-01", "2025-03-01"),
    ("0105", "checked_on", "2025-02-01", "2025-03-01", "2025-03-01"),
]


@pytest.mark.parametrize(("type_code", "key", "first", "second", "result"), POLICIES)
def test_policies_settle_overlaps(
    worker: RawPhone, mate: RawPhone, type_code: str, key: str, first: Any, second: Any, result: Any
) -> None:
    """lww, append, max; the later to arrive is the second."""
    more = {"dwelling": made_by(worker)[0]["item"]} if type_code == "0101" else {}
    made, base = made_by(worker, type_code, **more)
    assert outcome(worker, update(made, base, **{key: first}))["outcome"] == "applied"
    assert outcome(mate, update(made, base, **{key: second}))["outcome"] == "merged"
    found = fields_of(worker, made["item"])[key]
    assert all(part in found for part in result) if isinstance(result, list) else found == result


def test_lists_of_photos_unite(worker: RawPhone, mate: RawPhone) -> None:
    one, two = ({"sha256": digit * 64, "size": 5, "role": "report"} for digit in "ab")
    made, base = made_by(worker)
    outcome(worker, update(made, base, photos=[one]))
    assert outcome(mate, update(made, base, photos=[two]))["outcome"] == "merged"
    assert fields_of(worker, made["item"])["photos"] == [one, two]


def test_events_are_manual_throughout(worker: RawPhone, mate: RawPhone) -> None:
    made, base = made_by(worker, "0401")
    outcome(worker, update(made, base, at_risk=3))
    assert outcome(mate, update(made, base, at_risk=4))["outcome"] == "parked"


def test_deleting_what_others_edited_is_parked(worker: RawPhone, mate: RawPhone) -> None:
    made, base = made_by(worker)
    outcome(worker, update(made, base, rooms_let=2))
    deletion = update(made, base) | {"op": "delete"}
    assert outcome(mate, deletion)["outcome"] == "parked"
    assert fields_of(worker, made["item"])["rooms_let"] == 2


def test_editing_what_others_deleted_is_parked(worker: RawPhone, mate: RawPhone) -> None:
    made, base = made_by(worker)
    assert outcome(worker, update(made, base) | {"op": "delete"})["outcome"] == "applied"
    assert outcome(mate, update(made, base, rooms_let=2))["outcome"] == "parked"
    assert fields_of(worker, made["item"]) is None
    assert parked(mate, made["item"]) == [{"rooms_let": 2}]


def test_events_are_not_deleted(worker: RawPhone) -> None:
    made, base = made_by(worker, "0401")
    told = outcome(worker, update(made, base) | {"op": "delete"})
    assert (told["outcome"], told["code"]) == ("rejected", "delete_not_allowed")


# Captures and authority ------------------------------------------------------------------------------------


def captured(server: LiveServer, item: str) -> tuple[datetime, datetime]:
    row = server.sql("SELECT captured_at, received_at FROM revision WHERE item_id = $1", UUID(item))[0]
    return row["captured_at"], row["received_at"]


@pytest.mark.parametrize(
    ("mono", "boot", "wall_minutes", "expected_minutes"),
    [(7_200_000 - 600_000, "boot", 99_999, 10), (0, "another", 25, 25), (5, "another", -90, 0)],
    ids=["by the monotonic clock within a boot", "else by the wall clocks", "never after the receipt"],
)
def test_the_time_of_capture(
    shared_server: LiveServer, worker: RawPhone, mono: int, boot: str, wall_minutes: float, expected_minutes: float
) -> None:
    made = create()
    made["capture"] |= {"mono": mono, "boot": boot, "wall": now(minutes=wall_minutes)}
    outcome(worker, made)
    at, received = captured(shared_server, made["item"])
    assert abs(received - at - timedelta(minutes=expected_minutes)) < timedelta(seconds=5)


def test_a_capture_is_never_before_the_last_exchange(shared_server: LiveServer, worker: RawPhone) -> None:
    before = datetime.fromisoformat(worker.pull()["now"])
    made = create()
    made["capture"] |= {"mono": 0}
    outcome(worker, made)
    assert captured(shared_server, made["item"])[0] >= before - timedelta(seconds=1)


def test_authority_is_that_of_the_time_of_capture(server: LiveServer) -> None:
    """An assignment that ended half an hour ago admits what was written an hour ago, and nothing of today."""
    phone = RawPhone(server, WORKER)
    end = "UPDATE assignment SET valid_to = now() - interval '30 minutes' WHERE user_id = $1"
    server.sql(end, WORKER.id)
    early, late = create(), create()
    early["capture"] |= {"mono": 7_200_000 - 3_600_000}
    first, second = phone.push(early, late)["outcomes"]
    assert first["outcome"] == "applied"
    assert (second["outcome"], second["code"]) == ("quarantined", "role_may_not_write")


def test_records_only_in_ones_own_grids_and_events_anywhere(shared_server: LiveServer, worker: RawPhone) -> None:
    record = outcome(worker, create("0102", GRIDS[1]))
    assert (record["outcome"], record["code"]) == ("quarantined", "out_of_scope")
    hazard = create("0401", GRIDS[1])
    assert outcome(worker, hazard)["outcome"] == "applied"
    found = shared_server.value("SELECT grid_id FROM item WHERE id = $1", UUID(hazard["item"]))
    assert found == grid_id(GRIDS[1])
    assert fields_of(worker, hazard["item"]) is not None
    assert fields_of(RawPhone(shared_server, NEIGHBOUR), hazard["item"]) is not None


def test_a_rider_reports_and_keeps_no_records(shared_server: LiveServer) -> None:
    rider = RawPhone(shared_server, RIDER)
    assert outcome(rider, create("0401"))["outcome"] == "applied"
    told = outcome(rider, create("0102"))
    assert (told["outcome"], told["code"]) == ("quarantined", "role_may_not_write")


def test_a_reference_needs_an_item_of_the_right_type(worker: RawPhone) -> None:
    home, _ = made_by(worker)
    resident = form("0101") | {"dwelling": home["item"]}
    made = create("0101") | {"fields": resident}
    assert outcome(worker, made)["outcome"] == "applied"
    told = outcome(worker, create("0101") | {"fields": resident | {"dwelling": made["item"]}})
    assert (told["outcome"], told["code"]) == ("quarantined", "reference_unknown")


def test_changes_of_one_set_see_each_other(worker: RawPhone) -> None:
    home = create()
    resident = create("0101") | {"fields": form("0101") | {"dwelling": home["item"]}}
    receipt = worker.push(home, resident, update(resident, None, relation="spouse"))
    assert [one["outcome"] for one in receipt["outcomes"]] == ["applied"] * 3


def test_a_revoked_device_is_answered_and_given_nothing(server: LiveServer) -> None:
    phone = RawPhone(server)
    raw = compact(phone.change_set([create()]))
    server.sql("UPDATE device SET revoked_at = now() WHERE id = $1", phone.id)
    answer = phone.exchange(raw, first=1)
    assert [(one["status"], one["code"]) for one in answer["receipts"]] == [("quarantined", "device_revoked")]
    assert not {"streams", "gained", "mark"} & answer.keys()
    assert server.kept_bytes(phone.id, 1) == [raw]


def test_an_item_never_heard_of(worker: RawPhone) -> None:
    told = outcome(worker, update({"item": str(uuid4()), "type": "0102"}, [1, "0" * 16], rooms_let=1))
    assert (told["outcome"], told["code"]) == ("quarantined", "item_unknown")


def test_captures_keep_their_time_however_many_exchanges_bring_them(shared_server: LiveServer) -> None:
    """Only an exchange after which nothing was left to send tells that what follows was written later."""
    phone = RawPhone(shared_server, WORKER)
    made = [create() for _ in range(3)]
    for one in made:
        one["capture"] |= {"mono": 7_200_000 - 3_600_000}
    for no, one in enumerate(made, 1):
        phone.exchange(compact(phone.change_set([one])), first=no, unsent=len(made) - no)
    ages = [received - at for at, received in (captured(shared_server, one["item"]) for one in made)]
    assert all(age > timedelta(minutes=59) for age in ages), ages
    late = create()
    late["capture"] |= {"mono": 7_200_000 - 3_600_000}
    outcome(phone, late)
    at, received = captured(shared_server, late["item"])
    assert received - at < timedelta(minutes=1)
