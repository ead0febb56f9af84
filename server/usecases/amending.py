"""A revision that somebody makes at a desk, stored with all that follows from it; the entries to move are handed back.

revision, head, what it is found by, photos -> what it refers to and claims -> submission
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct

from server.db import evidence, items
from server.db.database import Transaction
from server.services import Services
from server.usecases.awaited_steps import take_after_revisions
from server.usecases.claiming import duplicate_conflict, duplicate_notice, store_claims
from server.usecases.feeding import FeedWrite, writes_for_notices
from server.usecases.orders import Order
from server.usecases.sealed_items import Vault
from server.usecases.searching import store_terms
from server.usecases.storing import photo_links
from server.usecases.submission import Submitted, submit_revisions
from sync.decisions import Revision
from sync.feed import signed64
from sync.items import ItemState


class Desk(Struct, frozen=True):
    """Where and for whom an amendment is made."""

    tx: Transaction
    services: Services
    order: Order
    vault: Vault


class Amendment:
    """One revision of a locked item; `secret` is its key, `after` the head with all that the order touched."""

    def __init__(self, desk: Desk, secret: bytes, revision: Revision, after: ItemState | None = None) -> None:
        self._desk = desk
        self._secret = secret
        self._revision = revision
        self._after = after or revision.after

    async def revision(self, derivation: dict[str, Any]) -> None:
        """The revision, the item's new head, what it is found by, and the photos that it took over."""
        tx, services, after = self._desk.tx, self._desk.services, self._after
        await items.update_items(tx.connection, [self._head_row()])
        await items.insert_revisions(tx.connection, [self._revision_row() | {"derivation": derivation}])
        await store_terms(tx, services, [after])
        if services.catalogue.types[after.type].photo_field in self._revision.fields:
            await evidence.link_photos(tx.connection, photo_links(services, after))

    async def claims(self, known: bytes | None = None) -> list[FeedWrite]:
        """What the new head refers to and claims; what it has in common with another item is a conflict of its own.

        `known`: the claim about which there is a conflict already.
        """
        tx, at, author = self._desk.tx, self._desk.order.now, self._after.author_id
        claimed = await store_claims(tx, self._desk.services, [(self._revision.before, self._after)], at)
        opened = [
            duplicate_conflict(doubt, uuid5(doubt.item.id, f"{doubt.item.version} {doubt.claim.hex()}"), author, at, at)
            for doubt in claimed.doubts
            if doubt.claim != known
        ]
        await items.insert_conflicts(tx.connection, opened)
        told = [duplicate_notice(one["id"], one["item_id"], author, at, is_open=True) for one in opened]
        return [*claimed.writes, *writes_for_notices(await items.upsert_notices(tx.connection, told))]

    async def submit(self, author_id: UUID, *, same: bool = False) -> list[FeedWrite]:
        """Its submission for review, as written by this person; if it says the `same` as before, its review goes on.

        Steps of its case that waited for no more than this are taken.
        """
        desk, before = self._desk, self._revision.before
        keeps = (before.version, before.rev) if same and before else None
        submitted = [Submitted(self._after, self._secret, author_id, keeps)]
        writes = await submit_revisions(desk.tx, desk.services, submitted, desk.order.now)
        return writes + await take_after_revisions(desk.tx, desk.services, [self._after.id], desk.order.now)

    def _head_row(self) -> dict[str, Any]:
        after = self._after
        clear, sealed = self._desk.vault.close_fields(after, self._secret)
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

    def _revision_row(self) -> dict[str, Any]:
        revision, after, order = self._revision, self._revision.after, self._desk.order
        clear, sealed = self._desk.vault.close_revision(after, revision.fields, None, self._secret)
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
            "catalogue": self._desk.services.catalogue.version,
            "registry": self._desk.services.registry.version,
            "captured_at": order.now,
            "received_at": order.now,
        }
