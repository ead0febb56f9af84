"""A server in a few lines, for tests of the device: feeds with positions, receipts by number, moves, scopes, backups.

It is written from the protocol alone and shares nothing with the real server but the wire types; the hash of an
entry it works out itself.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import Any
from uuid import UUID

import msgspec

from schemas.wire import (
    Change,
    ChangeOutcome,
    ChangeSet,
    Cursor,
    Directive,
    Entry,
    ExchangeAnswer,
    ExchangeRequest,
    ItemBody,
    NoticeBody,
    Receipt,
    Repair,
    Repaired,
    StreamPage,
)
from tests.entries import entry_of

NOW = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
Logged = tuple[UUID, int, int, Change, ChangeOutcome]
GRIDS = ["341102001001001", "341102001001002", "341102001001003"]


def hash64(entry: Entry) -> int:
    numbers = entry.version.to_bytes(8, "big") + bytes.fromhex(entry.rev) + entry.touch.to_bytes(8, "big")
    return int.from_bytes(hashlib.sha256(entry.id.bytes + numbers).digest()[:8], "big")


@dataclass
class Feed:
    head: int = 0
    gc_floor: int = 0
    latest: dict[UUID, Entry] = field(default_factory=dict)

    def put(self, entry: Entry) -> None:
        self.head += 1
        self.latest[entry.id] = msgspec.structs.replace(entry, position=self.head)

    def present(self) -> dict[UUID, Entry]:
        return {key: one for key, one in self.latest.items() if one.item or one.notice}

    def after(self, cursor: Cursor) -> list[Entry]:
        entries = [one for one in self.latest.values() if one.position > cursor.position]
        return sorted(entries, key=lambda entry: entry.position)

    def compact(self) -> None:
        self.gc_floor, self.latest = self.head, self.present()

    def cannot_use(self, cursor: Cursor) -> bool:
        """One of another epoch is written as -1 here."""
        too_old = self.gc_floor > max(cursor.position, cursor.fill)
        return cursor.position != 0 and (cursor.position < 0 or cursor.position > self.head or too_old)

    def digest(self) -> str:
        return f"{self._xor(list(self.present().values())):016x}"

    def repaired(self, asked: Repair, most: int) -> Repaired:
        """By the ids as text: the bucket is the last two digits, the part the digit two before the last."""
        finer: dict[int, bytes] = {}
        hashes: dict[int, bytes] = {}
        for bucket in range(256):
            here = [one for key, one in self.present().items() if key.hex[30:] == f"{bucket:02x}"]
            parts = [[one for one in here if one.id.hex[28] == f"{part:x}"] for part in range(16)]
            if asked.buckets and asked.buckets[8 * bucket :][:8] != self._xor(here).to_bytes(8, "big"):
                if len(here) > 2:
                    finer[bucket] = b"".join(self._xor(part).to_bytes(8, "big") for part in parts)
                else:
                    hashes[bucket] = self._hashes(here)
            for index, part in enumerate(parts if bucket in asked.finer else []):
                if asked.finer[bucket][8 * index :][:8] != self._xor(part).to_bytes(8, "big"):
                    hashes[256 + 16 * bucket + index] = self._hashes(part)
        wanted = {f"{hash64(one):016x}": one for one in self.present().values()}
        return Repaired(finer, hashes, [wanted[one] for one in asked.want if one in wanted][:most])

    def _xor(self, entries: list[Entry]) -> int:
        return reduce(xor, map(hash64, entries), 0)

    def _hashes(self, entries: list[Entry]) -> bytes:
        return b"".join(hash64(one).to_bytes(8, "big") for one in entries)


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


@dataclass
class Kept:
    """What a backup holds, and a restore brings back."""

    feeds: dict[str, Feed] = field(default_factory=dict)
    items: dict[UUID, Item] = field(default_factory=dict)
    scopes: dict[UUID, set[str]] = field(default_factory=dict)
    receipts: dict[UUID, dict[int, Receipt]] = field(default_factory=dict)
    log: list[Logged] = field(default_factory=list)
    revisions: set[tuple[UUID, int, str]] = field(default_factory=set)


class ModelServer(Kept):
    """`log` keeps every change that was taken and what became of it, in order: the tests' truth.

    `ever` is what was once taken by device and number, `known` the revisions that there were in each epoch, `salvaged`
    those that devices brought, whatever was restored since. `backups` are in their order; what the last one holds is
    promised to devices as safe.
    """

    def __init__(self, page: int) -> None:
        super().__init__()
        self.page = page
        self.epoch = 1
        self.backups: list[Kept] = []
        self.ever: dict[tuple[UUID, int], list[Change]] = {}
        self.voids: set[tuple[UUID, int]] = set()
        self.known: dict[int, set[tuple[UUID, int, str]]] = {1: set()}
        self.salvaged: set[tuple[UUID, int, str]] = set()
        self.withheld: set[UUID] = set()
        self.wipes: dict[UUID, Directive] = {}
        self.wiped: set[UUID] = set()

    # Scope -----------------------------------------------------------------------------------------------

    def streams_of(self, user: UUID) -> set[str]:
        return {f"grid/{grid}" for grid in self.scopes[user]} | {f"own/{user}"}

    def feed(self, key: str) -> Feed:
        return self.feeds.setdefault(key, Feed())

    # Backups ---------------------------------------------------------------------------------------------

    def back_up(self) -> None:
        self.backups.append(deepcopy(self._kept()))

    def restore(self, index: int) -> None:
        """What was backed up later is of a time that never was."""
        del self.backups[index + 1 :]
        self.__dict__ |= deepcopy(self.backups[index]).__dict__
        self.epoch += 1
        self.known[self.epoch] = set(self.revisions)

    def _kept(self) -> Kept:
        return Kept(self.feeds, self.items, self.scopes, self.receipts, self.log, self.revisions)

    # Exchange --------------------------------------------------------------------------------------------

    def exchange(self, user: UUID, request: ExchangeRequest, sets: list[bytes]) -> ExchangeAnswer:
        told = self.receipts.setdefault(request.device, {})
        self._take_salvage(request)
        answer = ExchangeAnswer(
            epoch=f"e{self.epoch}",
            now=NOW,
            expected=len(told) + 1,
            safe_no=len(self.backups[-1].receipts.get(request.device, {})) if self.backups else 0,
            catalogue="1",
            registry=1,
        )
        if request.epoch not in (None, answer.epoch):
            return answer
        receipts = [self._take(user, request.device, no, raw) for no, raw in enumerate(sets, request.first)]
        answer = msgspec.structs.replace(
            answer,
            expected=len(told) + 1,
            receipts=[receipt for receipt in receipts if receipt],
            directives=self._directives(request),
        )
        if request.device in self.withheld:
            return msgspec.structs.replace(answer, withheld="app_too_old")
        return self._pulled(user, request, answer)

    def _take_salvage(self, request: ExchangeRequest) -> None:
        for raw in request.salvage:
            body = msgspec.json.decode(raw, type=ItemBody)
            self.salvaged.add((body.id, body.version, body.rev))

    def _directives(self, request: ExchangeRequest) -> list[Directive]:
        asked = self.wipes.get(request.device)
        if asked and asked.id in request.done:
            self.wiped.add(request.device)
        return [asked] if asked and request.device not in self.wiped else []

    def _pulled(self, user: UUID, request: ExchangeRequest, answer: ExchangeAnswer) -> ExchangeAnswer:
        scope = self.streams_of(user)
        held = {*request.cursors, *request.repairs}
        pages = self._pages(scope, request)
        return msgspec.structs.replace(
            answer,
            gained=sorted(scope - held),
            lost=sorted(held - scope),
            streams=pages,
            more=any(page.more for page in pages),
        )

    def _pages(self, scope: set[str], request: ExchangeRequest) -> list[StreamPage]:
        pages: list[StreamPage] = []
        for key in sorted(scope):
            here, asked = self.feed(key), request.repairs.get(key)
            cursor = request.cursors.get(key, Cursor(-1) if asked else Cursor())
            reset = here.cannot_use(cursor)
            if reset:
                cursor = Cursor(here.head, here.head)
            after = here.after(cursor)
            if not after and cursor.position and not reset and not asked:
                continue
            more = len(after) > self.page
            position = after[: self.page][-1].position if more else here.head
            fill = cursor.fill if cursor.position else here.head
            digest = None if more else here.digest()
            repaired = None if more or not asked or asked == Repair() else here.repaired(asked, self.page)
            pages.append(StreamPage(key, after[: self.page], Cursor(position, fill), more, digest, reset, repaired))
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
        changes = [msgspec.json.decode(one, type=Change) for one in change_set.changes]
        if change_set.void:
            self.voids.add((device, no))
        else:
            self.ever[device, no] = changes
        outcomes = [self._decide(user, device, no, index, change) for index, change in enumerate(changes)]
        told[no] = Receipt(no, hashed, "void" if change_set.void else "decided", outcomes)
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
        for known in (self.revisions, self.known[self.epoch]):
            known.add((item.id, item.version, item.rev))
        entry = entry_of(0, body)
        absence = msgspec.structs.replace(entry, item=None)
        if before != item.grid:
            self.feed(f"grid/{before}").put(absence)
        for key in (f"grid/{item.grid}", f"own/{item.author}"):
            self.feed(key).put(absence if item.deleted else entry)
