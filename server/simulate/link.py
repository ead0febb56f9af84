"""The connection of one phone: its tokens, the form and coding of its messages."""

from __future__ import annotations

import asyncio
import gzip
from random import Random
from typing import Literal, NamedTuple
from uuid import UUID

import httpx
import zstandard
from msgspec import Struct

from schemas.accounts import Backup, Enrolled, ForkRequest, SetRef, TokenPair
from schemas.wire import ExchangeAnswer
from server.simulate.faults import Luck
from server.simulate.net import Net, Refused
from sync.device import Outgoing
from sync.framing import Form, Unreadable, decode_answer, encode_request

Coding = Literal["identity", "gzip", "zstd"]

_MEDIA_TYPES: dict[Form, str] = {"json": "application/x-ndjson", "msgpack": "application/msgpack"}
_CODINGS: tuple[Coding, ...] = ("gzip", "zstd", "identity")
_RESUMABLE = {"Tus-Resumable": "1.0.0"}
_APPEND = _RESUMABLE | {"Content-Type": "application/offset+octet-stream"}
_NOISE = b"\xc1" * 16
_ENDED = ("token_expired", "token_unknown")


class Habit(NamedTuple):
    """How an app writes: the form of bodies, their coding."""

    form: Form
    coding: Coding


class BrokenError(Exception):
    """The server broke a promise to this phone, or the phone cannot go on."""


class Tally(Struct):
    """What happened on the wire, beside the faults that are counted by name."""

    exchanges: int = 0
    answers_lost: int = 0
    receipts_replayed: int = 0
    stale: int = 0
    tokens_renewed: int = 0


class Credentials(Struct):
    """What an app keeps of its enrolment: all of it goes into a backup of the phone."""

    install: str
    ticket: str
    pair: TokenPair
    former: str

    @classmethod
    def of(cls, enrolled: Enrolled, install: str) -> Credentials:
        """Those of an enrolment, by the name that the app gave itself."""
        pair = TokenPair(enrolled.access, enrolled.access_expires_in, enrolled.refresh, enrolled.limits)
        return cls(install, enrolled.ticket, pair, pair.access)


