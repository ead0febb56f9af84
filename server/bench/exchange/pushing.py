"""One phone that pushes change sets, to the product or to the ceiling: the same bytes to both.

What it pushed is handed out under gapless positions, so a phone that is alone in its grids knows where its streams
will stand, and asks for nothing back: the figure is that of pushing. Every answer is checked when the clock stands.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

import zstandard

from schemas.wire import Clock, Cursor, ExchangeAnswer, ExchangeRequest
from server import shared_dictionary
from server.bench.exchange.making import Making, changes_of, stream_of
from server.bench.exchange.table import Row, rows_of
from server.bench.exchange.town import Phone
from server.bench.exchange.wire import Answer, Link, post
from sync.framing import decode_answer, encode_request, set_hash

PRODUCT, CEILING = "/v1/exchange", "/exchange"
_HOST = "127.0.0.1"
_MOST_BYTES = 64 * 1024 * 1024


class Void(Exception):
    """The server did not do what is measured, so that no figure may be told."""


class Ready(NamedTuple):
    """A set made ready: number and hash, its records, the requests to both sides, its rows for the bare database."""

    no: int
    hash: str
    records: int
    product: bytes
    ceiling: bytes
    rows: list[Row]


class Pusher:
    """A phone with its counter and cursors."""

    def __init__(self, phone: Phone, seed: str, records: int) -> None:
        self.phone, self._records = phone, records
        self._making = Making(phone, seed)
        self._spare = Making(phone, f"{seed} spare")
        self._cursors: dict[str, Cursor] = {}

    async def warm(self, port: int) -> None:
        """Push a set and pull it back, so that every stream is known. Raises Void."""
        raw = self._making.next_set(self._records)
        check(
            await self._send(port, self._request([raw], self._making.no)), self._making.no, set_hash(raw), self._records
        )
        await self.pull(port)

    async def pull(self, port: int) -> None:
        """Exchange until nothing is left to pull."""
        while True:
            answer = decoded(await self._send(port, self._request([])))
            self._cursors = self._cursors | {page.stream: page.cursor for page in answer.streams}
            if not answer.more:
                return

    def make(self, sets: int) -> list[Ready]:
        """The next sets, encoded; the cursors stand where the streams will after each."""
        return [self._ready() for _ in range(sets)]

    def spare(self, sets: int) -> list[Ready]:
        """Further sets, for those alone who look at no number: the fast need more of them for a steady figure."""
        return [self._packed(self._spare, self._spare.next_set(self._records)) for _ in range(sets)]

    def _ready(self) -> Ready:
        raw = self._making.next_set(self._records)
        steps = Counter(stream_of(one, self.phone.user) for one in changes_of(raw))
        self._cursors |= {
            key: Cursor(held.position + steps[key], held.fill) for key, held in self._cursors.items() if steps[key]
        }
        return self._packed(self._making, raw)

    def _packed(self, making: Making, raw: bytes) -> Ready:
        body, access = self._request([raw], making.no), self.phone.access
        sides = post(PRODUCT, body, access), post(CEILING, body, access)
        return Ready(making.no, set_hash(raw), self._records, *sides, rows_of(changes_of(raw), self.phone.user))

    def _request(self, sets: list[bytes], no: int = 0) -> bytes:
        phone = self.phone
        request = ExchangeRequest(
            device=phone.device,
            clock=Clock(datetime.now(UTC), 60_000, "boot"),
            catalogue=phone.catalogue,
            registry=1,
            epoch=phone.epoch,
            app="bench",
            cursors=self._cursors,
            first=no,
            acknowledged=max(0, no - 1),
        )
        return encode_request(request, sets, "msgpack")

    async def _send(self, port: int, body: bytes) -> Answer:
        return await once(port, post(PRODUCT, body, self.phone.access))


async def once(port: int, request: bytes) -> Answer:
    """One exchange over a connection of its own, as a phone that comes and goes has it."""
    link = await Link.to(_HOST, port)
    try:
        return await link.ask(request)
    finally:
        link.close()


async def push_all(port: int, path: str, work: list[list[Ready]]) -> list[list[Answer]]:
    """Every phone pushes its sets one after another, all phones at once."""

    async def one(sets: list[Ready]) -> list[Answer]:
        return [await once(port, ready.product if path == PRODUCT else ready.ceiling) for ready in sets]

    return await asyncio.gather(*map(one, work))


def check_all(work: list[list[Ready]], answers: list[list[Answer]]) -> None:
    """Every set was decided and every change applied, and nothing came back. Raises Void."""
    for sets, own in zip(work, answers, strict=True):
        for ready, answer in zip(sets, own, strict=True):
            found = check(answer, ready.no, ready.hash, ready.records)
            kinds = [one.notice.code if one.notice else one.kind for page in found.streams for one in page.entries]
            if kinds or any(page.reset for page in found.streams):
                raise Void(f"set {ready.no}: the answer holds entries that the phone did not push: {kinds[:3]}")


def check(answer: Answer, no: int, digest: str, records: int) -> ExchangeAnswer:
    """The answer to one set, decided and applied throughout. Raises Void."""
    found = decoded(answer)
    outcomes = [one.outcome for receipt in found.receipts for one in receipt.outcomes]
    wrong = sorted({one for one in outcomes if one != "applied"})
    if [(one.no, one.hash, one.status) for one in found.receipts] != [(no, digest, "decided")] or wrong:
        said = [(one.no, one.status, one.code) for one in found.receipts]
        codes = sorted({one.code for receipt in found.receipts for one in receipt.outcomes if one.code})
        raise Void(f"set {no}: receipts {said}, outcomes {wrong}, codes {codes}")
    if len(outcomes) != records:
        raise Void(f"set {no}: {len(outcomes)} outcomes for {records} changes")
    return found


def decoded(answer: Answer) -> ExchangeAnswer:
    """The answer to an exchange. Raises Void."""
    if answer.status != 200:
        raise Void(f"HTTP {answer.status}: {answer.body[:300]!r}")
    return decode_answer(unpacked(answer), "msgpack")


def unpacked(answer: Answer) -> bytes:
    """The body without its coding."""
    match answer.headers.get(b"content-encoding"):
        case b"zstd":
            return zstandard.ZstdDecompressor().decompress(answer.body, max_output_size=_MOST_BYTES)
        case b"dcz":
            return shared_dictionary.decompress(answer.body, _MOST_BYTES)
        case _:
            return answer.body
