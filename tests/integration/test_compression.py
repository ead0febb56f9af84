"""Answers and bodies made smaller by the dictionary that phone and server share (RFC 9842)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import httpx
import pytest
import zstandard

from server import shared_dictionary
from server.bench.exchange.samples import Teller
from server.bench.exchange.train import saved
from server.services import Services
from sync.framing import decode_answer, encode_request
from tests.builders import MATE, WORKER, build_city, form
from tests.phones import FieldPhone, clock, field_phone

MAGIC = bytes([0x5E, 0x2A, 0x4D, 0x18, 0x20, 0, 0, 0])


@pytest.fixture
async def dictionary(app_client: httpx.AsyncClient) -> bytes:
    """As a phone fetches it."""
    return (await app_client.get("/v1/exchange/dictionary")).content


@pytest.fixture
async def mate(services: Services, app_client: httpx.AsyncClient) -> FieldPhone:
    """A phone for which ten houses wait."""
    await build_city(services)
    worker = await field_phone(services, app_client, WORKER, "msgpack")
    for number in range(10):
        worker.create("0102", form("0102") | {"unit_no": str(number)})
    worker.seal()
    await worker.sync()
    return await field_phone(services, app_client, MATE, "msgpack")


def named(dictionary: bytes) -> str:
    return f":{b64encode(hashlib.sha256(dictionary).digest()).decode()}:"


def unpack(dictionary: bytes, coded: bytes) -> bytes:
    """As a client of the RFC would: head, then zstd with the dictionary as raw content."""
    assert coded[:40] == MAGIC + hashlib.sha256(dictionary).digest()
    raw = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=raw).stream_reader(coded[40:]).read()


def pack(dictionary: bytes, plain: bytes) -> bytes:
    raw = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return MAGIC + hashlib.sha256(dictionary).digest() + zstandard.ZstdCompressor(dict_data=raw).compress(plain)


async def exchange(phone: FieldPhone, body: bytes | None = None, **headers: str) -> tuple[httpx.Response, bytes]:
    """One exchange and the bytes of its answer as they came."""
    outgoing = phone.device.next_request(clock())
    plain = encode_request(outgoing.request, outgoing.sets, "msgpack")
    sent = phone.headers | {name.replace("_", "-"): value for name, value in headers.items()}
    request: Any = {"content": plain if body is None else body, "headers": sent}
    async with phone.client.stream("POST", "/v1/exchange", **request) as response:
        return response, b"".join([part async for part in response.aiter_raw()])


async def test_the_dictionary_is_open_to_all_and_names_itself(app_client: httpx.AsyncClient) -> None:
    answer = await app_client.get("/v1/exchange/dictionary")
    assert answer.status_code == 200
    assert answer.headers["use-as-dictionary"] == 'match="/v1/*"'
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert 32 * 1024 <= len(answer.content) <= 64 * 1024
    again = await app_client.get("/v1/exchange/dictionary", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_it_is_raw_content() -> None:
    """One that begins like a formatted dictionary would be read as such by clients that tell by the first bytes."""
    assert shared_dictionary.content()[:4] != bytes.fromhex("37a430ec")


async def test_an_answer_for_who_holds_it(mate: FieldPhone, dictionary: bytes) -> None:
    _, plainly = await exchange(mate, accept_encoding="zstd")
    response, coded = await exchange(mate, accept_encoding="gzip, zstd, dcz", available_dictionary=named(dictionary))
    assert response.headers["content-encoding"] == "dcz"
    assert response.headers["vary"] == "Accept, Accept-Encoding, Available-Dictionary"
    answer = decode_answer(unpack(dictionary, coded), "msgpack")
    assert sum(len(page.entries) for page in answer.streams) == 10
    assert len(coded) < 0.9 * len(plainly)


@pytest.mark.parametrize(
    ("accepted", "held", "coding"),
    [
        ("zstd, dcz", None, "zstd"),
        ("zstd, dcz", named(b"another one"), "zstd"),
        ("zstd, dcz", "nonsense", "zstd"),
        ("zstd", "own", "zstd"),
        ("*", "own", "zstd"),
        ("dcz", None, None),
        ("dcz;q=0.5, zstd", "own", "zstd"),
        ("dcz;q=0, zstd", "own", "zstd"),
        ("dcz", "own", "dcz"),
    ],
)
async def test_who_does_not_hold_it_or_does_not_ask(
    mate: FieldPhone, dictionary: bytes, accepted: str, held: str | None, coding: str | None
) -> None:
    headers = {"accept_encoding": accepted}
    if held is not None:
        headers["available_dictionary"] = named(dictionary) if held == "own" else held
    response, coded = await exchange(mate, **headers)
    assert response.headers.get("content-encoding") == coding
    plain = {"zstd": zstandard.ZstdDecompressor().decompress, "dcz": lambda raw: unpack(dictionary, raw), None: bytes}
    assert decode_answer(plain[coding](coded), "msgpack").streams


async def test_a_body_made_with_it_is_taken(mate: FieldPhone, dictionary: bytes) -> None:
    mate.create("0102", form("0102") | {"unit_no": "99"})
    mate.seal()
    outgoing = mate.device.next_request(clock())
    body = pack(dictionary, encode_request(outgoing.request, outgoing.sets, "msgpack"))
    response, coded = await exchange(mate, body, content_encoding="dcz", accept_encoding="identity")
    assert response.status_code == 200
    assert [one.outcome for one in decode_answer(coded, "msgpack").receipts[0].outcomes] == ["applied"]


async def test_bodies_that_it_cannot_open(mate: FieldPhone, dictionary: bytes, services: Services) -> None:
    bomb = pack(dictionary, b"\0" * (services.settings.max_body_bytes + 1))
    cut = pack(dictionary, b"\0" * 1000)[:50]
    outgoing = mate.device.next_request(clock())
    valid = zstandard.ZstdCompressor().compress(encode_request(outgoing.request, outgoing.sets, "msgpack"))
    strange = MAGIC + hashlib.sha256(b"another one").digest() + valid
    for body, status, code in [
        (pack(b"another one" * 100, b"\x80"), 400, "body_malformed"),
        (zstandard.ZstdCompressor().compress(b"\x80"), 400, "body_malformed"),
        (strange, 400, "body_malformed"),
        (b"", 400, "body_malformed"),
        (cut, 400, "body_malformed"),
        (bomb, 413, "body_too_large"),
    ]:
        response, coded = await exchange(mate, body, content_encoding="dcz", accept_encoding="identity")
        assert (response.status_code, code.encode() in coded) == (status, True), (code, coded)


def test_it_is_worth_its_bytes() -> None:
    """Of answers that it was not trained on, in either form, it saves a quarter and more."""
    for without, with_it in saved(shared_dictionary.content()).values():
        assert with_it < 0.75 * without


def test_samples_follow_from_their_seed() -> None:
    assert list(Teller(7).answers(3, 4, "json")) == list(Teller(7).answers(3, 4, "json"))
