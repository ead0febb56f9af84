"""Poison in every envelope: twenty sets in one request, the seventh of which is bad, in JSON lines and in MessagePack.

The other nineteen apply, the counter reaches twenty, the bytes are kept as they came, and however the sets are sent
again, the receipts are the same and no answer is a failure of the server.

Breakages seen red: a counter that does not advance over what was rejected; bytes stored otherwise than they came; an
internal error that escapes; a lost connection that passes for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest

from server.sealing import unseal
from server.usecases import push
from tests.protocol.kept import a_good_set, a_good_set_still_applies, is_kept, last_numbers, nothing_stored
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import LINES, MSGPACK, RawPhone, compact, create, lines, packed

SETS, BAD = 20, 7
DEEP = 10_000
MARKED = "7-7"


class Envelope(NamedTuple):
    """How a request is framed, and what its sets are written in."""

    media: str
    written: str

    def set_of(self, phone: RawPhone, no: int, **fields: Any) -> bytes:
        """A set with one new dwelling."""
        made = phone.change_set([create("0102", unit_no=f"{no}-{no}", **fields)], no=no)
        return compact(made) if self.written == "json" else packed(made)

    def body(self, header: dict[str, Any], sets: list[bytes]) -> bytes:
        return lines(header, *sets) if self.media == LINES else packed(header | {"sets": sets})

    def read(self, raw: bytes) -> dict[str, Any]:
        return msgspec.json.decode(raw) if self.media == LINES else msgspec.msgpack.decode(raw)

    def exchange(self, phone: RawPhone, sets: list[bytes], first: int) -> dict[str, Any]:
        """The answer, which must be one."""
        answer = phone.post(self.body(phone.header(first=first), sets), Content_Type=self.media)
        assert answer.status_code == 200, (answer.status_code, answer.text[:500])
        return self.read(answer.content)


ENVELOPES = {
    "JSON lines": Envelope(LINES, "json"),
    "MessagePack": Envelope(MSGPACK, "msgpack"),
    "JSON in MessagePack": Envelope(MSGPACK, "json"),
}


class Poison(NamedTuple):
    """A value that spoils the whole set it stands in (code `set_…`), or of it the change alone (`change_…`)."""

    value: bytes
    code: str

    @property
    def status(self) -> str:
        return "rejected" if self.code.startswith("set_") else "decided"


def text32(length: int) -> bytes:
    return b"\xdb" + length.to_bytes(4, "big") + b"x" * length


POISONS: dict[str, dict[str, Poison]] = {
    "a lone surrogate": {
        "json": Poison(b'"\\udc00"', "set_text_invalid"),
        # The changes of a set stay opaque until one by one they are read.
        "msgpack": Poison(b"\xa3\xed\xb0\x80", "change_text_invalid"),
    },
    "10,000 deep": {
        "json": Poison(b"[" * DEEP + b"]" * DEEP, "set_too_deep"),
        "msgpack": Poison(b"\x91" * DEEP + b"\xc0", "set_too_deep"),
    },
    "oversize": {
        "json": Poison(b'"' + b"x" * 400_000 + b'"', "set_too_large"),
        "msgpack": Poison(text32(400_000), "set_too_large"),
    },
    "NUL": {
        "json": Poison(b'"\\u0000"', "change_text_invalid"),
        "msgpack": Poison(b"\xa1\x00", "change_text_invalid"),
    },
}


@pytest.fixture(params=ENVELOPES)
def envelope(request: pytest.FixtureRequest) -> Envelope:
    return ENVELOPES[request.param]


@pytest.fixture
def phone(shared_server: LiveServer) -> Iterator[RawPhone]:
    """A phone that goes on working after whatever it sent."""
    enrolled = RawPhone(shared_server)
    yield enrolled
    enrolled.no = SETS
    a_good_set_still_applies(enrolled)


def twenty(phone: RawPhone, envelope: Envelope, spoil: Callable[[bytes], bytes] = lambda raw: raw) -> list[bytes]:
    sets = [envelope.set_of(phone, no) for no in range(1, SETS + 1)]
    sets[BAD - 1] = spoil(envelope.set_of(phone, BAD, address="MARKER"))
    assert len(set(sets)) == SETS
    return sets


def spoiled(poison: Poison, written: str) -> Callable[[bytes], bytes]:
    clean = b'"MARKER"' if written == "json" else b"\xa6MARKER"

    def spoil(raw: bytes) -> bytes:
        assert raw.count(clean) == 1
        return raw.replace(clean, poison.value)

    return spoil


def all_others_apply(phone: RawPhone, answer: dict[str, Any], sets: list[bytes]) -> dict[str, Any]:
    """Nineteen revisions, twenty receipts under the hashes of what was sent, every byte kept; returns the bad one."""
    receipts = answer["receipts"]
    assert [(one["no"], one["hash"]) for one in receipts] == [
        (no, sha256(raw).hexdigest()) for no, raw in enumerate(sets, 1)
    ]
    good = [one for one in receipts if one["no"] != BAD]
    assert [(one["status"], *(each["outcome"] for each in one["outcomes"])) for one in good] == [
        ("decided", "applied")
    ] * (SETS - 1)
    assert answer["expected"] == SETS + 1
    assert last_numbers(phone.server)[phone.id] == SETS
    assert kept(phone) == dict(enumerate(sets, 1))
    made = phone.server.sql("SELECT set_no FROM revision WHERE device_id = $1 ORDER BY set_no", phone.id)
    assert [row["set_no"] for row in made] == [no for no in range(1, SETS + 1) if no != BAD]
    return receipts[BAD - 1]


def kept(phone: RawPhone) -> dict[int, bytes]:
    """The bytes of all the phone's sets, opened with the keyring."""
    rows = phone.server.sql("SELECT epoch, no, sealed, wrapped FROM change_set WHERE device_id = $1", phone.id)
    opened: dict[int, bytes] = {}
    for row in rows:
        owner = f"{phone.id}/{row['epoch']}/{row['no']}".encode()
        opened[row["no"]] = unseal(phone.server.services.keyring.open_key(owner, row["wrapped"]), owner, row["sealed"])
    return opened


