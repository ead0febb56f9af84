"""Stores what was decided about a change set: one statement a table, streams last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from schemas.wire import ChangeOutcome
from server.db import evidence, items, push
from server.db.database import Transaction
from server.db.evidence import PhotoLink
from server.errors import CATALOGUE
from server.services import Services
from server.usecases.claiming import store_claims
from server.usecases.decided_set import DecidedSet
from server.usecases.feeding import FeedWrite, write_feed, writes_for_item, writes_for_notices
from server.usecases.first_submissions import first_ways
from server.usecases.loading import Loaded
from server.usecases.new_items import store_new_items
from server.usecases.parking import store_conflicts
from server.usecases.sealed_items import photos_of
from server.usecases.searching import store_terms
from server.usecases.stepping import take_steps
from server.usecases.submission import Submitted, submit_revisions
from sync.access import assignments_at
from sync.authority import Held
from sync.clocks import skew_seconds
from sync.decisions import Decision, Revision
from sync.feed import signed64, to_hex
from sync.items import ItemState, id_text


async def store_decisions(
    tx: Transaction, services: Services, loaded: Loaded, decided: DecidedSet
) -> list[ChangeOutcome]:
    """Write revisions, heads, conflicts, quarantine, photos, submissions and feeds; returns the receipt's outcomes."""
    revisions = [
        (index, decision.revision) for index, decision in enumerate(decided.decisions) if decision.revision is not None
    ]
    new, others = _apart(revisions)
    heads = list(_heads(revisions).values()) if others else [(None, one.after) for _, one in new]
    # Before the submissions: once its photos are linked, an item is told when they are verified.
    links = [link for _, after in heads for link in photo_links(services, after)] + _shown(services, decided)
    known = await evidence.link_photos(tx.connection, links)
    author = Held(assignments_at(loaded.context.assignments, decided.at))
    ways = await first_ways(tx, services, [revision.after for _, revision in new], known, author, decided.at)
    await store_new_items(tx, services, loaded, decided, new, ways)
    if others:
        await _store_heads(tx, services, loaded, decided, others)
    claimed = await store_claims(tx, services, heads, decided.at)
    touched = await take_steps(tx, services, decided)
    writes = await _submit_others(tx, services, loaded, decided, others) if others else []
    parked, about_twins = await store_conflicts(tx, loaded, decided, claimed.doubts)
    writes += claimed.writes + parked
    if decided.notices:
        writes += writes_for_notices(await items.upsert_notices(tx.connection, list(decided.notices)))
    await push.insert_quarantine(tx.connection, _quarantine_rows(loaded, decided))
    fresh = [touched.pop(one.after.id, one.after) if touched else one.after for _, one in new]
    writes += _entries(_heads(others), touched)
    await write_feed(tx, writes, fresh)
    return [_outcome(decision, about_twins.get(index)) for index, decision in enumerate(decided.decisions)]


def _entries(heads: dict[UUID, tuple[ItemState | None, ItemState]], touched: dict[UUID, ItemState]) -> list[FeedWrite]:
    """Where the new heads are and no longer are; what only a step of its case touched is where it was."""
    pairs = [(before, touched.get(after.id, after)) for before, after in heads.values()]
    pairs += [(None, item) for item in touched.values() if item.id not in heads]
    return [write for before, after in pairs for write in writes_for_item(before, after)]


def _apart(
    revisions: Sequence[tuple[int, Revision]],
) -> tuple[list[tuple[int, Revision]], list[tuple[int, Revision]]]:
    """The creations that nothing else of the set touches, and all the rest."""
    edited = {revision.after.id for _, revision in revisions if revision.before is not None}
    new: list[tuple[int, Revision]] = []
    others: list[tuple[int, Revision]] = []
    for one in revisions:
        alone = one[1].before is None and not (edited and one[1].after.id in edited)
        (new if alone else others).append(one)
    return new, others


