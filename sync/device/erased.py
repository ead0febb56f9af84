"""Forgetting what the server has erased: a phone keeps no copy of what nobody else may have any more."""

from __future__ import annotations

from collections.abc import Set
from uuid import UUID

import msgspec

from schemas.wire import Receipt
from sync.device.state import SealedSet, State, Told
from sync.erasing import items_named, without


def erased_by(receipt: Receipt) -> frozenset[UUID]:
    """The items of which a receipt says that they were erased."""
    found = (outcome.item for outcome in receipt.outcomes if outcome.code == "item_erased")
    return frozenset(UUID(item) for item in found if item)


def forget(state: State, items: Set[UUID]) -> None:
    """Lets go of edits, messages and acknowledged sets that are about these items.

    A set that is still on its way must go out as it is; its receipt brings it here too.
    """
    if not items:
        return
    state.erased |= items
    state.salvage = [body for body in state.salvage if body.id not in items]
    state.edits = [
        edit for edit in state.edits if edit.change.item not in items or (edit.no is not None and edit.outcome is None)
    ]
    state.told = [_emptied(told) if told.change.item in items else told for told in state.told]
    state.former = [left for sealed in state.former if (left := _cut(sealed, items))]
    sent = {no: sealed for no, sealed in state.outbox.items() if no <= state.acknowledged}
    for no, sealed in sent.items():
        if (left := _cut(sealed, items)) is not None:
            state.outbox[no] = left
        else:
            del state.outbox[no]


def _emptied(told: Told) -> Told:
    """The message stays, and what it was about does not."""
    change = told.change
    nowhere = msgspec.structs.replace(change.capture, position=None)
    return msgspec.structs.replace(told, change=msgspec.structs.replace(change, fields={}, capture=nowhere))


def _cut(sealed: SealedSet, items: Set[UUID]) -> SealedSet | None:
    if items_named(sealed.raw).isdisjoint(items):
        return sealed
    raw = without(sealed.raw, items)
    return msgspec.structs.replace(sealed, raw=raw) if raw else None
