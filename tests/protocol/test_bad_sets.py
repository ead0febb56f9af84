"""One bad set, or one bad change, is refused alone: it is kept, has a reason, advances the counter, blocks nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from server.errors import CATALOGUE
from tests.builders import ADMINISTRATOR, MATE, form
from tests.protocol.kept import TABLES, a_good_set, a_good_set_still_applies, is_kept, nothing_stored
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import MSGPACK, RawPhone, compact, create, packed, update

DEEP = 10_000
HUGE = 2**70


@pytest.fixture
def phone(shared_server: LiveServer) -> Iterator[RawPhone]:
    """A phone that must go on working after whatever the test sent."""
    enrolled = RawPhone(shared_server)
    yield enrolled
    a_good_set_still_applies(enrolled)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


# Whole sets ------------------------------------------------------------------------------------------------


def with_value(phone: RawPhone, marker: bytes, key: str = "address") -> bytes:
    """A set one of whose values is these bytes, as they are."""
    return compact(phone.change_set([create(**{key: "MARKER"})], no=1)).replace(b'"MARKER"', marker)


def renamed(phone: RawPhone, **more: Any) -> bytes:
    return compact(phone.change_set([create()], no=1) | more)


def without(phone: RawPhone, name: str) -> bytes:
    whole = phone.change_set([create()], no=1)
    del whole[name]
    return compact(whole)


REJECTED: dict[str, tuple[str, Callable[[RawPhone], bytes]]] = {
    "words": ("set_malformed", lambda phone: b"hello"),
    "one byte": ("set_malformed", lambda phone: b"{"),
    "null": ("set_malformed", lambda phone: b"null"),
    "a list": ("set_malformed", lambda phone: b"[]"),
    "no fields": ("set_malformed", lambda phone: b"{}"),
    "cut": ("set_malformed", lambda phone: a_good_set(phone, 1)[:-1]),
    "followed by more": ("set_malformed", lambda phone: a_good_set(phone, 1) + b" {}"),
    "half a character": ("set_text_invalid", lambda phone: with_value(phone, b'"\\ud800"')),
    "10,000 deep": ("set_too_deep", lambda phone: with_value(phone, nested(DEEP))),
    "10,000 deep beside": ("set_too_deep", lambda phone: renamed(phone)[:-1] + b',"x":' + nested(DEEP) + b"}"),
    "a control character": ("set_malformed", lambda phone: with_value(phone, b'"\x01"')),
    "no changes": ("set_malformed", lambda phone: renamed(phone, changes=[])),
    "changes that are none": ("set_malformed", lambda phone: renamed(phone, changes={})),
    "another number": ("set_number_mismatch", lambda phone: a_good_set(phone, 7)),
    "a number beyond 53 bits": ("set_malformed", lambda phone: renamed(phone, no=2**53)),
    "a number beyond 64 bits": ("set_malformed", lambda phone: renamed(phone, no=HUGE)),
    "number nought": ("set_malformed", lambda phone: renamed(phone, no=0)),
    "a fraction": ("set_malformed", lambda phone: renamed(phone, no=1.5)),
    "another device": ("set_device_mismatch", lambda phone: renamed(phone, device=str(uuid4()))),
    "no device": ("set_malformed", lambda phone: without(phone, "device")),
    "no author": ("set_malformed", lambda phone: without(phone, "author")),
    "no nonce": ("set_malformed", lambda phone: without(phone, "nonce")),
    "a short nonce": ("set_malformed", lambda phone: renamed(phone, nonce="x")),
    "an author that is no id": ("set_malformed", lambda phone: renamed(phone, author="x")),
    "a registry of the far future": ("set_malformed", lambda phone: renamed(phone, registry=HUGE)),
    "a negative registry": ("set_malformed", lambda phone: renamed(phone, registry=-1)),
    "over the limit": ("set_too_large", lambda phone: with_value(phone, b'"' + b"x" * 300_000 + b'"')),
}


MEMBERS = {
    "no fields": "$.no",
    "no changes": "$.changes",
    "changes that are none": "$.changes",
    "a number beyond 53 bits": "$.no",
    "a number beyond 64 bits": "$.no",
    "number nought": "$.no",
    "a fraction": "$.no",
    "no device": "$.device",
    "no author": "$.author",
    "no nonce": "$.nonce",
    "a short nonce": "$.nonce",
    "an author that is no id": "$.author",
    "a registry of the far future": "$.registry",
    "a negative registry": "$.registry",
    "an empty map": "$.op",
    "an unknown operation": "$.op",
    "an item that is no id": "$.item",
    "a type that is none": "$.type",
    "a grid that is no code": "$.grid",
    "an unknown urgency": "$.urgency",
    "fields that are none": "$.fields",
    "no capture": "$.capture",
    "a base that is none": "$.base[0]",
    "a year without offset": "$.capture.wall",
    "a clock beyond 53 bits": "$.capture.mono",
}
"""Which member is named as wrong or missing, in some of these cases."""


@pytest.mark.parametrize("name", REJECTED)
def test_a_set_that_cannot_be_read_is_rejected_alone(shared_server: LiveServer, phone: RawPhone, name: str) -> None:
    code, make = REJECTED[name]
    raw = make(phone)
    assert b"\n" not in raw
    receipt = check_kept_alone(shared_server, phone, raw, "rejected", code)
    assert receipt.get("field") == MEMBERS.get(name, receipt.get("field"))


QUARANTINED: dict[str, tuple[str, Callable[[RawPhone], bytes]]] = {
    "a catalogue of the future": ("catalogue_unknown", lambda phone: renamed(phone, catalogue="2999.1")),
    "a catalogue that is none": ("catalogue_unknown", lambda phone: renamed(phone, catalogue="")),
    "a forged author": ("author_not_holder", lambda phone: renamed(phone, author=str(MATE.id))),
    "an author nobody knows": ("author_not_holder", lambda phone: renamed(phone, author=str(uuid4()))),
    "the administrator": ("author_not_holder", lambda phone: renamed(phone, author=str(ADMINISTRATOR.id))),
}


@pytest.mark.parametrize("name", QUARANTINED)
def test_a_set_that_may_not_apply_is_quarantined_whole(shared_server: LiveServer, phone: RawPhone, name: str) -> None:
    code, make = QUARANTINED[name]
    check_kept_alone(shared_server, phone, make(phone), "quarantined", code)


def check_kept_alone(server: LiveServer, phone: RawPhone, raw: bytes, status: str, code: str) -> dict[str, Any]:
    before = server.counts(*TABLES)
    sets = [raw, a_good_set(phone, 2)]
    answer = phone.exchange(*sets, first=1)
    bad, good = answer["receipts"]
    assert {key: value for key, value in bad.items() if key != "field"} == {
        "no": 1, "hash": sha256(raw).hexdigest(), "status": status, "code": code,
        "zh": CATALOGUE[code].zh, "en": CATALOGUE[code].en,
    }  # fmt: skip
    assert [one["outcome"] for one in good["outcomes"]] == ["applied"]
    assert answer["expected"] == 3
    is_kept(server, phone, 1, raw, status, code)
    after = server.counts(*TABLES)
    assert after["item"] - before["item"] == 1
    assert after["change_set"] - before["change_set"] == 2
    with nothing_stored(server):
        again = phone.exchange(*sets, first=1)
    assert again["receipts"] == answer["receipts"]
    phone.no = 2
    return bad


def test_another_devices_counter_is_not_touched(shared_server: LiveServer, phone: RawPhone) -> None:
    """A set of somebody else's phone, sent by this one, counts here and is kept here."""
    other = RawPhone(shared_server, MATE)
    raw = a_good_set(other, 1)
    check_kept_alone(shared_server, phone, raw, "rejected", "set_device_mismatch")
    assert other.pull()["expected"] == 1
    a_good_set_still_applies(other)


