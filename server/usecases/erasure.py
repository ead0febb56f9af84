"""Erasing items: of each there is left that it was, for the figures, and nothing that tells of anybody.

    lock the items -> destroy keys -> blank heads, history, conflicts, notes -> photos -> raw sets -> audit -> feed

Items that are linked are one thing, so whichever of them is named, all go: a loser's history tells of the same person.
One path for a person's request and for the catalogue's retention. What is not marked and can be counted stays in the
head (`sync.erasing`); type, grid, times and the steps of review and case stay as they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence, Set
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from server.db import audit, erasure, items, reading
from server.db.database import Row, Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.claiming import release_erased
from server.usecases.erased_photos import remove_now
from server.usecases.families import lock_families
from server.usecases.feeding import write_feed, writes_for_item, writes_for_notices
from server.usecases.raw_sets import cut_items_out
from server.usecases.reasons import checked_reason
from server.usecases.salvage import cut_salvage
from server.usecases.sealed_items import head
from server.usecases.sessions import Caller
from sync.access import OFFICE_TIERS, Grant, reading_grants
from sync.erasing import figures_of
from sync.feed import signed64
from sync.items import ItemState

NOBODY = UUID(int=0)
"""The author of what the catalogue's rule does by itself."""


class Order(Struct, frozen=True, kw_only=True):
    """Who has something erased (None: the catalogue's rule), why and when."""

    by: UUID | None
    reason: str
    at: datetime
    request_id: str | None = None


class Tally(Struct, frozen=True, kw_only=True):
    """How much was blanked or closed with the items; `photos_removed`: those that no other item holds.

    `linked`: how many of the items went because another one did, with which they are one.
    """

    items: int = 0
    linked: int = 0
    revisions: int = 0
    conflicts: int = 0
    conflicts_closed: int = 0
    notices_closed: int = 0
    photos: int = 0
    photos_removed: int = 0
    change_sets: int = 0
    forked_sets: int = 0
    quarantined: int = 0
    streams: int = 0


class Erased(Struct, frozen=True, kw_only=True):
    """What was erased, or would be: `kept` are the keys of the fields whose values stay for the figures.

    `linked`: the other items that are one with it, and went with it.
    """

    item: UUID
    type: str
    grid: str | None
    version: int
    kept: list[str]
    linked: list[UUID]
    tally: Tally
    dry_run: bool


class _DryRun(Exception):
    def __init__(self, erased: Erased) -> None:
        super().__init__()
        self.erased = erased


def erasing_grants(services: Services, caller: Caller) -> Sequence[Grant]:
    """The items that this person may erase: what his office may read. Raises Problem `forbidden`."""
    held = [one for one in caller.assignments if one.role in OFFICE_TIERS]
    if not held or caller.revoked:
        raise Problem("forbidden")
    types = (compiled.type for compiled in services.catalogue.types.values())
    return reading_grants(caller.user_id, held, types)


async def erase_item(
    services: Services, caller: Caller, item_id: UUID, reason: str, now: datetime, *, dry_run: bool = False
) -> Erased:
    """Erase one item for good, and all that were linked with it. A dry run does it all and takes it back.

    Raises Problem: forbidden, also where one of these lies outside his area; reason_needed, not_found, item_erased,
    case_open.
    """
    grants = erasing_grants(services, caller)
    order = Order(by=caller.user_id, reason=checked_reason(reason), at=now, request_id=caller.request_id)
    try:
        return await services.database.write(
            partial(_erase_item, services=services, item_id=item_id, grants=grants, order=order, dry_run=dry_run)
        )
    except _DryRun as tried:
        return tried.erased


async def _erase_item(
    tx: Transaction, services: Services, item_id: UUID, grants: Sequence[Grant], order: Order, *, dry_run: bool
) -> Erased:
    families = await lock_families(tx, [item_id])
    await _check_reach(tx, item_id, families.members[item_id], grants)
    rows = families.rows_of(item_id)
    row = next((one for one in rows if one["id"] == item_id), None)
    if row is None:
        raise Problem("item_erased", detail_zh="该事项此前已清除。", detail_en="The item was erased before.")
    if await erasure.open_case_items(tx.connection, [one["id"] for one in rows]):
        raise Problem("case_open")
    linked = [one["id"] for one in rows if one["id"] != item_id]
    erased = Erased(
        item=item_id,
        type=row["type"],
        grid=services.registry.code(row["grid_id"]),
        version=row["version"] + 1,
        kept=sorted(_figures(services, row)),
        linked=linked,
        tally=await erase_locked(tx, services, [rows], order),
        dry_run=dry_run,
    )
    if dry_run:
        raise _DryRun(erased)
    return erased


