"""Stores what was decided about a change set: one statement a table, streams last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from schemas.wire import Change, ChangeOutcome
from server.db import evidence, items, push
from server.db.database import Row, Transaction
from server.errors import CATALOGUE
from server.services import Services
from server.usecases.feeding import FeedWrite, write_feed, writes_for_item, writes_for_notices
from server.usecases.loading import Loaded
from server.usecases.sealed_items import photos_of
from server.usecases.submission import Submitted, submit_revisions
from sync.decisions import Decision, Revision
from sync.feed import signed64, to_hex
from sync.items import ItemState
from sync.merge import Overlap


class DecidedSet(Struct, frozen=True):
    """A change set and what was decided about each of its changes (None: one that could not be decoded)."""

    device_id: UUID
    author_id: UUID
    epoch: str
    no: int
    catalogue: str
    at: datetime
    changes: Sequence[tuple[Change, datetime] | None]
    decisions: Sequence[Decision]

    def place(self, index: int) -> dict[str, Any]:
        """Where change `index` came from."""
        return {"device_id": self.device_id, "epoch": self.epoch, "set_no": self.no, "set_index": index}


async def store_decisions(
    tx: Transaction, services: Services, loaded: Loaded, decided: DecidedSet
) -> list[ChangeOutcome]:
    """Write revisions, heads, conflicts, quarantine, photos, submissions and feeds; returns the receipt's outcomes."""
    revisions = [
        (index, decision.revision) for index, decision in enumerate(decided.decisions) if decision.revision is not None
    ]
    heads = _heads(revisions)
    await _store_items(tx, loaded, heads)
    await items.insert_revisions(
        tx.connection, [_revision_row(loaded, decided, index, revision) for index, revision in revisions]
    )
    await _store_photos(tx, services, [after for _, after in heads.values()])
    submitted = [Submitted(after, loaded.context.secrets[after.id], decided.author_id) for _, after in heads.values()]
    writes = await submit_revisions(tx, services, submitted, decided.at)
    writes += await _store_conflicts(tx, loaded, decided)
    await push.insert_quarantine(tx.connection, _quarantine_rows(loaded, decided))
    writes += [write for before, after in heads.values() for write in writes_for_item(before, after)]
    await write_feed(tx, writes)
    return [_outcome(decided, index) for index in range(len(decided.decisions))]


def _heads(revisions: Sequence[tuple[int, Revision]]) -> dict[UUID, tuple[ItemState | None, ItemState]]:
    """Per item its head before the set and after it."""
    heads: dict[UUID, tuple[ItemState | None, ItemState]] = {}
    for _, revision in revisions:
        before = heads[revision.after.id][0] if revision.after.id in heads else revision.before
        heads[revision.after.id] = (before, revision.after)
    return heads


async def _store_items(tx: Transaction, loaded: Loaded, heads: dict[UUID, tuple[ItemState | None, ItemState]]) -> None:
    new = [after for before, after in heads.values() if before is None]
    changed = [after for before, after in heads.values() if before is not None]
    keys = [{"item_id": item.id, "wrapped": loaded.new_keys[item.id].wrapped} for item in new]
    await items.insert_item_keys(tx.connection, keys)
    await items.insert_items(tx.connection, [item_row(loaded, item) for item in new])
    await items.update_items(tx.connection, [item_row(loaded, item) for item in changed])


def item_row(loaded: Loaded, item: ItemState) -> dict[str, Any]:
    """An item's head as its row."""
    clear, sealed = loaded.vault.close_fields(item, loaded.context.secrets[item.id])
    return {
        "id": item.id,
        "type": item.type,
        "grid_id": item.grid_id,
        "stream_class": item.stream_class,
        "author_id": item.author_id,
        "in_own_stream": item.in_own_stream,
        "version": item.version,
        "rev": signed64(item.rev),
        "touch": item.touch,
        "deleted": item.deleted,
        "urgency": item.urgency,
        "clear": clear,
        "sealed": sealed,
        "captured_at": item.captured_at,
        "received_at": item.received_at,
        "updated_at": item.updated_at,
    }


def _revision_row(loaded: Loaded, decided: DecidedSet, index: int, revision: Revision) -> dict[str, Any]:
    after = revision.after
    change = decided.changes[index]
    capture = change[0].capture if change else None
    secret = loaded.context.secrets[after.id]
    clear, sealed = loaded.vault.close_revision(after, revision.fields, capture, secret)
    return decided.place(index) | {
        "item_id": after.id,
        "version": after.version,
        "rev": signed64(after.rev),
        "op": revision.op,
        "author_id": decided.author_id,
        "base_version": revision.base_version,
        "fields": sorted(revision.fields),
        "clear": clear,
        "sealed": sealed,
        "grid_id": after.grid_id,
        "derivation": revision.derivation,
        "catalogue": decided.catalogue,
        "registry": loaded.context.registry.version,
        "captured_at": revision.captured_at,
        "received_at": decided.at,
    }