def test_a_foreign_holder_or_epoch_inside_a_set_is_only_its_own_account(phone: RawPhone) -> None:
    """What decides is who holds the device now, and the epoch of the exchange."""
    raw = renamed(phone, holder=str(MATE.id), epoch="another", registry=2**53 - 1, unknown={"a": 1})
    (receipt,) = phone.exchange(raw, first=1)["receipts"]
    phone.no = 1
    assert receipt["outcomes"][0]["outcome"] == "applied"


def test_an_unknown_epoch_begins_again_and_decides_nothing(shared_server: LiveServer, phone: RawPhone) -> None:
    a_good_set_still_applies(phone)
    with nothing_stored(shared_server):
        answer = phone.exchange(a_good_set(phone, 1), first=1, epoch="tomorrow", cursors={"grid/x": [5, 5]})
    assert answer["epoch"] != "tomorrow"
    assert "receipts" not in answer
    assert "lost" not in answer
    assert answer["expected"] == 2
    assert "streams" not in answer


# Numbers ---------------------------------------------------------------------------------------------------


def test_numbers_beyond_the_next_are_not_looked_at(shared_server: LiveServer, phone: RawPhone) -> None:
    with nothing_stored(shared_server):
        for first in (2, 3, 100, 2**31, 2**53 - 1):
            answer = phone.exchange(a_good_set(phone, 1), a_good_set(phone, 2), first=first)
            assert "receipts" not in answer
            assert answer["expected"] == 1


