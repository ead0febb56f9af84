"""A phone that changes items others made: what one of ten changes among many is measured with."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from random import Random
from typing import Any

from schemas.wire import Base, Capture, Change, ChangeSet, Clock, Entry, EntryItem, ExchangeRequest
from server.bench.exchange.pushing import PRODUCT, Void, check, once
from server.bench.exchange.reading import Reader, entries, light
from server.bench.exchange.town import Phone
from server.bench.exchange.wire import post
from server.made_up.forms import edit_fields
from sync.framing import encode_change, encode_request, encode_set, set_hash


class Editor:
    """Holds some items as pulled, and edits each of them once."""

    def __init__(self, phone: Phone, seed: str) -> None:
        self._phone, self._rng, self._no = phone, Random(seed), 0
        self._items: list[tuple[Entry, EntryItem]] = []

    async def look(self, port: int, kinds: frozenset[str]) -> None:
        """Pull the first page of everything, and remember the items of these types, in no order. Raises Void."""
        reader = Reader(self._phone)
        answer = await once(port, reader.request())
        self._items = [(one, one.item) for one in entries(answer) if one.item and one.item.type in kinds]
        if not light(answer).streams or len(self._items) < 10:
            raise Void("too few items to edit")
        self._rng.shuffle(self._items)

    async def edit(self, port: int, count: int) -> None:
        """Change so many items, one or two fields of each, in one set. Raises Void."""
        changes: list[Change] = []
        while len(changes) < count:
            if not self._items:
                raise Void("no item is left to edit")
            entry, item = self._items.pop()
            fields = edit_fields(item.type, item.fields, self._rng)
            if fields:
                changes.append(self._update(entry, item.type, fields))
        raw = self._set(changes)
        check(await once(port, self._request(raw)), self._no, set_hash(raw), count)

    def _update(self, entry: Entry, kind: str, fields: dict[str, Any]) -> Change:
        base, capture = Base(entry.version, str(entry.rev)), Capture(datetime.now(UTC), 60_000, "boot")
        return Change("update", entry.id, kind, capture, base=base, fields=fields)

    def _set(self, changes: list[Change]) -> bytes:
        phone, self._no = self._phone, self._no + 1
        made = ChangeSet(
            no=self._no,
            device=phone.device,
            holder=phone.user,
            author=phone.user,
            catalogue=phone.catalogue,
            registry=1,
            nonce=secrets.token_urlsafe(16),
            changes=[encode_change(one, "msgpack") for one in changes],
        )
        return encode_set(made, "msgpack")

    def _request(self, raw: bytes) -> bytes:
        phone, clock = self._phone, Clock(datetime.now(UTC), 60_000, "boot")
        request = ExchangeRequest(
            phone.device, clock, phone.catalogue, 1, epoch=phone.epoch, first=self._no, max_bytes=1_000
        )
        return post(PRODUCT, encode_request(request, [raw], "msgpack"), phone.access)
