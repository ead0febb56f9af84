"""Whatever bytes arrive, the answer is a problem document with a known code, or receipts; never a 5xx, nothing lost.

`ONEGRID_TEST_FUZZ=500` sets how many examples each test tries; the default keeps the ordinary run short.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import CATALOGUE
from tests.protocol.kept import a_good_set, a_good_set_still_applies
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import LINES, MSGPACK, RawPhone, compact, create, is_problem, lines, packed

pytestmark = pytest.mark.long

EXAMPLES = int(os.environ.get("ONEGRID_TEST_FUZZ", "60"))
TYPES = ["0101", "0102", "0401", "9999", "x", None]
TEXT = st.text(max_size=20)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def phone(shared_server: LiveServer) -> RawPhone:
    return RawPhone(shared_server)


REPLACEMENTS = st.binary(max_size=6) | st.sampled_from([b'"', b"{", b"]", b"\\ud800", b"\0", b"\n", b"1e400"])
BENDINGS = st.lists(st.tuples(st.integers(0, 999), st.integers(0, 6), REPLACEMENTS), min_size=1, max_size=4)


def bent(whole: bytes, bendings: list[tuple[int, int, bytes]]) -> bytes:
    """Good bytes with some of them replaced, doubled or lost; places are in thousandths, lengths in bytes."""
    raw = bytearray(whole)
    for place, length, replacement in bendings:
        start = len(raw) * place // 1_000
        raw[start : start + length] = replacement
    return bytes(raw)


def check(phone: RawPhone, answer: httpx.Response, sets: list[bytes], first: int) -> None:
    """A refusal that says why, or receipts; whatever got a receipt is kept as it came."""
    if answer.status_code != 200:
        assert is_problem(answer)["code"] in CATALOGUE
        return
    kind = answer.headers["content-type"].partition(";")[0]
    body = msgspec.msgpack.decode(answer.content) if kind == MSGPACK else answer.json()
    for receipt in body.get("receipts", []):
        raw = sets[receipt["no"] - first]
        assert receipt["hash"] == sha256(raw).hexdigest()
        table = "forked_set" if receipt["status"] == "forked" else "change_set"
        assert raw in phone.server.kept_bytes(phone.id, receipt["no"], table)
    phone.no = body["expected"] - 1


def check_counter(phone: RawPhone) -> None:
    """Every number up to the last has exactly one stored set."""
    numbers = phone.server.sql("SELECT no FROM change_set WHERE device_id = $1 ORDER BY no", phone.id)
    phone.no = phone.pull()["expected"] - 1
    assert [row["no"] for row in numbers] == list(range(1, phone.no + 1))


@settings(max_examples=EXAMPLES)
@given(junk=st.binary(max_size=200) | BENDINGS, form=st.sampled_from([LINES, MSGPACK]))
def test_any_bytes_as_a_whole_body(phone: RawPhone, junk: Any, form: str) -> None:
    raw = a_good_set(phone, phone.no + 1)
    header = phone.header(first=phone.no + 1)
    whole = lines(header, raw) if form == LINES else packed(header | {"sets": [raw]})
    body = junk if isinstance(junk, bytes) else bent(whole, junk)
    answer = phone.post(body, Content_Type=form)
    assert answer.status_code == 200 or is_problem(answer)["code"] in CATALOGUE
    check_counter(phone)


@settings(max_examples=EXAMPLES)
@given(
    junk=st.binary(min_size=1, max_size=100) | BENDINGS,
    form=st.sampled_from([LINES, MSGPACK]),
    own=st.sampled_from(["json", "msgpack"]),
)
def test_any_bytes_as_a_set(phone: RawPhone, junk: Any, form: str, own: str) -> None:
    first = phone.no + 1
    encode = compact if own == "json" and form == LINES else packed
    good = encode(phone.change_set([create()], no=first))
    raw = junk if isinstance(junk, bytes) else bent(good, junk)
    if not raw or (form == LINES and b"\n" in raw):
        return
    sets = [raw, a_good_set(phone, first + 1)]
    header = phone.header(first=first)
    body = lines(header, *sets) if form == LINES else packed(header | {"sets": sets})
    answer = phone.post(body, Content_Type=form)
    assert answer.status_code == 200
    check(phone, answer, sets, first)
    check_counter(phone)
    assert phone.no == first + 1


@settings(max_examples=EXAMPLES)
@given(
    op=st.sampled_from(["create", "update", "delete"]),
    type_code=st.sampled_from(TYPES),
    fields=st.dictionaries(st.sampled_from(["address", "use", "location", "photos", "dwelling", "x"]) | TEXT, JUNK),
    more=st.dictionaries(st.sampled_from(["base", "grid", "urgency", "capture", "item", "y"]), JUNK, max_size=2),
)
def test_any_change(phone: RawPhone, op: str, type_code: Any, fields: dict[str, Any], more: dict[str, Any]) -> None:
    change = create() | {"op": op, "type": type_code} | more
    change["fields"] = change["fields"] | fields
    first = phone.no + 1
    raw = json.dumps(phone.change_set([change, create()], no=first)).encode()
    answer = phone.post(lines(phone.header(first=first), raw))
    check(phone, answer, [raw], first)
    (receipt,) = answer.json()["receipts"]
    if receipt["status"] == "decided":
        assert receipt["outcomes"][1]["outcome"] == "applied"
    else:
        assert receipt["code"] in CATALOGUE


@settings(max_examples=EXAMPLES)
@given(
    name=st.sampled_from(["clock", "cursors", "epoch", "app", "acknowledged", "unsent", "max_bytes", "catalogue", "z"]),
    value=JUNK | st.dictionaries(TEXT, st.lists(st.integers(0, 2**53), max_size=3), max_size=3),
)
def test_any_value_in_a_header(phone: RawPhone, name: str, value: Any) -> None:
    body = json.dumps(phone.header() | {name: value}).encode()
    answer = phone.post(body)
    assert answer.status_code == 200 or is_problem(answer)["code"] in CATALOGUE


def test_the_phone_goes_on_after_it_all(phone: RawPhone) -> None:
    a_good_set_still_applies(phone)
