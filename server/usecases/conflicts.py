"""Settling conflicts and taking settlements back: one transaction each, the same for the command line and the console.

    lock the item -> lock the conflict -> compare its state -> decide (pure) -> revision, head, conflict, notice,
    submission, audit -> feed

Whoever settles is a reader of the item in a role that approves (`sync.resolve.SETTLING_ROLES`), in whose area it lies
or who holds its case. System, security and audit administrators see no content and settle nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct, convert, to_builtins

from server.db import audit, conflicts, evidence, items
from server.db.conflicts import Closing
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_access import Opened, find_conflict, grants_of, open_conflict
from server.usecases.conflict_views import Label, label
from server.usecases.feeding import write_feed, writes_for_item, writes_for_notices
from server.usecases.reasons import checked_reason
from server.usecases.sealed_items import Vault, photos_of
from server.usecases.sessions import Caller
from server.usecases.submission import Submitted, submit_revisions
from sync.decisions import Reference, Revision
from sync.feed import signed64
from sync.items import ItemState, Past
from sync.refusal import Refusal
from sync.resolve import Choice, Context, Settlement, references_of, resolve, settlement_of, undo

_CITY_TIME = ZoneInfo("Asia/Shanghai")


class Order(Struct, frozen=True, kw_only=True):
    """Who asks for what to be done about which conflict, why and when; a dry run writes nothing.

    `ids` is a range from `id_range`, so that the beginning of an id will do.
    """

    actor: Caller
    ids: tuple[UUID, UUID]
    reason: str
    now: datetime
    dry_run: bool = False


class Done(Struct, frozen=True, kw_only=True):
    """What was done, or would be: the item's new version, the fields that changed, and what else became of it."""

    conflict: UUID
    state: Literal["open", "resolved"]
    item: UUID
    version: int
    changed: list[Label]
    deleted: bool
    restored: bool
    grid: str | None
    moved: bool
    dry_run: bool


class _Held(Struct, frozen=True):
    """A conflict and its item, both locked, within the reach of who acts."""

    opened: Opened
    item: ItemState
    vault: Vault

    @property
    def conflict_id(self) -> UUID:
        return self.opened.row["id"]


async def resolve_conflict(services: Services, order: Order, choice: Choice) -> Done:
    """Settle a conflict. Raises Problem: forbidden, not_found, conflict_resolved, resolution_invalid, and others."""
    return await services.database.write(lambda tx: _resolve(tx, services, order, choice))


async def undo_resolution(services: Services, order: Order) -> Done:
    """Take a settlement back and reopen the conflict. Raises Problem: conflict_open, undo_too_late, and others."""
    return await services.database.write(lambda tx: _undo(tx, services, order))


async def _resolve(tx: Transaction, services: Services, order: Order, choice: Choice) -> Done:
    reason = checked_reason(order.reason)
    held = await _hold(tx, services, order)
    if held.opened.row["state"] != "open":
        raise Problem("conflict_resolved")
    dispute = held.opened.dispute
    incoming = {key: overlap.incoming for key, overlap in dispute.overlaps.items()}
    context = await _context(tx, services, held, order, incoming, choice.values)
    revision = _accepted(resolve(dispute, held.item, choice, context))
    settlement = settlement_of(dispute, choice.take, revision)
    if not order.dry_run:
        derivation = {**(revision.derivation or {}), "settlement": to_builtins(settlement)}
        await _store_revision(tx, services, held, order, revision, derivation)
        closing = Closing(
            at=order.now, by=order.actor.user_id, take=choice.take, version=revision.after.version, reason=reason
        )
        await conflicts.close_conflict(tx.connection, held.conflict_id, closing)
        await _finish(tx, services, held, order, revision, {"take": choice.take})
    return _done(services, held, order, revision, "resolved")


async def _undo(tx: Transaction, services: Services, order: Order) -> Done:
    checked_reason(order.reason)
    held = await _hold(tx, services, order)
    row = held.opened.row
    if row["state"] != "resolved":
        raise Problem("conflict_open")
    version = row["resolution_version"]
    history = await conflicts.history_of_item(tx.connection, held.item.id)
    past = [held.vault.open_past(one, held.opened.secret) for one in history]
    made = next(one for one in history if one["version"] == version)
    settlement = convert(made["derivation"]["settlement"], Settlement)
    context = await _context(tx, services, held, order, *_before(past, version))
    revision = _accepted(undo(settlement, version, held.item, past, context))
    if not order.dry_run:
        derivation = {**(revision.derivation or {}), "undone": {"conflict": str(row["id"]), "version": version}}
        await _store_revision(tx, services, held, order, revision, derivation)
        await conflicts.reopen_conflict(tx.connection, held.conflict_id)
        await _finish(tx, services, held, order, revision, {"undone": version})
    return _done(services, held, order, revision, "open")


def _before(past: list[Past], version: int) -> list[Mapping[str, Any]]:
    """All values that may come back when this version is undone."""
    return [one.fields for one in past if one.version < version]