class Link:
    """One phone's way to the server. Renews its access token when the server no longer takes it."""

    def __init__(self, net: Net, luck: Luck, habit: Habit, credentials: Credentials, tally: Tally) -> None:
        self.net = net
        self.credentials = credentials
        self.tally = tally
        self._luck = luck
        self._habit = habit
        self._renewing = asyncio.Lock()

    @property
    def form(self) -> Form:
        """The form that its sets are in, and its requests as a rule."""
        return self._habit.form

    # Exchanging ------------------------------------------------------------------------------------------------------

    def choose_habit(self) -> Habit:
        """How the next request is written: as ever, or as another version of the app might."""
        if not self._luck.strikes("forms_mixed"):
            return self._habit
        dice = self._luck.dice("forms_mixed")
        # Sets in MessagePack travel in no other form.
        form: Form = "msgpack" if self._habit.form == "msgpack" else dice.choice(("json", "msgpack"))
        return Habit(form, dice.choice([one for one in _CODINGS if one != self._habit.coding]))

    async def exchange(self, outgoing: Outgoing, habit: Habit | None = None, *, slowly: bool = False) -> ExchangeAnswer:
        """Send this request and read its answer."""
        form, _ = habit = habit or self._habit
        self.tally.exchanges += 1
        body, headers = _written(outgoing, habit)
        return decode_answer(await self._send("POST", "/v1/exchange", body, headers, slowly=slowly), form)

    async def exchange_half(self, outgoing: Outgoing, habit: Habit) -> None:
        """The line is cut before the whole request has left."""
        body, headers = _written(outgoing, habit)
        await self.net.cut_request("POST", "/v1/exchange", self.credentials.pair.access, body, headers)

    async def exchange_unheard(self, outgoing: Outgoing, habit: Habit) -> bool:
        """The line is cut when the answer begins to come; whether one came."""
        body, headers = _written(outgoing, habit)
        return await self.net.cut_answer("/v1/exchange", self.credentials.pair.access, body, headers)

    async def exchange_garbled(self, outgoing: Outgoing, habit: Habit) -> bool:
        """The answer comes with bytes damaged or missing; whether that is seen, as it has to be."""
        body, headers = _written(outgoing, habit)
        answer = await self._send("POST", "/v1/exchange", body, headers)
        try:
            decode_answer(_garbled(answer, self._luck.dice("answer_garbled")), habit.form)
        except Unreadable:
            return True
        return False

    async def has_news(self, mark: str) -> bool:
        """Whether an exchange would bring anything."""
        return await self._send("GET", f"/v1/exchange?mark={mark}") != b""

    async def drop_nudges(self) -> bool:
        """Listen for nudges and be cut off; whether the stream had begun."""
        return await self.net.hang_up_on_nudges(self.credentials.pair.access)

    async def get(self, path: str) -> bytes:
        """The body of a GET."""
        return await self._send("GET", path)

    async def post(self, path: str, body: bytes) -> bytes:
        """The body that answers a JSON document."""
        return await self._send("POST", path, body, {"Content-Type": "application/json"})

    # Appending (tus 1.0.0) -------------------------------------------------------------------------------------------

    async def append(self, path: str, at: int, content: bytes) -> int:
        """Send the bytes of a photo that begin at `at`; how many the server has then."""
        answer = await self._ask("PATCH", path, content, _APPEND | {"Upload-Offset": str(at)})
        return int(answer.headers["Upload-Offset"])

    async def append_half(self, path: str, at: int, content: bytes) -> None:
        """The line is cut in the middle of them."""
        headers = _APPEND | {"Upload-Offset": str(at)}
        await self.net.cut_request("PATCH", path, self.credentials.pair.access, content, headers)

    async def offset(self, path: str) -> int:
        """How many bytes the server has. By GET: a refusal of HEAD tells no code."""
        return int((await self._ask("GET", path, headers=_RESUMABLE)).headers["Upload-Offset"])

    # Tokens ----------------------------------------------------------------------------------------------------------

    async def renew(self) -> None:
        """Get the next pair of tokens. An answer that is lost is asked for again, and must be the same.

        Raises BrokenError if it is not.
        """
        wish = {"grant": "refresh", "refresh": self.credentials.pair.refresh}
        pair = await self.net.ask("/v1/token", wish, TokenPair)
        if self._luck.strikes("token_answer_lost"):
            again = await self.net.ask("/v1/token", wish, TokenPair)
            if (again.access, again.refresh) != (pair.access, pair.refresh):
                raise BrokenError("a repeated refresh gave another pair")
        self.credentials.former, self.credentials.pair = self.credentials.pair.access, pair
        self.tally.tokens_renewed += 1

    async def wake(self) -> None:
        """After hours offline the token may have run out by the phone's own clock."""
        if self._luck.strikes("token_expired"):
            await self.renew()

    async def fork(self, install: str, refused: SetRef | None) -> UUID:
        """Become a device of its own, by a set that was `refused` or by what the backup holds; its id.

        `install`: what the app calls itself from now on. The answer is lost, and asked for again.
        """
        own = self.credentials
        backup = Backup(own.ticket, own.install, own.pair.refresh) if refused is None else None
        wish, token = ForkRequest(install=install, refused=refused, backup=backup), own.pair.access
        bearer = token if refused else None
        enrolled = await self.net.ask("/v1/enrol/fork", wish, Enrolled, bearer)
        if await self.net.ask("/v1/enrol/fork", wish, Enrolled, bearer) != enrolled:
            raise BrokenError("a repeated fork gave another answer")
        self.credentials = Credentials.of(enrolled, install)
        return enrolled.device

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        slowly: bool = False,
    ) -> bytes:
        return (await self._ask(method, path, body, headers, slowly=slowly)).content

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        slowly: bool = False,
    ) -> httpx.Response:
        # Now and then an app still holds the token that it had before the last renewal.
        own = self.credentials
        token = own.former if self._luck.strikes("old_token_used") else own.pair.access
        for _ in range(3):
            try:
                return await self.net.call(method, path, token=token, content=body, headers=headers, slowly=slowly)
            except Refused as refused:
                if refused.code not in _ENDED:
                    raise
                async with self._renewing:
                    if token == self.credentials.pair.access:
                        await self.renew()
                token = self.credentials.pair.access
        raise BrokenError("the server takes no token of this phone")


def _written(outgoing: Outgoing, habit: Habit) -> tuple[bytes, dict[str, str]]:
    form, coding = habit
    headers = {"Content-Type": _MEDIA_TYPES[form], "Accept-Encoding": coding}
    body = encode_request(outgoing.request, outgoing.sets, form)
    return (
        (body, headers) if coding == "identity" else (_compress(body, coding), {**headers, "Content-Encoding": coding})
    )


def _compress(body: bytes, coding: Coding) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(body) if coding == "zstd" else gzip.compress(body, 6)


def _garbled(answer: bytes, dice: Random) -> bytes:
    """Its end is missing, or some bytes in it are no text and no number."""
    at = dice.randrange(len(answer))
    return answer[:at] if dice.random() < 0.5 else answer[:at] + _NOISE + answer[at + len(_NOISE) :]
