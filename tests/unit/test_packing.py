"""Answers in MessagePack: chance in bytes on the way, the text of JSON once they are read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from schemas.forms import packaged
from schemas.wire import Bits64, Cursor, Entry, EntryItem, ExchangeAnswer, Repaired, StreamPage
from sync.framing import Form, Unreadable, decode_answer, encode_answer, encode_entry
from sync.packing import packed, unpacked
from tests.property.model_server import NOW

ITEM, GRID, AUTHOR, DWELLING = (UUID(int=0x018FD_1000_0000_7000 << 64 | number) for number in range(4))
REV, HASH = "00ff5e5e5e5e5e5e", "ab" * 32
REFERRING = next(one for one in packaged().types.values() if one.reference_fields)
REFERENCE = next(iter(REFERRING.reference_fields))
REPORTED = next(one for one in packaged().types.values() if one.photo_field)


def answer(kind: Any, fields: dict[str, Any], form: Form) -> ExchangeAnswer:
    told = EntryItem(
        kind.code, "normal", packed(kind, fields) if form == "msgpack" else fields, NOW, GRID, None, AUTHOR
    )
    entry = Entry(1, "item", ITEM, 1, Bits64(REV), 0, item=told)
    ready: Any = [encode_entry(entry, form)]
    page = StreamPage("own/1", ready, Cursor(1, 1), digest=Bits64(REV), repaired=Repaired({}, {3: b"\x01" * 16}, ready))
    return ExchangeAnswer("e1", NOW, 1, 0, "1", 1, streams=[page])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (REFERRING, {REFERENCE: str(DWELLING), "name": "王五"}),
        (REPORTED, {REPORTED.photo_field: [{"sha256": HASH, "size": 9, "role": "report"}], "rooms": [1, None, 2.5]}),
        (REPORTED, {}),
    ],
)
def test_an_answer_says_the_same_in_both_forms(kind: Any, fields: dict[str, Any]) -> None:
    read = [decode_answer(encode_answer(answer(kind, fields, form), form), form) for form in ("json", "msgpack")]
    assert read[0] == read[1]
    (page,) = read[1].streams
    assert page.entries[0].item is not None
    assert page.entries[0].item.fields == fields
    assert page.repaired is not None
    assert page.repaired.entries == page.entries
    assert (page.digest, page.entries[0].rev, page.repaired.hashes) == (REV, REV, {3: b"\x01" * 16})


def test_no_chance_travels_as_text_in_messagepack() -> None:
    photos = [{"sha256": HASH, "size": 9, "role": "report"}]
    for kind, fields in ((REFERRING, {REFERENCE: str(DWELLING)}), (REPORTED, {REPORTED.photo_field: photos})):
        body = encode_answer(answer(kind, fields, "msgpack"), "msgpack")
        assert not any(text.encode() in body for text in (REV, HASH, str(DWELLING), str(ITEM), str(GRID), str(AUTHOR)))
        (entry,) = msgspec.msgpack.decode(body)["streams"][0]["entries"]
        assert (entry["id"], entry["rev"]) == (ITEM.bytes, bytes.fromhex(REV))
    assert fields == {REPORTED.photo_field: photos}, "the values themselves are left as they are"


@pytest.mark.parametrize("odd", [str(DWELLING).upper(), DWELLING.hex, "1203 室", "", None, 7, [str(DWELLING)]])
def test_what_is_no_id_as_it_is_spelled_now_stays_as_it_is(odd: Any) -> None:
    assert packed(REFERRING, {REFERENCE: odd}) == {REFERENCE: odd}


@pytest.mark.parametrize("odd", [None, "none", ["x"], [{"sha256": "ab"}], [{"size": 1}], [{"sha256": 5}]])
def test_what_is_no_photo_stays_as_it_is(odd: Any) -> None:
    assert packed(REPORTED, {REPORTED.photo_field: odd}) == {REPORTED.photo_field: odd}


def test_binaries_are_read_at_any_depth() -> None:
    assert unpacked([{"a": [DWELLING.bytes, bytes.fromhex(HASH), "b", 1]}]) == [{"a": [str(DWELLING), HASH, "b", 1]}]


@pytest.mark.parametrize("rev", [b"\x01" * 7, "5" * 15, "G" * 16, "5E" * 8, 1, None])
def test_what_is_not_64_bits_cannot_be_read(rev: Any) -> None:
    entry = {"position": 1, "kind": "item", "id": str(ITEM), "version": 1, "rev": rev, "touch": 0}
    page = {"stream": "own/1", "entries": [entry], "cursor": [1, 1]}
    whole = {"epoch": "e", "now": NOW, "expected": 1, "safe_no": 0, "catalogue": "1", "registry": 1, "streams": [page]}
    with pytest.raises(Unreadable, match="answer_malformed"):
        decode_answer(msgspec.msgpack.encode(whole), "msgpack")
