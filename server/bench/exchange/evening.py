"""The evening peak: the whole city's phones come home within minutes, push what they hold, and pull."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from time import monotonic
from uuid import UUID

from msgspec import Struct

from schemas.wire import Clock, Cursor, ExchangeAnswer, ExchangeRequest
from server.bench.exchange.making import Making, changes_of
from server.bench.exchange.pushing import PRODUCT, Void, decoded, once
from server.bench.exchange.town import Phone
from server.bench.exchange.wire import post
from server.services import Services
from sync.framing import encode_request

PHONES, MINUTES = 6_060, 5.0
_SETS = (20, 20, 10)
_TRIES, _PAUSE = 5, 1.0
_AT_ONCE = 20_000


class Evening(Struct, frozen=True):
    """What one process of phones saw: seconds of each exchange, the items that were sent, exchanges sent again."""

    seconds: list[float]
    sent: list[UUID]
    retries: int


async def come_home(phones: Sequence[Phone], port: int, seconds: float, seed: str) -> Evening:
    """Every phone once, at a random moment of these seconds. Raises Void where a set was not decided."""
    rng, told = Random(seed), Evening([], [], 0)
    began = monotonic()
    evenings = [_Home(phone, port, f"{seed}/{place}") for place, phone in enumerate(phones)]
    moments = sorted((rng.uniform(0, seconds), place) for place in range(len(phones)))
    async with asyncio.TaskGroup() as group:
        for moment, place in moments:
            await asyncio.sleep(max(0.0, began + moment - monotonic()))
            group.create_task(evenings[place].live())
    for one in evenings:
        told.seconds.extend(one.seconds)
        told.sent.extend(one.sent)
    return Evening(told.seconds, told.sent, sum(one.retries for one in evenings))


class _Home:
    """One phone's evening."""

    def __init__(self, phone: Phone, port: int, seed: str) -> None:
        self.seconds: list[float] = []
        self.sent: list[UUID] = []
        self.retries = 0
        self._phone, self._port = phone, port
        self._making = Making(phone, seed)
        self._cursors: dict[str, Cursor] = {}

    async def live(self) -> None:
        """Push 50 changes in a few sets, then pull until nothing is left."""
        sets = [self._making.next_set(size) for size in _SETS]
        self.sent = [change.item for raw in sets for change in changes_of(raw)]
        answer = await self._exchange(sets)
        if [receipt.status for receipt in answer.receipts] != ["decided"] * len(sets):
            raise Void(f"evening: receipts {[(one.no, one.status, one.code) for one in answer.receipts]}")
        while answer.more:
            answer = await self._exchange([])

    async def _exchange(self, sets: list[bytes]) -> ExchangeAnswer:
        request = post(PRODUCT, self._body(sets), self._phone.access)
        for _ in range(_TRIES):
            began = monotonic()
            try:
                came = await once(self._port, request)
            except OSError:
                came = None
            self.seconds.append(monotonic() - began)
            if came is not None and came.status == 200:
                answer = decoded(came)
                self._cursors |= {page.stream: page.cursor for page in answer.streams}
                return answer
            self.retries += 1
            await asyncio.sleep(_PAUSE)
        raise Void("evening: an exchange was not answered, however often it was sent")

    def _body(self, sets: list[bytes]) -> bytes:
        phone = self._phone
        request = ExchangeRequest(
            device=phone.device,
            clock=Clock(datetime.now(UTC), 60_000, "boot"),
            catalogue=phone.catalogue,
            registry=1,
            epoch=phone.epoch,
            app="1.0",
            cursors=self._cursors,
            first=1 if sets else 0,
        )
        return encode_request(request, sets, "msgpack")


async def lost(services: Services, sent: Sequence[UUID]) -> int:
    """How many of the items that were sent the database does not hold."""
    missing = 0
    async with services.database.read() as connection:
        for at in range(0, len(sent), _AT_ONCE):
            asked = list(sent[at : at + _AT_ONCE])
            held: int | None = await connection.fetchval("SELECT count(*) FROM item WHERE id = ANY($1)", asked)
            missing += len(asked) - (held or 0)
    return missing


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of all does not exceed."""
    return sorted(values)[max(0, -(-int(len(values) * share * 1000) // 1000) - 1)]