def sent_again_it_is_answered_the_same(
    phone: RawPhone, envelope: Envelope, answer: dict[str, Any], sets: list[bytes]
) -> None:
    """All together, the bad one alone, one by one, and in the middle of others: nothing more is stored."""
    receipts = answer["receipts"]
    with nothing_stored(phone.server):
        assert envelope.exchange(phone, sets, 1)["receipts"] == receipts
        assert envelope.exchange(phone, sets[BAD - 1 : BAD], BAD)["receipts"] == receipts[BAD - 1 : BAD]
        assert envelope.exchange(phone, sets[4:9], 5)["receipts"] == receipts[4:9]
        for no in range(1, SETS + 1):
            assert envelope.exchange(phone, [sets[no - 1]], no)["receipts"] == [receipts[no - 1]]


@pytest.mark.parametrize("name", POISONS)
def test_the_seventh_of_twenty_sets_is_poison(phone: RawPhone, envelope: Envelope, name: str) -> None:
    poison = POISONS[name][envelope.written]
    sets = twenty(phone, envelope, spoiled(poison, envelope.written))
    answer = envelope.exchange(phone, sets, 1)
    receipt = all_others_apply(phone, answer, sets)
    assert receipt["status"] == poison.status
    if poison.status == "rejected":
        assert (receipt["code"], receipt.get("outcomes", [])) == (poison.code, [])
        is_kept(phone.server, phone, BAD, sets[BAD - 1], "rejected", poison.code)
    else:
        assert [(one["outcome"], one["code"]) for one in receipt["outcomes"]] == [("rejected", poison.code)]
    sent_again_it_is_answered_the_same(phone, envelope, answer, sets)


class Fault(NamedTuple):
    """What the server fails with; `late`: when all was stored but the receipt."""

    error: Callable[[str], Exception]
    late: bool = False


FAULTS = {
    "in the arithmetic": Fault(ZeroDivisionError),
    "of the stack": Fault(RecursionError),
    "of the database": Fault(asyncpg.DataError, late=True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_server_itself_fails_over_the_seventh_of_twenty_sets(
    phone: RawPhone, envelope: Envelope, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held for a person, and nothing of it stays applied; answered the same while the fault is there, and after it."""
    spoil_the_server(monkeypatch, FAULTS[name])
    sets = twenty(phone, envelope)
    answer = envelope.exchange(phone, sets, 1)
    receipt = all_others_apply(phone, answer, sets)
    assert (receipt["status"], receipt["code"]) == ("quarantined", "set_internal_error")
    assert MARKED not in receipt["zh"] + receipt["en"]
    is_kept(phone.server, phone, BAD, sets[BAD - 1], "quarantined", "set_internal_error")
    sent_again_it_is_answered_the_same(phone, envelope, answer, sets)
    monkeypatch.undo()
    assert envelope.exchange(phone, sets, 1)["receipts"] == answer["receipts"]


@pytest.mark.parametrize("late", [False, True])
def test_a_connection_that_died_under_the_driver_quarantines_nothing(
    phone: RawPhone, envelope: Envelope, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set is as good as any: the phone is to come back with it."""
    spoil_the_server(monkeypatch, Fault(asyncpg.InternalClientError, late))
    sets = twenty(phone, envelope)
    refused = phone.post(envelope.body(phone.header(first=1), sets), Content_Type=envelope.media)
    assert refused.status_code == 503
    assert last_numbers(phone.server)[phone.id] == BAD - 1
    monkeypatch.undo()
    receipts = envelope.exchange(phone, sets, 1)["receipts"]
    assert [one["outcome"] for receipt in receipts for one in receipt["outcomes"]] == ["applied"] * SETS


def spoil_the_server(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    decide_set, store_decisions = push.decide_set, push.store_decisions

    def is_marked(change: Any) -> bool:
        return change.fields.get("unit_no") == MARKED

    def failing(changes: Any, context: Any, **how: Any) -> Any:
        if any(is_marked(change) for change, _ in changes):
            raise fault.error(MARKED)
        return decide_set(changes, context, **how)

    async def storing(tx: Any, services: Any, loaded: Any, decided: Any) -> Any:
        outcomes = await store_decisions(tx, services, loaded, decided)
        if any(one and is_marked(one[0]) for one in decided.changes):
            raise fault.error(MARKED)
        return outcomes

    monkeypatch.setattr(push, *(("store_decisions", storing) if fault.late else ("decide_set", failing)))


def test_a_request_may_hold_sets_of_either_form(phone: RawPhone) -> None:
    """MessagePack frames both; the poison of one form does not reach the other."""
    json, msgpack = ENVELOPES["JSON in MessagePack"], ENVELOPES["MessagePack"]
    sets = [(json if no % 2 else msgpack).set_of(phone, no) for no in range(1, SETS + 1)]
    sets[BAD - 1] = a_good_set(phone, BAD)[:-1]
    answer = msgpack.exchange(phone, sets, 1)
    assert all_others_apply(phone, answer, sets)["code"] == "set_malformed"
    sent_again_it_is_answered_the_same(phone, msgpack, answer, sets)
