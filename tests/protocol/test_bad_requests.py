"""`/v1/exchange` as a whole: what cannot be read is refused with a stable code, and leaves no trace."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import zstandard

from tests.builders import ADMINISTRATOR, MATE
from tests.protocol.kept import a_good_set, a_good_set_still_applies, nothing_stored
from tests.protocol.live import LiveServer
from tests.protocol.rawphone import LINES, MSGPACK, RawPhone, compact, lines, now, packed, refused

DEEP = 10_000
HUGE = 2**70


@pytest.fixture
def phone(shared_server: LiveServer) -> Iterator[RawPhone]:
    """A phone that must go on working after whatever the test sent."""
    enrolled = RawPhone(shared_server)
    yield enrolled
    a_good_set_still_applies(enrolled)


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


# Bytes that are no header ----------------------------------------------------------------------------------

NO_HEADERS: dict[str, bytes] = {
    "nothing": b"",
    "a newline": b"\n",
    "words": b"hello\n",
    "null": b"null\n",
    "a list": b"[]\n",
    "an open brace": b"{\n",
    "an empty map": b"{}\n",
    "bytes that are no text": b"\xff\xfe\x00{}\n",
    "UTF-16": json.dumps({"device": "x"}).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}\n",
    "10,000 deep, unknown field": b'{"x":' + nested(DEEP) + b"}\n",
    "10,000 lists": b"[" * DEEP + b"]" * DEEP + b"\n",
    "an open 10,000": b"[" * DEEP,
    "NUL": b"\0\n",
    "one digit": b"7",
    "a million digits": b"9" * 1_000_000 + b"\n",
}


@pytest.mark.parametrize("body", NO_HEADERS.values(), ids=NO_HEADERS)
def test_what_is_no_header_is_refused(shared_server: LiveServer, phone: RawPhone, body: bytes) -> None:
    with nothing_stored(shared_server):
        refused(phone.post(body), 400, "body_malformed")
        refused(phone.post(body, Content_Type=MSGPACK), 400, "body_malformed")


# A header with one wrong value -----------------------------------------------------------------------------

CLOCK = {"wall": "2026-01-05T08:00:00+08:00", "mono": 1, "boot": "boot"}
WRONG: dict[str, Any] = {
    "device": [None, 5, "", "x", [], {}, "00000000-0000-0000-0000-00000000000g", True],
    "clock": [
        *(None, [], "now", {}, CLOCK | {"wall": None}, CLOCK | {"wall": 5}, CLOCK | {"wall": "yesterday"}),
        *(CLOCK | {"wall": "2026-01-05T08:00:00"}, CLOCK | {"wall": "0001-01-01T00:00:00+08:00"}),
        *(CLOCK | {"wall": "9999-12-31T23:59:59-08:00"}, CLOCK | {"wall": "2026-02-30T08:00:00Z"}),
        *(CLOCK | {"mono": value} for value in (-1, 1.5, "1", HUGE, 2**53, None, True)),
        *(CLOCK | {"boot": value} for value in (5, "b" * 65, "b b", "\0", "启动", None)),
    ],
    "catalogue": [None, 5, "v" * 65, "\0", "a b"],
    "registry": [None, -1, "1", 1.5, HUGE, [], 2**53],
    "epoch": [5, "e" * 65, "\0", ["e"]],
    "app": [5, "a" * 65, "\0", "\u200b"],
    "cursors": [
        *(None, [], "x", {"grid/x": None}, {"grid/x": 5}, {"grid/x": [-1, 0]}, {"grid/x": [0, -1]}),
        *({"grid/x": [2**53, 0]}, {"grid/x": [0, 2**53]}, {"grid/x": [HUGE, HUGE]}, {"grid/x": ["1", 0]}),
        *({"grid/x": [1.5, 0]}, {"grid/x": {"position": 1}}, {"grid x": [0, 0]}, {"": [0, 0]}, {"\0": [0, 0]}),
        *({"g" * 81: [0, 0]}, {"网格": [0, 0]}),
    ],
    "first": [-1, 1.5, "1", HUGE, None, 2**53],
    "acknowledged": [-1, 1.5, "1", HUGE, 2**53],
    "unsent": [-1, "1", HUGE],
    "max_bytes": [0, -1, 999, 1.5, "x"],
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


def test_a_header_with_one_wrong_value_is_refused(shared_server: LiveServer, phone: RawPhone) -> None:
    raw = a_good_set(phone, 1)
    with nothing_stored(shared_server):
        for name, value in CASES:
            header = phone.header(first=1) | {name: value}
            refused(phone.post(lines(header, raw)), 400, "body_malformed")
            if json.dumps(value).count(str(HUGE)) == 0:
                body = packed(header | {"sets": [raw]})
                refused(phone.post(body, Content_Type=MSGPACK), 400, "body_malformed")


@pytest.mark.parametrize("name", ["device", "clock", "catalogue", "registry"])
def test_a_header_that_lacks_something_is_refused(shared_server: LiveServer, phone: RawPhone, name: str) -> None:
    header = phone.header(first=1)
    del header[name]
    with nothing_stored(shared_server):
        problem = refused(phone.post(lines(header, a_good_set(phone, 1))), 400, "body_malformed")
    assert problem["code"] == "body_malformed"


def test_numbers_that_no_float_holds_and_halves_of_characters(shared_server: LiveServer, phone: RawPhone) -> None:
    header = compact(phone.header(first=1))
    with nothing_stored(shared_server):
        for old, new in [
            (b'"registry":1', b'"registry":1e400'),
            (b'"registry":1', b'"registry":-1e400'),
            (b'"registry":1', b'"registry":NaN'),
            (b'"registry":1', b'"registry":' + b"1" * 5_000),
            (b'"boot":"boot"', b'"boot":"\\ud800"'),
            (b'"boot":"boot"', b'"boot":"\xed\xa0\x80"'),
            (b'"boot":"boot"', b'"boot":"\\u0000"'),
            (b'"first":1', b'"first":1,"cursors":{"\\udfff":[0,0]}'),
        ]:
            broken = header.replace(old, new)
            assert broken != header
            refused(phone.post(broken + b"\n" + a_good_set(phone, 1) + b"\n"), 400, "body_malformed")


def test_a_body_that_was_cut_is_refused(shared_server: LiveServer, phone: RawPhone) -> None:
    """Anywhere inside its sets: a set that lost its end never counts as one."""
    whole = lines(phone.header(first=1), a_good_set(phone, 1))
    end_of_header = whole.index(b"\n") + 1
    with nothing_stored(shared_server):
        for cut in (end_of_header + 1, (end_of_header + len(whole)) // 2, len(whole) - 2, len(whole) - 1):
            refused(phone.post(whole[:cut]), 400, "body_malformed")
        refused(phone.post(whole[: end_of_header - 2]), 400, "body_malformed")
        refused(phone.post(whole + b"\n"), 400, "body_malformed")
        refused(phone.post(whole.replace(b"\n", b"\n\n", 1)), 400, "body_malformed")


def test_change_sets_are_numbered_from_one(shared_server: LiveServer, phone: RawPhone) -> None:
    with nothing_stored(shared_server):
        for header in (phone.header(first=0), phone.header()):
            problem = refused(phone.post(lines(header, a_good_set(phone, 1))), 400, "body_malformed")
            assert problem["field"] == "$.first"
            body = packed(header | {"sets": [a_good_set(phone, 1)]})
            refused(phone.post(body, Content_Type=MSGPACK), 400, "body_malformed")


# MessagePack -----------------------------------------------------------------------------------------------


def oddities(phone: RawPhone) -> dict[str, bytes]:
    header = phone.header(first=1, sets=[a_good_set(phone, 1)])
    whole = packed(header)
    return {
        "cut": whole[:-1],
        "followed by more": whole + b"\xc0",
        "twice": whole * 2,
        "nothing but a map of 2**32 - 1": b"\xdf\xff\xff\xff\xff",
        "an array of 2**32 - 1": b"\xdd\xff\xff\xff\xff",
        "a binary of 4 GB": b"\xc6\xff\xff\xff\xff",
        "the byte that is never used": b"\xc1",
        "deep": b"\x91" * DEEP + b"\xc0",
        "deep maps": b"\x81\xa1a" * DEEP + b"\xc0",
        "an extension": packed(header | {"app": msgspec.msgpack.Ext(5, b"x")}),
        "an extension instead of a map": packed(msgspec.msgpack.Ext(5, whole)),
        "keys that are numbers": packed(dict(enumerate(header.values()))),
        "a key that is a list": b"\x81\x91\x01\x01",
        "NaN": packed(header | {"registry": float("nan")}),
        "infinity": packed(header | {"first": float("inf")}),
        "sets that are text": packed(header | {"sets": ["{}"]}),
        "sets that are no list": packed(header | {"sets": b"{}"}),
        "a set that is empty": packed(header | {"sets": [b""]}),
        "a set that is a number": packed(header | {"sets": [5]}),
        "text that is not UTF-8": packed(header).replace(b"\xa4boot", b"\xa4\xff\xff\xff\xff", 1),
        "JSON": lines(phone.header(first=1), a_good_set(phone, 1)),
    }


def test_messagepack_oddities_are_refused(shared_server: LiveServer, phone: RawPhone) -> None:
    with nothing_stored(shared_server):
        for name, body in oddities(phone).items():
            answer = phone.post(body, Content_Type=MSGPACK)
            assert answer.status_code == 400, (name, answer.text)
            refused(answer, 400, "body_malformed")


# Encodings and sizes ---------------------------------------------------------------------------------------


def zeros(size: int) -> bytes:
    return b"0" * size


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip": ("gzip", lambda: gzip.compress(zeros(100_000_000), 9)),
    "gzip in many members": ("gzip", lambda: gzip.compress(zeros(1_000_000), 9) * 20),
    "zstd": ("zstd", lambda: zstandard.ZstdCompressor(level=3).compress(zeros(100_000_000))),
    "zstd without its size": ("zstd", lambda: b"".join(_streamed())),
}


def _streamed() -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    for _ in range(20):
        yield compressor.compress(zeros(1_000_000))
    yield compressor.flush()


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_unpack_beyond_the_limit_is_refused(shared_server: LiveServer, phone: RawPhone, name: str) -> None:
    encoding, make = BOMBS[name]
    body = make()
    assert len(body) < shared_server.settings.max_body_bytes
    with nothing_stored(shared_server):
        refused(phone.post(body, Content_Encoding=encoding), 413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_bytes_that_are_damaged(shared_server: LiveServer, phone: RawPhone, encoding: str) -> None:
    plain = lines(phone.header(first=1), a_good_set(phone, 1))
    body = gzip.compress(plain) if encoding == "gzip" else zstandard.ZstdCompressor().compress(plain)
    middle = len(body) // 2
    with nothing_stored(shared_server):
        for broken in (b"", b"x", plain, body[:middle], body[:-1], body[:10] + b"\xff" * 20 + body[30:]):
            problem = refused(phone.post(broken, Content_Encoding=encoding), 400, "body_malformed")
            assert problem["code"] == "body_malformed"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "compress", ";"])
def test_other_encodings_are_refused(shared_server: LiveServer, phone: RawPhone, encoding: str) -> None:
    with nothing_stored(shared_server):
        body = lines(phone.header(first=1), a_good_set(phone, 1))
        refused(phone.post(body, Content_Encoding=encoding), 415, "encoding_unknown")


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data", "json", ";", "*/*"])
def test_other_content_types_are_refused(shared_server: LiveServer, phone: RawPhone, media: str) -> None:
    with nothing_stored(shared_server):
        body = lines(phone.header(first=1), a_good_set(phone, 1))
        refused(phone.post(body, Content_Type=media), 415, "encoding_unknown")


def test_a_body_over_the_limit_is_refused(shared_server: LiveServer, phone: RawPhone) -> None:
    """Whether it says its length or comes in parts."""
    too_long = shared_server.settings.max_body_bytes + 1

    def parts() -> Iterator[bytes]:
        for _ in range(too_long // 65_536 + 1):
            yield zeros(65_536)

    with nothing_stored(shared_server):
        refused(phone.post(zeros(too_long)), 413, "body_too_large")
        answer = phone.client.post("/v1/exchange", content=parts(), headers={"Content-Type": LINES})
        refused(answer, 413, "body_too_large")


# Whose request it is ---------------------------------------------------------------------------------------


def test_a_forged_device_id_is_refused(shared_server: LiveServer, phone: RawPhone) -> None:
    other = RawPhone(shared_server, MATE)
    with nothing_stored(shared_server):
        for device in (other.id, str(uuid4())):
            body = lines(phone.header(device=device, first=1), a_good_set(other, 1))
            refused(phone.post(body), 403, "device_mismatch")
    a_good_set_still_applies(other)


def test_only_devices_exchange(shared_server: LiveServer, phone: RawPhone) -> None:
    body = lines(phone.header(first=1), a_good_set(phone, 1))
    with shared_server.client(shared_server.sign_in(ADMINISTRATOR)) as office, nothing_stored(shared_server):
        refused(office.post("/v1/exchange", content=body), 403, "device_needed")
        refused(office.get("/v1/exchange", params={"mark": "x"}), 403, "device_needed")


def test_nobody_exchanges_without_a_token(shared_server: LiveServer, phone: RawPhone) -> None:
    body = lines(phone.header(first=1), a_good_set(phone, 1))
    with shared_server.client() as stranger, nothing_stored(shared_server):
        refused(stranger.post("/v1/exchange", content=body), 401, "token_missing")
        for given in ("Bearer AAAAAAAAAAAAAAAAAAAAAA", "Basic eA==", "Bearer", "Bearer a b", "Bearer " + "a" * 5_000):
            answer = stranger.post("/v1/exchange", content=body, headers={"Authorization": given})
            refused(answer, 401, "token_unknown")
            assert answer.headers["www-authenticate"] == "Bearer"


# What looks absurd and is none of the server's business ------------------------------------------------------


@pytest.mark.parametrize("wall", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00-12:00"])
def test_absurd_clocks_change_nothing(phone: RawPhone, wall: str) -> None:
    """Whatever they say, nothing of a phone is older than the exchange in which it had nothing left to send."""
    phone.pull()
    raw = a_good_set(phone, 1)
    clock = {"wall": wall, "mono": 2**53 - 1, "boot": "another boot"[:7]}
    answer = phone.exchange(raw, first=1, clock=clock)
    phone.no = 1
    assert [one["outcome"] for one in answer["receipts"][0]["outcomes"]] == ["applied"]


def test_a_thousand_cursors_are_answered_and_each_is_lost(phone: RawPhone) -> None:
    cursors = {f"grid/{uuid4()}": [2**53 - 1, 2**53 - 1] for _ in range(1_000)}
    answer = phone.pull(cursors)
    assert sorted(answer["lost"]) == sorted(cursors)
    assert len(answer["gained"]) == 2


def test_a_cursor_beyond_the_head_jumps_to_it(phone: RawPhone) -> None:
    """Nothing can be after it, so what the device holds there is to be compared."""
    a_good_set_still_applies(phone)
    (stream, *_) = phone.pull()["gained"]
    answer = phone.pull({stream: [2**53 - 1, 0]})
    (page,) = [page for page in answer["streams"] if page["stream"] == stream]
    (whole,) = [page for page in phone.pull()["streams"] if page["stream"] == stream]
    assert (page["reset"], page["entries"], page["digest"]) == (True, [], whole["digest"])
    assert page["cursor"] == [whole["cursor"][0]] * 2


def test_foreign_streams_are_lost_and_tell_nothing(shared_server: LiveServer, phone: RawPhone) -> None:
    """Whether they exist or not."""
    west = RawPhone(shared_server, MATE)
    own = f"own/{west.person.id}"
    answer = phone.pull({own: [0, 0], f"own/{uuid4()}": [0, 0], "restricted/x": [0, 0]})
    assert len(answer["lost"]) == 3
    assert not {page["stream"] for page in answer["streams"]} & set(answer["lost"])


@pytest.mark.parametrize("mark", ["x", "A" * 27, "A" * 64, "%00", "网格", "🙂"])
def test_a_wrong_mark_means_that_there_may_be_something(phone: RawPhone, mark: str) -> None:
    answer = phone.client.get("/v1/exchange", params={"mark": mark})
    assert (answer.status_code, answer.json()) == (200, {"changed": True})


def test_a_mark_that_is_none_is_refused(phone: RawPhone) -> None:
    for params in ({}, {"mark": "A" * 65}, {"mark": "A" * 10_000}):
        assert refused(phone.client.get("/v1/exchange", params=params), 400, "parameter_invalid")["field"] == "mark"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_other_methods(phone: RawPhone, method: str) -> None:
    refused(phone.client.request(method, "/v1/exchange"), 405, "method_not_allowed")


def test_no_refusal_repeats_what_was_sent(phone: RawPhone) -> None:
    secret = "欧阳晓静"
    header = phone.header(first=1)
    answers: list[httpx.Response] = [
        phone.post(lines(header | {"app": secret})),
        phone.post(lines(header | {"cursors": {secret: [0, 0]}})),
        phone.post(lines(header | {"device": secret})),
        phone.post(secret.encode()),
        phone.post(lines(header, secret.encode())),
    ]
    assert answers[-1].status_code == 200
    phone.no = 1
    assert not any(secret in answer.text or "\\u6b27" in answer.text for answer in answers)


def test_a_far_future_of_times_is_none_of_a_refusals_business(phone: RawPhone) -> None:
    assert phone.exchange(clock={"wall": now(days=-40_000), "mono": 0, "boot": ""})["expected"] == 1