def test_a_gap_after_known_numbers_stops_there(phone: RawPhone) -> None:
    """The known ones are answered; what comes after them in the same body has the next numbers."""
    one, two, three = (a_good_set(phone, no) for no in (1, 2, 3))
    phone.exchange(one, first=1)
    answer = phone.exchange(one, two, three, first=1)
    phone.no = 3
    assert [receipt["no"] for receipt in answer["receipts"]] == [1, 2, 3]
    assert answer["expected"] == 4


def test_a_number_used_again_is_forked_and_both_are_kept(shared_server: LiveServer, phone: RawPhone) -> None:
    first, other = a_good_set(phone, 1), a_good_set(phone, 1)
    phone.exchange(first, first=1)
    before = shared_server.counts("item", "revision")
    answers = [phone.exchange(other, first=1) for _ in range(2)]
    assert [receipt["status"] for answer in answers for receipt in answer["receipts"]] == ["forked", "forked"]
    assert {answer["expected"] for answer in answers} == {2}
    assert shared_server.kept_bytes(phone.id, 1) == [first]
    assert shared_server.kept_bytes(phone.id, 1, "forked_set") == [other]
    assert shared_server.counts("item", "revision") == before
    phone.no = 1


def test_one_body_may_hold_the_same_bytes_under_two_numbers(shared_server: LiveServer, phone: RawPhone) -> None:
    raw = a_good_set(phone, 1)
    answer = phone.exchange(raw, raw, first=1)
    assert [receipt["status"] for receipt in answer["receipts"]] == ["decided", "rejected"]
    is_kept(shared_server, phone, 2, raw, "rejected", "set_number_mismatch")
    phone.no = 2


# One change of a set ---------------------------------------------------------------------------------------


def odd(**more: Any) -> bytes:
    return compact(create() | more)


def odd_value(marker: bytes) -> bytes:
    return compact(create(address="MARKER")).replace(b'"MARKER"', marker)


def odd_capture(marker: bytes, key: str = "wall") -> bytes:
    one = create()
    one["capture"][key] = "MARKER"
    return compact(one).replace(b'"MARKER"', marker)


