"""A server in a few lines, for tests of the device: feeds with positions, receipts by number, moves and scopes.

It is written from the protocol alone and shares nothing with the real server but the wire types; the hash of an
entry it works out itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from schemas.wire import (
    Change,
    ChangeOutcome,
    ChangeSet,
    Cursor,
    Entry,
    ExchangeAnswer,
    ExchangeRequest,
    ItemBody,
    NoticeBody,
    Receipt,
    StreamPage,
)

NOW = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
GRIDS = ["341102001001001", "341102001001002", "341102001001003"]


def hash64(entry: Entry) -> int:
    numbers = entry.version.to_bytes(4, "big") + bytes.fromhex(entry.rev) + entry.touch.to_bytes(4, "big")
    return int.from_bytes(hashlib.sha256(entry.id.bytes + numbers).digest()[:8], "big")


@dataclass
class Feed:
    head: int = 0
    latest: dict[UUID, Entry] = field(default_factory=dict)

    def put(self, entry: Entry) -> None:
        self.head += 1
        self.latest[entry.id] = msgspec.structs.replace(entry, position=self.head)

    def present(self) -> dict[UUID, Entry]:
        return {key: one for key, one in self.latest.items() if one.item or one.notice}

    def digest(self) -> str:
        total = 0
        for entry in self.present().values():
            total ^= hash64(entry)
        return f"{total:016x}"


@dataclass
class Item:
    id: UUID
    author: UUID
    grid: str
    fields: dict[str, Any]
    version: int = 0
    touch: int = 0
    deleted: bool = False
    writers: dict[str, tuple[int, UUID]] = field(default_factory=dict)

    @property
    def rev(self) -> str:
        return hashlib.sha256(f"{self.id}{self.version}{sorted(self.fields.items())}".encode()).hexdigest()[:16]


class ModelServer:
    """`log` keeps every change that was taken and what became of it, in order: the tests' truth."""

    def __init__(self, page: int) -> None:
        self.page = page
        self.feeds: dict[str, Feed] = {}
        self.items: dict[UUID, Item] = {}
        self.scopes: dict[UUID, set[str]] = {}
        self.receipts: dict[UUID, dict[int, Receipt]] = {}
        self.log: list[tuple[UUID, int, int, Change, ChangeOutcome]] = []

    # Scope -----------------------------------------------------------------------------------------------

    def streams_of(self, user: UUID) -> set[str]:
        return {f"grid/{grid}" for grid in self.scopes[user]} | {f"own/{user}"}

    def feed(self, key: str) -> Feed:
        return self.feeds.setdefault(key, Feed())

    # Exchange --------------------------------------------------------------------------------------------

    def exchange(self, user: UUID, request: ExchangeRequest, sets: list[bytes]) -> ExchangeAnswer:
        told = self.receipts.setdefault(request.device, {})
        receipts = [self._take(user, request.device, no, raw) for no, raw in enumerate(sets, request.first)]
        scope = self.streams_of(user)
        gained = sorted(scope - set(request.cursors))
        pages = self._pages(scope, request, gained)
        return ExchangeAnswer(
            epoch="e1",
            now=NOW,
            expected=len(told) + 1,
            safe_no=0,
            catalogue="1",
            registry=1,
            receipts=[receipt for receipt in receipts if receipt],
            gained=gained,
            lost=sorted(set(request.cursors) - scope),
            streams=pages,
            more=any(page.more for page in pages),
        )

    def _pages(self, scope: set[str], request: ExchangeRequest, gained: list[str]) -> list[StreamPage]:
        pages: list[StreamPage] = []
        for key in sorted(scope):
            here = self.feed(key)
            cursor = request.cursors.get(key, Cursor())
            entries = sorted(here.latest.values(), key=lambda entry: entry.position)
            after = [entry for entry in entries if entry.position > cursor.position]
            if not after and key not in gained and cursor.position:
                continue
            more = len(after) > self.page
            position = after[: self.page][-1].position if after else cursor.position
            fill = here.head if not cursor.position else cursor.fill
            digest = None if more else here.digest()
            pages.append(StreamPage(key, after[: self.page], Cursor(position, fill), more, digest))
        return pages

    def _take(self, user: UUID, device: UUID, no: int, raw: bytes) -> Receipt | None:
        told = self.receipts[device]
        hashed = hashlib.sha256(raw).hexdigest()
        if no in told:
            assert told[no].hash == hashed, "a device sent other bytes under an old number"
            return told[no]
        if no != len(told) + 1:
            return None
        change_set = msgspec.json.decode(raw, type=ChangeSet)
        assert (change_set.no, change_set.device) == (no, device)
        outcomes = [
            self._decide(user, device, no, index, msgspec.json.decode(one, type=Change))
            for index, one in enumerate(change_set.changes)
        ]
        told[no] = Receipt(no, hashed, "decided", outcomes)
        return told[no]

    # Changes ---------------------------------------------------------------------------------------------

    def _decide(self, user: UUID, device: UUID, no: int, index: int, change: Change) -> ChangeOutcome:
        item = self.items.get(change.item)
        if change.op == "create":
            assert item is None, "one creation was taken twice"
            item = Item(change.item, user, change.grid or GRIDS[0], {})
            self.items[change.item] = item
        word = self._word(item, change, device, user)
        if item is not None and word in ("applied", "merged"):
            self._revise(item, change, device)
            outcome = ChangeOutcome(str(change.item), word, item.version, item.rev)
        else:
            outcome = ChangeOutcome(str(change.item), word, code="told_to_the_worker")
            if word == "parked":
                self._park(user, change, f"{device}/{no}/{index}")
        self.log.append((device, no, index, change, outcome))
        return outcome

    def _word(self, item: Item | None, change: Change, device: UUID, user: UUID) -> Any:
        if item is None:
            return "rejected"
        if change.op != "create" and item.grid not in self.scopes[user] and item.author != user:
            return "quarantined"
        base = change.base.version if change.base else 0
        others = {name for name, (at, by) in item.writers.items() if at > base and by != device}
        stale = item.deleted or (others and change.op == "delete") or others & set(change.fields)
        return "parked" if stale else "merged" if others else "applied"

    def _revise(self, item: Item, change: Change, device: UUID) -> None:
        item.version += 1
        item.fields = {**item.fields, **change.fields}
        item.deleted = change.op == "delete"
        item.writers |= dict.fromkeys(change.fields, (item.version, device))
        self._publish(item, item.grid)

    def _park(self, user: UUID, change: Change, name: str) -> None:
        object_id = UUID(bytes=hashlib.sha256(name.encode()).digest()[:16])
        body = NoticeBody(object_id, "parked", change.item, "overlap", 1, change.fields)
        self.feed(f"own/{user}").put(Entry(0, "parked", object_id, 1, "0" * 16, 0, notice=body))

    # What offices do -------------------------------------------------------------------------------------

    def move(self, item: Item, grid: str) -> None:
        before, item.grid = item.grid, grid
        item.version += 1
        self._publish(item, before)

    def touch(self, item: Item) -> None:
        item.touch += 1
        self._publish(item, item.grid)

    def _publish(self, item: Item, before: str) -> None:
        body = ItemBody(
            id=item.id,
            type="0401",
            version=item.version,
            rev=item.rev,
            touch=item.touch,
            grid=None,
            code=item.grid,
            author=item.author,
            urgency="normal",
            fields=item.fields,
            received_at=NOW,
        )
        entry = Entry(0, "item", item.id, item.version, item.rev, item.touch, item=body)
        absence = msgspec.structs.replace(entry, item=None)
        if before != item.grid:
            self.feed(f"grid/{before}").put(absence)
        for key in (f"grid/{item.grid}", f"own/{item.author}"):
            self.feed(key).put(absence if item.deleted else entry)
