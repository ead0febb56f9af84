"""What new heads of items refer to, and what they claim to be the only one of, in the transaction that stores them.

    items -> hints, in their order -> streams

Two items that claim the same are both applied; the second is an open conflict of the kind `duplicate`. Which item is
its twin is not written there: it is whoever holds the hint, and shown to those alone who may read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from server.db import hints, items
from server.db.database import Row, Transaction
from server.db.hints import Reference
from server.services import Services
from server.usecases.feeding import FeedWrite, writes_for_notices
from server.usecases.referring import reference_target
from sync.duplicates import samenesses
from sync.items import ItemState, id_text, referred

Heads = Sequence[tuple[ItemState | None, ItemState]]
"""Items before (None: new) and after."""

_NONE: Mapping[Any, Any] = {}


class Doubt(NamedTuple):
    """An item that has something in common with another one: the claim, and the fields that it is about."""

    item: ItemState
    claim: bytes
    fields: tuple[str, ...]


class Claimed(NamedTuple):
    """What came of it: duplicates, and the entries of notices that ended by themselves."""

    doubts: list[Doubt]
    writes: list[FeedWrite]


async def store_claims(tx: Transaction, services: Services, heads: Heads, at: datetime) -> Claimed:
    """Note what these heads refer to and take their hints.

    The items are locked by the caller; who locks more does so before.
    """
    news = _News(services)
    for before, after in heads:
        news.add(before, after)
    writes = await _let_go(tx, news.released, at) if news.released else []
    await hints.drop_references(tx.connection, news.dropped)
    return Claimed(await _take(tx, news), writes)


async def fill_claims(tx: Transaction, services: Services, filled: Sequence[ItemState]) -> None:
    """The same for items that stand already, without conflicts: of several that are the same the first has the hint."""
    news = _News(services)
    for item in filled:
        news.add(None, item)
    await _take(tx, news)


async def release_erased(tx: Transaction, item_ids: Sequence[UUID], at: datetime) -> list[FeedWrite]:
    """Let go of what items held that were erased just now; returns the entries of notices that ended by that."""
    freed = await hints.release_hints_of_items(tx.connection, item_ids)
    return await _pass_on(tx, freed, at) if freed else []


def duplicate_conflict(doubt: Doubt, conflict_id: UUID, author_id: UUID, captured_at: datetime, at: datetime) -> Any:
    """The open conflict about a duplicate as its row, without where it came from."""
    return {
        "id": conflict_id,
        "kind": "duplicate",
        "op": "create",
        "item_id": doubt.item.id,
        "author_id": author_id,
        "fields": sorted(doubt.fields),
        "server_version": doubt.item.version,
        "clear": {},
        "hint": doubt.claim,
        "captured_at": captured_at,
        "opened_at": at,
    }


def duplicate_notice(conflict_id: UUID, item_id: UUID, user_id: UUID, at: datetime, *, is_open: bool) -> dict[str, Any]:
    """That there may be a second one, as its author is told: never which."""
    return {
        "id": conflict_id,
        "user_id": user_id,
        "kind": "notice",
        "code": "duplicate",
        "item_id": item_id,
        "conflict_id": conflict_id,
        "open": is_open,
        "created_at": at,
    }


class _News:
    """What items let go of, and what they refer to and claim that they did not before, in the order of the set."""

    def __init__(self, services: Services) -> None:
        self.dropped: list[dict[str, Any]] = []
        self.released: list[dict[str, Any]] = []
        self.referring: list[Reference] = []
        self.claimed: list[Doubt] = []
        self._types, self._keyring = services.catalogue.types, services.keyring
        self._targets: dict[str, bytes] = {}

    def add(self, before: ItemState | None, after: ItemState) -> None:
        """One item before (None: new) and after."""
        referred, held = (self._references(before), self._claims(before)) if before else (_NONE, _NONE)
        refers, claims = self._references(after), self._claims(after)
        for key, target in refers.items():
            if referred.get(key) != target:
                self.referring.append((after.id, key, target))
        for claim, fields in claims.items():
            if claim not in held:
                self.claimed.append(Doubt(after, claim, fields))
        if before:
            self.dropped += [{"item_id": after.id, "field": key} for key in referred.keys() - refers.keys()]
            self.released += [{"claim": claim, "item_id": after.id} for claim in held.keys() - claims.keys()]

    def _references(self, item: ItemState) -> Mapping[str, bytes]:
        """By field what an item refers to; a deleted one refers to nothing, and none to itself."""
        keys = self._types[item.type].reference_fields
        if item.deleted or not keys:
            return _NONE
        get, own = item.fields.get, id_text(item.id)
        return {key: self._target(value) for key in keys if (value := get(key)) is not None and value != own}

    def _target(self, value: str) -> bytes:
        """Items of one set often refer to the same one."""
        if value not in self._targets:
            self._targets[value] = reference_target(self._keyring, referred(value))
        return self._targets[value]

    def _claims(self, item: ItemState) -> Mapping[bytes, tuple[str, ...]]:
        """By claim the fields that make it; a deleted item claims nothing."""
        if item.deleted:
            return _NONE
        found = samenesses(self._types[item.type], item.fields)
        return {self._keyring.index("duplicate", one.fact): one.fields for one in found} if found else _NONE


async def _take(tx: Transaction, news: _News) -> list[Doubt]:
    """Those who find a hint held; of several of one set that want the same, the first has it.

    Nothing is asked where no type has anything of the kind.
    """
    if not news.claimed and not news.referring:
        return []
    first: dict[bytes, UUID] = {}
    for doubt in news.claimed:
        first.setdefault(doubt.claim, doubt.item.id)
    holders = await hints.claim(tx.connection, first, news.referring)
    return [doubt for doubt in news.claimed if holders[doubt.claim] != doubt.item.id]


async def _let_go(tx: Transaction, released: list[dict[str, Any]], at: datetime) -> list[FeedWrite]:
    """An item's own conflicts end before its hints go: who hands a hint on looks at them in the same order."""
    ended = await hints.end_duplicates(tx.connection, released, at)
    writes = await _close_notices(tx, [row for row in ended if row["take"] == "released"], at)
    freed = await hints.release_hints(tx.connection, released)
    return writes + (await _pass_on(tx, freed, at) if freed else [])


async def _pass_on(tx: Transaction, freed: Sequence[bytes], at: datetime) -> list[FeedWrite]:
    """Give each hint to the next of its duplicates, which is one no longer."""
    heirs: dict[bytes, Row] = {}
    for row in await hints.successors(tx.connection, freed):
        heirs.setdefault(row["hint"], row)
    if not heirs:
        return []
    rows = [{"claim": claim, "item_id": row["item_id"]} for claim, row in heirs.items()]
    ended = await hints.end_duplicates(tx.connection, rows, at)
    await hints.pass_hints_on(tx.connection, rows)
    return await _close_notices(tx, [row for row in ended if row["take"] == "released"], at)


async def _close_notices(tx: Transaction, ended: Sequence[Row], at: datetime) -> list[FeedWrite]:
    rows = [duplicate_notice(row["id"], row["item_id"], row["author_id"], at, is_open=False) for row in ended]
    return writes_for_notices(await items.upsert_notices(tx.connection, rows))
