"""Whatever bytes arrive, reading them either gives a value or says `Unreadable` with a stable code."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire import Capture, Change, ChangeSet, Clock, Cursor, ExchangeRequest
from sync import framing
from sync.framing import Form, Unreadable

CODES = {
    f"{what}_{wrong}"
    for what in ("request", "set", "change", "answer")
    for wrong in ("malformed", "too_deep", "text_invalid", "truncated", "number_invalid")
}
ID = UUID("019b0000-0000-7000-8000-000000000001")
NOW = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
FORMS: list[Form] = ["json", "msgpack"]

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab_中", max_size=4), inner, max_size=4),
    max_leaves=12,
)


def a_change(fields: dict[str, Any]) -> Change:
    return Change("create", ID, "0401", Capture(NOW, 5, "boot"), fields=fields)


def a_set(no: int, form: Form, *fields: dict[str, Any]) -> bytes:
    changes = [framing.encode_change(a_change(one), form) for one in fields]
    return framing.encode_set(ChangeSet(no, ID, ID, ID, "2024.2", 1, "n" * 22, changes), form)


def a_request(first: int = 1) -> ExchangeRequest:
    cursors = {"grid/1": Cursor(4, 2), "own/2": Cursor()}
    return ExchangeRequest(ID, Clock(NOW, 9, "boot"), "2024.2", 1, cursors=cursors, first=first)


def everything_reads_or_refuses(raw: bytes) -> None:
    for form in FORMS:
        for read in (framing.decode_request, framing.decode_answer):
            refuses_by_code(read, raw, form)
        refuses_by_code(framing.decode_change, msgspec.Raw(raw), form)
    refuses_by_code(framing.decode_set, raw)


def refuses_by_code(read: Any, *arguments: Any) -> None:
    assert refusal_code(read, *arguments) in CODES | {None}


def refusal_code(read: Any, *arguments: Any) -> str | None:
    try:
        read(*arguments)
    except Unreadable as refusal:
        return refusal.code
    return None


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    everything_reads_or_refuses(raw)


@given(json_values, st.sampled_from(FORMS), st.data())
def test_a_body_that_was_cut_or_changed_is_read_or_refused(value: Any, form: Form, data: st.DataObject) -> None:
    whole = framing.encode_request(a_request(), [a_set(1, form, {"text": value})], form)
    raw = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, max(len(raw) - 1, 0)), max_size=3)):
        raw[place : place + 1] = data.draw(st.binary(max_size=2))
    everything_reads_or_refuses(bytes(raw))


@given(st.lists(json_values, min_size=1, max_size=3), st.sampled_from(FORMS), st.sampled_from(FORMS))
def test_sets_come_through_byte_for_byte(values: list[Any], own: Form, frame: Form) -> None:
    if own == "msgpack":
        frame = "msgpack"
    sets = [a_set(no, own, {"value": value}) for no, value in enumerate(values, 1)]
    request, received = framing.decode_request(framing.encode_request(a_request(), sets, frame), frame)
    assert (request, received) == (a_request(), sets)
    for raw, value in zip(received, values, strict=True):
        change_set = framing.decode_set(raw)
        assert framing.decode_change(change_set.changes[0], own) == a_change({"value": value})
        assert framing.set_hash(raw) == hashlib.sha256(raw).hexdigest()


@given(st.data())
def test_a_body_in_lines_cut_anywhere_never_yields_a_shorter_set(data: st.DataObject) -> None:
    sets = [a_set(no, "json", {"value": no}) for no in (1, 2)]
    body = framing.encode_request(a_request(), sets, "json")
    cut = body[: data.draw(st.integers(0, len(body)))]
    try:
        _, received = framing.decode_request(cut, "json")
    except Unreadable:
        return
    assert received == sets[: len(received)]


def line(fields: str) -> bytes:
    template = json.loads(msgspec.json.encode(a_change({}))) | {"fields": {}}
    return json.dumps(template).replace('"fields": {}', '"fields": ' + fields).encode()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (r'{"a": "\ud800 and more text after it"}', "change_text_invalid"),
        (r'{"a": "\udc00 and more text after it"}', "change_text_invalid"),
        (r'{"a": "\u0000"}', "change_text_invalid"),
        (r'{"a\u0000": 1}', "change_text_invalid"),
        (r'{"a": ["x", {"b\u0000": 1}]}', "change_text_invalid"),
        ('{"a": 1e999}', "change_malformed"),
        ('{"a": NaN}', "change_malformed"),
        ('{"a": 1' + "0" * 300 + "}", "change_number_invalid"),
        ('{"a": 1' + "0" * 6000 + "}", "change_malformed"),
        ('{"a": ' + "[" * 10_000 + "]" * 10_000 + "}", "change_too_deep"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "change_too_deep"),
        ("[]", "change_malformed"),
    ],
)
def test_a_bad_value_in_json_is_refused_by_its_code(fields: str, code: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        framing.decode_change(msgspec.Raw(line(fields)), "json")
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (float("nan"), "change_number_invalid"),
        (float("-inf"), "change_number_invalid"),
        (float("inf"), "change_number_invalid"),
        (b"bytes", "change_malformed"),
        (NOW, "change_malformed"),
        ({1: "a key that is no text"}, "change_malformed"),
        (2**64 - 1, "change_number_invalid"),
    ],
)
def test_a_value_that_json_cannot_hold_is_refused_in_messagepack(value: Any, code: str) -> None:
    raw = framing.encode_change(a_change({"a": [value]}), "msgpack")
    with pytest.raises(Unreadable) as refusal:
        framing.decode_change(raw, "msgpack")
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("$.type", ["", "401", "04010", "040a", "٠٤٠١"]),
        ("$.grid", ["", "34118200100100", "3411820010010011", "34118200100100x", "٣٤١١٨٢٠٠١٠٠١٠٠١"]),
        ("$.capture.boot", ["a b", "中", "\x7f", "x" * 65]),
        ("$.capture.position.provider", ["g p s", "中", "x" * 65]),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_codes_and_tokens_are_spelled_as_they_should_be(where: str, wrong: list[str], form: Form) -> None:
    *path, last = where.split(".")[1:]
    encoder = msgspec.json if form == "json" else msgspec.msgpack
    for value in wrong:
        change = msgspec.to_builtins(a_change({})) | {"grid": "341182001001001"}
        change["capture"]["position"] = {"lon": 1.0, "lat": 2.0, "crs": "wgs84", "accuracy": 3.0, "provider": "gps"}
        assert framing.decode_change(msgspec.Raw(encoder.encode(change)), form).grid == change["grid"]
        part = change
        for key in path:
            part = part[key]
        part[last] = value
        for _ in range(2):
            with pytest.raises(Unreadable) as refusal:
                framing.decode_change(msgspec.Raw(encoder.encode(change)), form)
            assert (refusal.value.code, refusal.value.where) == ("change_malformed", where)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"capture": None}, "$.capture"),
        ({"capture": {"wall": NOW, "mono": 1}}, "$.capture.boot"),
        ({"capture": {"wall": NOW, "mono": -1, "boot": "b"}}, "$.capture.mono"),
        ({"base": [1]}, "$.base"),
        ({"base": [1, "SECRET"]}, "$.base[1]"),
        ({"op": "SECRET"}, "$.op"),
        ({"urgency": "x' - at `$.SECRET`"}, "$.urgency"),
        ({"transition": {"action": "verify", "SECRET": 1, "from": "handled"}}, "$.transition"),
        ({"transition": {"action": "verify"}}, "$.transition.from"),
        ({"fields": []}, "$.fields"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_the_member_that_is_wrong_or_missing_is_named_and_no_value(
    wrong: dict[str, Any], where: str, form: Form
) -> None:
    encoder = msgspec.json if form == "json" else msgspec.msgpack
    change = msgspec.to_builtins(a_change({})) | wrong
    if wrong == {"capture": None}:
        del change["capture"]
    raw = msgspec.Raw(encoder.encode(change))
    with pytest.raises(Unreadable) as refusal:
        framing.decode_change(raw, form)
    assert (refusal.value.code, refusal.value.where) == ("change_malformed", where)
    assert framing.item_named(raw, form) == a_change({}).item


def test_so_it_is_in_a_header_and_a_set_and_what_names_no_item_says_so() -> None:
    header = json.loads(msgspec.json.encode(a_request()))
    for member, places in (("clock", "$.clock"), ("device", "$.device")):
        with pytest.raises(Unreadable) as refusal:
            framing.decode_request(json.dumps({k: v for k, v in header.items() if k != member}).encode(), "json")
        assert refusal.value.where == places
    with pytest.raises(Unreadable) as refusal:
        framing.decode_request(json.dumps(header | {"cursors": {"grid/SECRET": [1, "x"]}}).encode(), "json")
    assert refusal.value.where == "$.cursors[...][1]"
    with pytest.raises(Unreadable) as refusal:
        framing.decode_set(a_set(1, "json"))
    assert refusal.value.where == "$.changes"
    for raw in (b"null", b'{"item":"SECRET"}', b'{"item":', b'{"x":' * 10_000):
        assert framing.item_named(msgspec.Raw(raw), "json") is None


def test_text_in_another_encoding_is_refused() -> None:
    raw = msgspec.Raw(line('{"a": "中文"}').replace("中文".encode(), "中文".encode("gbk")))
    with pytest.raises(Unreadable, match="change_text_invalid"):
        framing.decode_change(raw, "json")


@pytest.mark.parametrize("wall", ["2025-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-12:00"])
@pytest.mark.parametrize("form", FORMS)
def test_a_time_that_cannot_be_brought_to_utc_is_refused(wall: str, form: Form) -> None:
    encoder = msgspec.json if form == "json" else msgspec.msgpack
    change = msgspec.to_builtins(a_change({}))
    change["capture"]["wall"] = wall
    with pytest.raises(Unreadable, match="change_malformed"):
        framing.decode_change(msgspec.Raw(encoder.encode(change)), form)
    request = msgspec.to_builtins(a_request())
    request["clock"]["wall"] = wall
    with pytest.raises(Unreadable, match="request_malformed"):
        framing.decode_request(encoder.encode(request), form)


@pytest.mark.parametrize("deep", [b"[" * 10_000, b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000])
def test_a_deep_header_or_set_is_refused(deep: bytes) -> None:
    with pytest.raises(Unreadable, match="request_too_deep"):
        framing.decode_request(b'{"unknown":' + deep + b"}\n", "json")
    with pytest.raises(Unreadable, match="set_too_deep"):
        framing.decode_set(b'{"changes":[' + deep + b"]}")


def test_a_bad_set_leaves_its_neighbours_readable() -> None:
    sets = [a_set(1, "json", {"value": 1}), b'{"changes": "\xff\xfe', a_set(3, "json", {"value": 3})]
    _, received = framing.decode_request(framing.encode_request(a_request(), sets, "json"), "json")
    assert received == sets
    with pytest.raises(Unreadable, match="set_"):
        framing.decode_set(received[1])
    assert [framing.decode_set(received[index]).no for index in (0, 2)] == [1, 3]


def test_a_stream_key_with_nul_is_refused() -> None:
    request = msgspec.structs.replace(a_request(), cursors={"grid/\0": Cursor()})
    with pytest.raises(Unreadable, match="request_malformed"):
        framing.decode_request(framing.encode_request(request, [], "json"), "json")


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_set_is_a_bad_frame(form: Form) -> None:
    body = framing.encode_request(a_request(), [b""], "msgpack")
    if form == "json":
        body = framing.encode_request(a_request(), [], "json") + b"\n"
    with pytest.raises(Unreadable, match="request_malformed"):
        framing.decode_request(body, form)


def test_a_messagepack_set_does_not_fit_into_lines() -> None:
    with pytest.raises(ValueError, match="only change sets in JSON"):
        framing.encode_request(a_request(), [a_set(1, "msgpack", {"value": 1})], "json")


def test_a_refusal_names_the_place_and_never_the_value() -> None:
    raw = msgspec.Raw(line("{}").replace(b'"create"', b'"13905500000"'))
    with pytest.raises(Unreadable) as refusal:
        framing.decode_change(raw, "json")
    assert refusal.value.where == "$.op"
    assert "139" not in str(refusal.value)