async def _store_heads(
    tx: Transaction, services: Services, loaded: Loaded, decided: DecidedSet, revisions: Sequence[tuple[int, Revision]]
) -> None:
    """Edits, deletions, and what was created and edited in one set."""
    heads = _heads(revisions)
    await _store_items(tx, loaded, heads)
    await items.insert_revisions(
        tx.connection,
        [decided.place(index) | revision_row(loaded, decided, index, revision) for index, revision in revisions],
    )
    await store_terms(tx, services, [after for _, after in heads.values()])


async def _submit_others(
    tx: Transaction, services: Services, loaded: Loaded, decided: DecidedSet, revisions: Sequence[tuple[int, Revision]]
) -> list[FeedWrite]:
    heads = _heads(revisions)
    submitted = [Submitted(after, loaded.context.secrets[after.id], decided.author_id) for _, after in heads.values()]
    return await submit_revisions(tx, services, submitted, decided.at)


def _heads(revisions: Sequence[tuple[int, Revision]]) -> dict[UUID, tuple[ItemState | None, ItemState]]:
    """Per item its head before the set and after it."""
    heads: dict[UUID, tuple[ItemState | None, ItemState]] = {}
    for _, revision in revisions:
        earlier = heads.get(revision.after.id)
        heads[revision.after.id] = (earlier[0] if earlier else revision.before, revision.after)
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


def revision_row(loaded: Loaded, decided: DecidedSet, index: int, revision: Revision) -> dict[str, Any]:
    """A revision as its row, without where it came from; `index`: its change in the set."""
    after = revision.after
    change = decided.changes[index]
    capture = change[0].capture if change else None
    secret = loaded.context.secrets[after.id]
    clear, sealed = loaded.vault.close_revision(after, revision.fields, capture, secret)
    return {
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
        "skew": skew_seconds(capture, revision.captured_at) if capture else None,
        "received_at": decided.at,
    }


def photo_links(services: Services, item: ItemState) -> list[PhotoLink]:
    """The photos that an item's form names; those of finished work are a step of its case."""
    listed = photos_of(item, services.catalogue.types[item.type].photo_field)
    return [_photo_link(item, one) for one in listed] if listed else []


def _photo_link(item: ItemState, photo: dict[str, Any]) -> PhotoLink:
    role = photo["role"]
    version = item.version if role == "report" else None
    return PhotoLink(item.id, version, bytes.fromhex(photo["sha256"]), photo["size"], role)


def _shown(services: Services, decided: DecidedSet) -> list[PhotoLink]:
    """The photos from after the work by which steps were judged, though the set may name them no more by its end."""
    stepped = [one.revision.after if one.revision else one.current for one in decided.decisions if one.move is not None]
    return [link for item in stepped if item for link in photo_links(services, item) if link.role == "close"]


def _quarantine_rows(loaded: Loaded, decided: DecidedSet) -> list[dict[str, Any]]:
    return [
        decided.place(index)
        | {
            "id": loaded.context.id_of(index, "quarantine"),
            # Of what could not be read nobody knows what all it is about, though it names an item: erasing looks at it.
            "item_id": decision.item_id if decided.changes[index] is not None else None,
            "author_id": decided.author_id,
            "outcome": decision.outcome,
            "code": decision.code,
            "received_at": decided.at,
        }
        for index, decision in enumerate(decided.decisions)
        if decision.held
    ]


def _outcome(decision: Decision, about_twin: UUID | None) -> ChangeOutcome:
    item_id = id_text(decision.item_id) if decision.item_id else None
    if decision.code is not None:
        fault = decision.fault
        words = fault or CATALOGUE[decision.code]
        return ChangeOutcome(
            item_id,
            decision.outcome,
            code=decision.code,
            field=fault.field if fault else decision.field,
            zh=words.zh,
            en=words.en,
        )
    after = decision.revision.after if decision.revision else decision.current
    if not decision.seen:
        after = None
    conflict = decision.conflict.id if decision.conflict else decision.joined or decision.within or about_twin
    return ChangeOutcome(
        id_text(decision.carried) if decision.carried else item_id,
        decision.outcome,
        version=after.version if after else None,
        rev=to_hex(after.rev) if after else None,
        conflict=conflict,
        linked=decision.item_id if decision.carried and decision.seen else None,
    )