async def _hold(tx: Transaction, services: Services, order: Order) -> _Held:
    """Lock the item, then the conflict, and look again: what was seen before the locks may be true no longer.

    The item is locked against referrers too, for it may be deleted, restored or moved.
    """
    grants = grants_of(services, order.actor)
    seen = await find_conflict(tx.connection, grants, order.ids)
    item_row = (await items.lock_items(tx.connection, [seen["item_id"]], wholly=True))[0]
    await conflicts.lock_conflict(tx.connection, seen["id"])
    row = await find_conflict(tx.connection, grants, (seen["id"], seen["id"]))
    vault = Vault(services.keyring, services.catalogue)
    opened = open_conflict(services, vault, row)
    return _Held(opened, vault.open_item(item_row, opened.secret), vault)


async def _context(
    tx: Transaction, services: Services, held: _Held, order: Order, *sources: Mapping[str, Any]
) -> Context:
    """What the settlement is decided by; items that it may refer to are kept from being deleted until it is done."""
    compiled = held.opened.compiled
    named = sorted(references_of(compiled, held.item.fields, *sources))
    rows = await items.share_references(tx.connection, named) if named else []
    return Context(
        compiled=compiled,
        registry=services.registry,
        secret=held.opened.secret,
        references={row["id"]: Reference(row["type"], row["grid_id"]) for row in rows},
        now=order.now,
        today=order.now.astimezone(_CITY_TIME).date(),
    )


def _accepted(result: Revision | Refusal) -> Revision:
    if isinstance(result, Refusal):
        raise Problem(result.code, field=result.field, detail_zh=result.zh, detail_en=result.en)
    return result


async def _store_revision(
    tx: Transaction,
    services: Services,
    held: _Held,
    order: Order,
    revision: Revision,
    derivation: dict[str, Any],
) -> None:
    """The revision, the item's new head, and the photos that it took over."""
    row = _revision_row(services, held, order, revision) | {"derivation": derivation}
    await items.update_items(tx.connection, [_head_row(held, revision.after)])
    await items.insert_revisions(tx.connection, [row])
    photo_field = held.opened.compiled.photo_field
    if photo_field in revision.fields:
        links = [
            {
                "item_id": held.item.id,
                "sha256": bytes.fromhex(photo["sha256"]),
                "size": photo["size"],
                "role": photo["role"],
            }
            for photo in photos_of(revision.after, photo_field)
        ]
        await evidence.declare_photos(tx.connection, links)
        await evidence.link_photos(tx.connection, links)


def _head_row(held: _Held, after: ItemState) -> dict[str, Any]:
    clear, sealed = held.vault.close_fields(after, held.opened.secret)
    return {
        "id": after.id,
        "grid_id": after.grid_id,
        "in_own_stream": after.in_own_stream,
        "version": after.version,
        "rev": signed64(after.rev),
        "deleted": after.deleted,
        "urgency": after.urgency,
        "clear": clear,
        "sealed": sealed,
        "updated_at": after.updated_at,
    }


def _revision_row(services: Services, held: _Held, order: Order, revision: Revision) -> dict[str, Any]:
    after = revision.after
    clear, sealed = held.vault.close_revision(after, revision.fields, None, held.opened.secret)
    return {
        "item_id": after.id,
        "version": after.version,
        "rev": signed64(after.rev),
        "op": revision.op,
        "author_id": order.actor.user_id,
        "base_version": revision.base_version,
        "fields": sorted(revision.fields),
        "clear": clear,
        "sealed": sealed,
        "grid_id": after.grid_id,
        "reason": order.reason.strip(),
        "catalogue": services.catalogue.version,
        "registry": services.registry.version,
        "captured_at": order.now,
        "received_at": order.now,
    }


async def _finish(
    tx: Transaction, services: Services, held: _Held, order: Order, revision: Revision, detail: dict[str, Any]
) -> None:
    """What follows every revision (notice, submission, audit), then the feed, whose locks come last."""
    after, actor = revision.after, order.actor
    is_open = revision.op == "undo"
    notices = await items.upsert_notices(tx.connection, [_parked_notice(held, order, is_open=is_open)])
    submitted = [Submitted(after, held.opened.secret, actor.user_id)]
    writes = await submit_revisions(tx, services, submitted, order.now)
    named = {"item": str(after.id), "version": after.version, "fields": sorted(revision.fields)}
    await audit.record(
        tx.connection,
        actor.user_id,
        f"conflict.{revision.op}",
        "conflict",
        str(held.conflict_id),
        order.reason.strip(),
        named | detail,
        actor.request_id,
    )
    await write_feed(tx, [*writes, *writes_for_notices(notices), *writes_for_item(revision.before, after)])


def _parked_notice(held: _Held, order: Order, *, is_open: bool) -> dict[str, Any]:
    """The author's phone shows the change as parked for as long as the conflict is open."""
    row = held.opened.row
    return {
        "id": row["id"],
        "user_id": row["author_id"],
        "kind": "parked",
        "code": "parked",
        "item_id": row["item_id"],
        "conflict_id": row["id"],
        "open": is_open,
        "created_at": order.now,
    }


def _done(
    services: Services, held: _Held, order: Order, revision: Revision, state: Literal["open", "resolved"]
) -> Done:
    before, after = held.item, revision.after
    return Done(
        conflict=held.conflict_id,
        state=state,
        item=after.id,
        version=after.version,
        changed=[label(held.opened.compiled, key) for key in sorted(revision.fields)],
        deleted=after.deleted and not before.deleted,
        restored=before.deleted and not after.deleted,
        grid=services.registry.code(after.grid_id),
        moved=after.grid_id != before.grid_id,
        dry_run=order.dry_run,
    )