CHANGES: dict[str, tuple[str, str, bytes]] = {
    "a number": ("rejected", "change_malformed", b"5"),
    "null": ("rejected", "change_malformed", b"null"),
    "a list": ("rejected", "change_malformed", b"[]"),
    "text": ("rejected", "change_malformed", b'"create"'),
    "an empty map": ("rejected", "change_malformed", b"{}"),
    "an unknown operation": ("rejected", "change_malformed", odd(op="merge")),
    "an item that is no id": ("rejected", "change_malformed", odd(item="x")),
    "a type that is none": ("rejected", "change_malformed", odd(type="x")),
    "an unknown type": ("rejected", "type_unknown", odd(type="9999")),
    "a grid that is no code": ("rejected", "change_malformed", odd(grid="x")),
    "an unknown urgency": ("rejected", "change_malformed", odd(urgency="now")),
    "fields that are none": ("rejected", "change_malformed", odd(fields=[])),
    "no capture": ("rejected", "change_malformed", odd(capture=None)),
    "a base that is none": ("rejected", "change_malformed", odd(base=[0, "x"])),
    "NUL in a value": ("rejected", "change_text_invalid", odd_value(b'"\\u0000"')),
    "NUL in a key": ("rejected", "change_text_invalid", odd(fields={"\0": 1})),
    "33 deep": ("rejected", "change_too_deep", odd_value(nested(33))),
    "200 deep": ("rejected", "change_too_deep", odd_value(nested(200))),
    "bytes that are no text": ("rejected", "change_text_invalid", odd_value(b'"\xff\xfe"')),
    "half a character as bytes": ("rejected", "change_text_invalid", odd_value(b'"\xed\xa0\x80"')),
    "1e400": ("rejected", "change_malformed", odd_value(b"1e400")),
    "2**70": ("rejected", "change_number_invalid", odd_value(b"%d" % HUGE)),
    "5,000 digits": ("rejected", "change_malformed", odd_value(b"1" * 5_000)),
    "a year without offset": ("rejected", "change_malformed", odd_capture(b'"2026-01-01T00:00:00"')),
    "the first hour of time": ("rejected", "change_malformed", odd_capture(b'"0001-01-01T00:00:00+10:00"')),
    "the last hour of time": ("rejected", "change_malformed", odd_capture(b'"9999-12-31T23:00:00-10:00"')),
    "a clock beyond 53 bits": ("rejected", "change_malformed", odd_capture(b"%d" % 2**53, "mono")),
    "a negative clock": ("rejected", "change_malformed", odd_capture(b"-1", "mono")),
    "a place off the earth": (
        "rejected", "change_malformed",
        odd_capture(b'{"lon":181,"lat":0,"crs":"wgs84","accuracy":1}', "position"),
    ),
    "a place without number": (
        "rejected", "change_malformed",
        odd_capture(b'{"lon":1e400,"lat":0,"crs":"wgs84","accuracy":1}', "position"),
    ),
    "an edit of nothing": ("quarantined", "item_unknown", odd(op="update")),
    "a deletion of nothing": ("quarantined", "item_unknown", odd(op="delete")),
    "a dwelling that is not there": (
        "quarantined", "reference_unknown",
        compact(create("0101") | {"fields": form("0101") | {"dwelling": str(uuid4())}}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_one_bad_change_is_refused_alone(shared_server: LiveServer, phone: RawPhone, name: str) -> None:
    outcome, code, bad = CHANGES[name]
    raw = compact(phone.change_set([create(), "MARKER", create()], no=1)).replace(b'"MARKER"', bad)
    before = shared_server.counts(*TABLES)
    answer = phone.exchange(raw, first=1)
    phone.no = 1
    (receipt,) = answer["receipts"]
    assert (receipt["status"], receipt["hash"]) == ("decided", sha256(raw).hexdigest())
    assert [one["outcome"] for one in receipt["outcomes"]] == ["applied", outcome, "applied"]
    told = receipt["outcomes"][1]
    assert (told["code"], told["zh"], told["en"]) == (code, CATALOGUE[code].zh, CATALOGUE[code].en)
    assert told.get("field") == MEMBERS.get(name, told.get("field"))
    if name in MEMBERS:
        named = json.loads(bad).get("item")
        assert told["item"] == (None if named == "x" else named)
    assert shared_server.kept_bytes(phone.id, 1) == [raw]
    held = shared_server.sql("SELECT * FROM quarantine WHERE device_id = $1", phone.id)
    assert [(row["set_index"], row["outcome"], row["code"]) for row in held] == [(1, outcome, code)]
    after = shared_server.counts(*TABLES)
    assert {name: after[name] - before[name] for name in ("item", "revision", "quarantine")} == {
        "item": 2, "revision": 2, "quarantine": 1,
    }  # fmt: skip
    assert phone.exchange(raw, first=1)["receipts"] == [receipt]


def test_values_of_the_wrong_form_are_rejected_with_the_field(phone: RawPhone) -> None:
    for key, value in {
        "address": [5, None, [], {}, True, "", " ", "x" * 121],
        "use": ["castle", 5, ["owner"], None, {"a": 1}],
        "rooms_let": ["2", 1.5, -1, 61, 2**53, True, []],
        "area_m2": [1.5, "1.555", "1e3", "NaN", "Infinity", "-1", "20000.01", "1" * 13, "½", "１.5"],
        "gas_cylinder": ["true", 1, 0, []],
        "owner_phone": ["12345", 13900000001, "1390000000a", "139 0000 0001"],
        "location": ["here", None, {}, {"lon": 1}, {"lon": "1", "lat": 1, "crs": "wgs84", "accuracy": 1}],
        "photos": [{}, "x", [{}], [{"sha256": "x", "size": 1}], [5]],
        "nobody_knows_this": ["x"],
    }.items():
        for one in value:
            (outcome,) = phone.push(create("0102", **{key: one}))["outcomes"]
            assert (outcome["outcome"], outcome["field"].split(".")[0]) == ("rejected", key), (key, one, outcome)
            assert outcome["zh"]
            assert outcome["en"]


# MessagePack sets ------------------------------------------------------------------------------------------


def test_messagepack_sets_are_refused_alone(shared_server: LiveServer, phone: RawPhone) -> None:
    whole = phone.change_set([create()], no=1)
    bad: dict[bytes, str] = {
        packed(whole)[:-1]: "set_malformed",
        packed(whole) + b"\xc0": "set_malformed",
        b"\xc1": "set_malformed",
        b"\x00": "set_malformed",
        packed(msgspec.msgpack.Ext(5, b"x")): "set_malformed",
        packed(dict(enumerate(whole.values()))): "set_malformed",
        packed(whole | {"x": float("nan"), "no": float("nan")}): "set_malformed",
        b"\x81\xa1x" + b"\x91" * DEEP + b"\xc0": "set_too_deep",
        packed(whole | {"nonce": "MARKER"}).replace(b"\xa6MARKER", b"\xa6\xff\xfeRKER"): "set_text_invalid",
        b"\xdf\xff\xff\xff\xff": "set_malformed",
    }
    sets = [*bad, packed(phone.change_set([create()], no=len(bad) + 1))]
    body = packed(phone.header(first=1) | {"sets": sets})
    response = phone.post(body, Content_Type=MSGPACK)
    assert response.status_code == 200, response.text
    answer = msgspec.msgpack.decode(response.content)
    assert [receipt.get("code") for receipt in answer["receipts"]] == [*bad.values(), None]
    for no, (raw, code) in enumerate(bad.items(), 1):
        is_kept(shared_server, phone, no, raw, "rejected", code)
    phone.no = len(sets)


def test_messagepack_changes_are_refused_alone(shared_server: LiveServer, phone: RawPhone) -> None:
    values: list[Any] = [float("nan"), float("inf"), msgspec.msgpack.Ext(5, b"x"), b"bytes", {1: 2}, 2**64 - 1, "\0"]
    codes = [
        "change_number_invalid", "change_number_invalid", "change_malformed", "change_malformed", "change_malformed",
        "change_number_invalid", "change_text_invalid",
    ]  # fmt: skip
    raw = packed(phone.change_set([create(address=value) for value in values] + [create()], no=1))
    response = phone.post(packed(phone.header(first=1) | {"sets": [raw]}), Content_Type=MSGPACK)
    phone.no = 1
    outcomes = msgspec.msgpack.decode(response.content)["receipts"][0]["outcomes"]
    assert [one.get("code") for one in outcomes] == [*codes, None]
    assert shared_server.kept_bytes(phone.id, 1) == [raw]


# What a good set does not do half --------------------------------------------------------------------------


def test_an_edit_of_what_was_refused_is_kept_too(shared_server: LiveServer, phone: RawPhone) -> None:
    made = create("0102", use="castle")
    receipt = phone.push(made, update(made, None, rooms_let=2))
    assert [(one["outcome"], one["code"]) for one in receipt["outcomes"]] == [
        ("rejected", "field_option"),
        ("quarantined", "item_unknown"),
    ]
    assert shared_server.value("SELECT count(*) FROM item WHERE id = $1", UUID(made["item"])) == 0
    assert json.loads(shared_server.kept_bytes(phone.id, 1)[0])["changes"][0]["item"] == made["item"]