async def erase_locked(tx: Transaction, services: Services, families: Sequence[Sequence[Row]], order: Order) -> Tally:
    """Erase items that are locked wholly, given by their rows; none of them is erased or has an open case.

    Those of a family are one thing, and each says with how many others it went. The locks of items come before all
    others that this takes.
    """
    rows = [row for family in families for row in family]
    if not rows:
        return Tally()
    connection = tx.connection
    orders = [_together(order, len(family) - 1) for family in families for _ in family]
    befores = [_told_again(head(row, {}), len(family) > 1) for family in families for row in family]
    afters = [_tombstone(before, order) for before in befores]
    ids = [before.id for before in befores]
    await erasure.destroy_keys(connection, ids)
    await erasure.blank_items(connection, [_head_row(services, *one) for one in zip(rows, afters, strict=True)])
    await items.insert_revisions(
        connection, [_revision_row(services, *one) for one in zip(afters, orders, strict=True)]
    )
    conflicts, closed = await erasure.close_conflicts(connection, ids, order.at, order.by)
    notices = await erasure.close_notices(connection, ids)
    freed = await release_erased(tx, ids, order.at)
    photos, removed = await _unlink_photos(tx, services, ids)
    salvaged = await cut_salvage(connection, services.keyring, frozenset(ids))
    cut = await cut_items_out(connection, services.keyring, frozenset(ids))
    await audit.record_all(connection, [_act(*one) for one in zip(afters, orders, strict=True)])
    pairs = zip(befores, afters, strict=True)
    writes = [*writes_for_notices(notices), *freed, *(write for pair in pairs for write in writes_for_item(*pair))]
    await write_feed(tx, writes)
    return Tally(
        items=len(ids),
        linked=len(rows) - sum(bool(family) for family in families),
        revisions=sum(before.version for before in befores),
        conflicts=conflicts,
        conflicts_closed=closed,
        notices_closed=len(notices),
        photos=photos,
        photos_removed=removed,
        change_sets=cut.change_sets,
        forked_sets=cut.forked_sets,
        quarantined=cut.quarantined + salvaged,
        streams=len({write.stream for write in writes}),
    )


async def _unlink_photos(tx: Transaction, services: Services, ids: Sequence[UUID]) -> tuple[int, int]:
    photos, loose = await erasure.unlink_photos(tx.connection, ids)
    incoming = await erasure.end_uploads(tx.connection, loose)
    if loose:
        tx.after_commit(partial(remove_now, services, loose, incoming))
    return photos, len(loose)


def _tombstone(before: ItemState, order: Order) -> ItemState:
    """There is no key left to sign it with, so its rev is drawn."""
    return replace(before, version=before.version + 1, rev=secrets.randbits(64), deleted=True, updated_at=order.at)


def _together(order: Order, others: int) -> Order:
    if not others:
        return order
    return replace(order, reason=f"{order.reason}(连同合为一项的 {others} 项 with {others} linked items)")


def _told_again(before: ItemState, linked: bool) -> ItemState:
    """A loser left its streams when it was linked; phones that know of that are told anew, to forget all of it."""
    return replace(before, deleted=False) if linked else before


async def _check_reach(tx: Transaction, item_id: UUID, family: Set[UUID], grants: Sequence[Grant]) -> None:
    """Nobody erases what lies outside his area: who may link two items may erase them."""
    reached = await reading.items_within(tx.connection, sorted(family), grants)
    if item_id not in reached:
        raise Problem("not_found")
    if family - reached:
        raise Problem(
            "forbidden",
            detail_zh="与此事项合为一项的还有您负责范围以外的事项,须一并清除,请由上级处理。",
            detail_en="It is linked with items outside your area, which go with it; leave it to the office above.",
        )


def _figures(services: Services, row: Row) -> dict[str, Any]:
    compiled = services.catalogue.types.get(row["type"])
    return figures_of(compiled, row["clear"]) if compiled else {}


def _head_row(services: Services, row: Row, after: ItemState) -> dict[str, Any]:
    return {
        "id": after.id,
        "version": after.version,
        "rev": signed64(after.rev),
        "clear": _figures(services, row),
        "at": after.updated_at,
    }


def _revision_row(services: Services, after: ItemState, order: Order) -> dict[str, Any]:
    return {
        "item_id": after.id,
        "version": after.version,
        "rev": signed64(after.rev),
        "op": "erase",
        "author_id": order.by or NOBODY,
        "fields": [],
        "clear": {},
        "grid_id": after.grid_id,
        "reason": order.reason,
        "catalogue": services.catalogue.version,
        "registry": services.registry.version,
        "captured_at": order.at,
        "received_at": order.at,
    }


def _act(after: ItemState, order: Order) -> audit.Act:
    return audit.Act(
        actor_id=order.by,
        action="item.erased",
        subject_kind="item",
        subject_id=str(after.id),
        reason=order.reason,
        detail={"type": after.type, "version": after.version},
        request_id=order.request_id,
    )