async def _store_photos(tx: Transaction, services: Services, heads: Sequence[ItemState]) -> None:
    links = [
        {"item_id": item.id, "sha256": bytes.fromhex(photo["sha256"]), "size": photo["size"], "role": photo["role"]}
        for item in heads
        for photo in photos_of(item, services.catalogue.types[item.type].photo_field)
    ]
    if links:
        await evidence.declare_photos(tx.connection, links)
        await evidence.link_photos(tx.connection, links)


async def _store_conflicts(tx: Transaction, loaded: Loaded, decided: DecidedSet) -> list[FeedWrite]:
    """Open conflicts, and extend those that a further edit joins; the author sees each as parked."""
    opened: dict[UUID, dict[str, Any]] = {}
    joined: dict[UUID, dict[str, Any]] = {}
    notices: dict[UUID, dict[str, Any]] = {}
    for index, decision in enumerate(decided.decisions):
        if decision.conflict is not None:
            row = _conflict_row(loaded, decided, index)
            opened[row["id"]] = row
            notices[row["id"]] = _parked_notice(decided, row["item_id"], row["id"])
        if decision.joined is not None and decision.item_id is not None:
            row = opened.get(decision.joined) or joined.get(decision.joined)
            extended = _joined_row(loaded, row or loaded.conflicts[decision.joined], decision)
            if decision.joined in opened:
                opened[decision.joined] |= extended
            else:
                joined[decision.joined] = extended
            notices[decision.joined] = _parked_notice(decided, decision.item_id, decision.joined)
    await items.insert_conflicts(tx.connection, list(opened.values()))
    await items.rewrite_conflicts(tx.connection, list(joined.values()))
    return writes_for_notices(await items.upsert_notices(tx.connection, list(notices.values())))


def _conflict_row(loaded: Loaded, decided: DecidedSet, index: int) -> dict[str, Any]:
    decision, change = decided.decisions[index], decided.changes[index]
    assert decision.conflict is not None
    assert decision.current is not None
    assert change is not None
    conflict, item = decision.conflict, decision.current
    clear, sealed = loaded.vault.close_overlaps(item, conflict.overlaps, loaded.context.secrets[item.id])
    return decided.place(index) | {
        "id": conflict.id,
        "kind": conflict.kind,
        "item_id": item.id,
        "author_id": decided.author_id,
        "fields": sorted(conflict.overlaps),
        "base_version": conflict.base_version,
        "server_version": conflict.server_version,
        "clear": clear,
        "sealed": sealed,
        "captured_at": change[1],
        "opened_at": decided.at,
    }


def _joined_row(loaded: Loaded, row: Row, decision: Decision) -> dict[str, Any]:
    """The conflict with the later edit's values as the incoming side."""
    assert decision.current is not None
    item, secret = decision.current, loaded.context.secrets[decision.current.id]
    overlaps = loaded.vault.open_overlaps(row, item.id, secret)
    for key, value in decision.joined_fields.items():
        known = overlaps.get(key) or Overlap(item.fields.get(key), None, None)
        overlaps[key] = Overlap(known.base, known.server, value)
    clear, sealed = loaded.vault.close_overlaps(item, overlaps, secret)
    return {"id": decision.joined, "fields": sorted(overlaps), "clear": clear, "sealed": sealed}


def _parked_notice(decided: DecidedSet, item_id: UUID, conflict_id: UUID) -> dict[str, Any]:
    return {
        "id": conflict_id,
        "user_id": decided.author_id,
        "kind": "parked",
        "code": "parked",
        "item_id": item_id,
        "conflict_id": conflict_id,
        "open": True,
        "created_at": decided.at,
    }


def _quarantine_rows(loaded: Loaded, decided: DecidedSet) -> list[dict[str, Any]]:
    return [
        decided.place(index)
        | {
            "id": loaded.context.id_of(index, "quarantine"),
            "item_id": decision.item_id,
            "author_id": decided.author_id,
            "outcome": decision.outcome,
            "code": decision.code,
            "received_at": decided.at,
        }
        for index, decision in enumerate(decided.decisions)
        if decision.outcome in ("quarantined", "rejected")
    ]


def _outcome(decided: DecidedSet, index: int) -> ChangeOutcome:
    decision = decided.decisions[index]
    item_id = str(decision.item_id) if decision.item_id else None
    if decision.code is not None:
        fault = decision.fault
        words = fault or CATALOGUE[decision.code]
        return ChangeOutcome(
            item_id,
            decision.outcome,
            code=decision.code,
            field=fault.field if fault else None,
            zh=words.zh,
            en=words.en,
        )
    after = decision.revision.after if decision.revision else decision.current
    conflict = decision.conflict.id if decision.conflict else decision.joined
    return ChangeOutcome(
        item_id,
        decision.outcome,
        version=after.version if after else None,
        rev=to_hex(after.rev) if after else None,
        conflict=conflict,
    )
