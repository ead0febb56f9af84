"""Decides a change set: values in, decisions out.

`decide_set` takes the changes in order; each sees what the earlier ones of the set did. The server loads what the
context names under locks, calls this, and stores the result in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from schemas.wire import Change
from sync.atomic import decide_together
from sync.creating import create
from sync.deciding import Refused, Turn
from sync.decisions import Decision, SetContext
from sync.deleting import delete
from sync.linked import carry, name_winners
from sync.placing import Fixes, positions
from sync.territory import Sighting
from sync.transitions import transit
from sync.updating import update
from sync.working import Working


class Undecoded(Struct, frozen=True):
    """A change that could not be read: why, and as far as they are known its item and the member that is wrong."""

    code: str
    field: str | None = None
    item: UUID | None = None


Dated = tuple[Change, datetime] | Undecoded
"""A change with its estimated capture time, or what is known of one that could not be decoded."""


def decide_set(changes: Sequence[Dated], context: SetContext, *, atomic: bool = False) -> list[Decision]:
    """Decide each change in order, or all of them together; one decision for each, in the same order."""
    fixes = [_positions(one, context) for one in changes]
    sighting = Sighting(context.registry.index, [fix for told in fixes for fix in told.values()])
    deleting = _deleted_by(changes)

    def decide(together: bool) -> list[Decision]:
        working = Working(context, sighting, deleting, context.id_of(0, "group") if together else None)
        return [_decide(working, index, one, fixes[index]) for index, one in enumerate(changes)]

    return decide_together(decide) if atomic else decide(False)


def _positions(one: Dated, context: SetContext) -> Fixes:
    if isinstance(one, Undecoded):
        return {}
    change, _ = one
    compiled = context.catalogue.types.get(change.type)
    return positions(change, compiled, change.fields) if compiled is not None else {}


def _deleted_by(changes: Sequence[Dated]) -> frozenset[UUID]:
    return frozenset([one[0].item for one in changes if not isinstance(one, Undecoded) and one[0].op == "delete"])


def _decide(working: Working, index: int, one: Dated, fixes: Fixes) -> Decision:
    if isinstance(one, Undecoded):
        return Decision(one.item, "rejected", code=one.code, field=one.field)
    change, captured_at = one
    erased = working.context.erased
    if erased and change.item in erased:
        return Decision(change.item, "rejected", code="item_erased")
    try:
        decision = _by_operation(working, index, change, captured_at, fixes)
    except Refused as refused:
        return Decision(change.item, refused.outcome, code=refused.code, fault=refused.fault)
    working.remember(decision)
    return decision


def _by_operation(working: Working, index: int, change: Change, captured_at: datetime, fixes: Fixes) -> Decision:
    context = working.context
    compiled = context.catalogue.types.get(change.type)
    if compiled is None:
        raise Refused("rejected", "type_unknown")
    if captured_at < working.oldest:
        raise Refused("quarantined", "lease_exceeded")
    links = context.links
    if links:
        change = name_winners(change, compiled, links)
    turn = Turn(index, change, compiled, captured_at, fixes)
    if links and change.item in links:
        return carry(working, turn, links[change.item])
    if change.op == "create":
        return create(working, turn)
    state = working.items.get(change.item)
    if state is None:
        raise Refused("quarantined", "item_unknown")
    if state.type != change.type:
        raise Refused("rejected", "type_mismatch")
    if change.op == "transition":
        return transit(working, turn, state)
    working.permit_on(turn, change.op, state)
    return delete(working, turn, state) if change.op == "delete" else update(working, turn, state)
