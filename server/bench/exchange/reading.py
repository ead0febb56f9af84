"""A phone that reads: a full pull from nothing, what changed since, and whether there is anything new."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec
from msgspec import Struct

from schemas.wire import Clock, Cursor, Entry, ExchangeRequest
from server import shared_dictionary
from server.bench.exchange.pushing import PRODUCT, Void, once, unpacked
from server.bench.exchange.town import Phone
from server.bench.exchange.wire import Answer, Link, get, post
from sync.framing import decode_answer, encode_request

_HOST = "127.0.0.1"
WITH_DICTIONARY = ("Accept-Encoding: dcz", f"Available-Dictionary: {shared_dictionary.available()}")


class LightPage(Struct, frozen=True):
    """As much of a page as a phone needs to ask for the next one; entries stay opaque while the clock runs."""

    stream: str
    entries: list[msgspec.Raw]
    cursor: Cursor
    more: bool = False


class LightAnswer(Struct, frozen=True):
    """An answer of such pages."""

    streams: list[LightPage] = []
    more: bool = False
    mark: str | None = None

    @property
    def entries(self) -> int:
        """How many objects it holds."""
        return sum(len(page.entries) for page in self.streams)


class Pulled(Struct, frozen=True):
    """A whole pull: objects, and the bytes of all bodies as they came."""

    entries: int
    body_bytes: int
    pages: int


class Reader:
    """A phone that only pulls."""

    def __init__(self, phone: Phone, cursors: dict[str, Cursor] | None = None) -> None:
        self.phone = phone
        self.cursors = dict(cursors or {})
        self.mark = ""

    async def pull(self, port: int, path: str = PRODUCT, *more: str) -> Pulled:
        """Exchange until nothing is left; the cursors move along. `more`: header lines beyond the usual."""
        entries = size = pages = 0
        while True:
            came = await once(port, self.request(path, *more))
            answer = light(came)
            entries, size, pages = entries + answer.entries, size + len(came.body), pages + 1
            self.cursors |= {page.stream: page.cursor for page in answer.streams}
            if not answer.more:
                self.mark = answer.mark or ""
                return Pulled(entries, size, pages)

    def request(self, path: str = PRODUCT, *more: str) -> bytes:
        """An exchange that only pulls."""
        phone = self.phone
        request = ExchangeRequest(
            device=phone.device,
            clock=Clock(datetime.now(UTC), 60_000, "boot"),
            catalogue=phone.catalogue,
            registry=1,
            epoch=phone.epoch,
            app="1.0",
            cursors=self.cursors,
        )
        return post(path, encode_request(request, [], "msgpack"), phone.access, *more)

    def poll(self) -> bytes:
        """Is there anything new?"""
        return get(f"{PRODUCT}?mark={self.mark}", self.phone.access)


def light(answer: Answer) -> LightAnswer:
    """The answer without looking into its entries. Raises Void."""
    if answer.status != 200:
        raise Void(f"HTTP {answer.status}: {answer.body[:300]!r}")
    return msgspec.msgpack.decode(unpacked(answer), type=LightAnswer)


def ceiling_poll(streams: list[str], mark: int) -> bytes:
    """The ceiling's poll of the same streams."""
    return get(f"/poll?mark={mark}&streams={quote(','.join(sorted(streams)), safe=',/')}", "none")


async def ask_often(port: int, request: bytes, links: int, times: int) -> None:
    """The same request over some connections, each so many times; 204 every time. Raises Void."""

    async def one() -> None:
        link = await Link.to(_HOST, port)
        try:
            for _ in range(times):
                check_unchanged(await link.ask(request))
        finally:
            link.close()

    await asyncio.gather(*(one() for _ in range(links)))


def check_unchanged(answer: Answer) -> Answer:
    """A poll's answer where nothing is new. Raises Void."""
    if answer.status != 204:
        raise Void(f"a poll was answered {answer.status} where nothing was new")
    return answer


def entries(answer: Answer) -> list[Entry]:
    """The entries of an answer. Raises Void where it is none."""
    light(answer)
    pages = decode_answer(unpacked(answer), "msgpack").streams
    return [entry for page in pages for entry in page.entries]
