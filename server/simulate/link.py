"""The connection of one phone: its tokens, the form and coding of its messages."""

from __future__ import annotations

import asyncio
import gzip
from typing import Literal, NamedTuple

import zstandard
from msgspec import Struct

from schemas.accounts import TokenPair
from schemas.wire import ExchangeAnswer
from server.simulate.faults import Luck
from server.simulate.net import Net, Refused
from sync.device import Outgoing
from sync.framing import Form, decode_answer, encode_request

Coding = Literal["identity", "gzip", "zstd"]

_MEDIA_TYPES: dict[Form, str] = {"json": "application/x-ndjson", "msgpack": "application/msgpack"}
_ENDED = ("token_expired", "token_unknown")


class Habit(NamedTuple):
    """How an app writes: the form of bodies, their coding."""

    form: Form
    coding: Coding


class BrokenError(Exception):
    """The server broke a promise to this phone, or the phone cannot go on."""


class Tally(Struct):
    """What happened on the wire."""

    exchanges: int = 0
    requests_lost: int = 0
    answers_lost: int = 0
    receipts_replayed: int = 0
    doubled: int = 0
    stale: int = 0
    tokens_renewed: int = 0
    uploads_cut: int = 0


class Link:
    """One phone's way to the server. Renews its access token when the server no longer takes it."""

    def __init__(self, net: Net, luck: Luck, habit: Habit, pair: TokenPair, tally: Tally) -> None:
        self.net = net
        self._luck = luck
        self._habit = habit
        self._pair = pair
        self._former = pair.access
        self.tally = tally
        self._renewing = asyncio.Lock()

    async def exchange(self, outgoing: Outgoing) -> ExchangeAnswer:
        """Send this request and read its answer."""
        form, coding = self._habit
        headers = {"Content-Type": _MEDIA_TYPES[form], "Accept-Encoding": coding}
        body = encode_request(outgoing.request, outgoing.sets, form)
        if coding != "identity":
            body, headers["Content-Encoding"] = _compress(body, coding), coding
        self.tally.exchanges += 1
        return decode_answer(await self._send("POST", "/v1/exchange", body, headers), form)

    async def has_news(self, mark: str) -> bool:
        """Whether an exchange would bring anything."""
        return await self._send("GET", f"/v1/exchange?mark={mark}") != b""

    async def get(self, path: str) -> bytes:
        """The body of a GET."""
        return await self._send("GET", path)

    async def post(self, path: str, body: bytes) -> bytes:
        """The body that answers a JSON document."""
        return await self._send("POST", path, body, {"Content-Type": "application/json"})

    async def renew(self) -> None:
        """Get the next pair of tokens. An answer that is lost is asked for again, and must be the same.

        Raises BrokenError if it is not.
        """
        wish = {"grant": "refresh", "refresh": self._pair.refresh}
        pair = await self.net.ask("/v1/token", wish, TokenPair)
        if self._luck.strikes("token_answer_lost"):
            again = await self.net.ask("/v1/token", wish, TokenPair)
            if (again.access, again.refresh) != (pair.access, pair.refresh):
                raise BrokenError("a repeated refresh gave another pair")
        self._former, self._pair = self._pair.access, pair
        self.tally.tokens_renewed += 1

    async def wake(self) -> None:
        """After hours offline the token may have run out by the phone's own clock."""
        if self._luck.strikes("token_expired"):
            await self.renew()

    async def _send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        # Now and then an app still holds the token that it had before the last renewal.
        token = self._former if self._luck.strikes("old_token_used") else self._pair.access
        for _ in range(3):
            try:
                return (await self.net.call(method, path, token=token, content=body, headers=headers)).content
            except Refused as refused:
                if refused.code not in _ENDED:
                    raise
                async with self._renewing:
                    if token == self._pair.access:
                        await self.renew()
                token = self._pair.access
        raise BrokenError("the server takes no token of this phone")


def _compress(body: bytes, coding: Coding) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(body) if coding == "zstd" else gzip.compress(body, 6)
