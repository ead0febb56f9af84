"""Decides an update: applied, merged into what others changed since, or parked where a person must decide."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from schemas.wire import Change
from sync.deciding import Edit, Refused, Turn
from sync.decisions import Decision, OpenConflict, Revision
from sync.items import Fields, ItemState, Past, without_nulls
from sync.merge import Merged, base_is_known, changed_by_others, fields_at
from sync.placing import Placement, positions
from sync.rules import ruled_urgency
from sync.working import Working, dead_among, waiting_for


def update(working: Working, turn: Turn, state: ItemState) -> Decision:
    """What becomes of an update. Raises Refused."""
    edit, dead = _read(working, turn, state)
    return decide_edit(working, edit, dead)


def decide_edit(working: Working, edit: Edit, dead: set[str]) -> Decision:
    """What becomes of an edit; `dead` are those of its fields that begin to name a deleted item. Raises Refused."""
    turn, state = edit.turn, edit.state
    rest, joined, taken = _join(working, state, edit.incoming)
    if state.deleted and not joined:
        return working.park(edit, "update_delete")
    dead &= rest.keys()
    merged = _merge(edit, rest, dead)
    kind = "referenced" if dead else "update_update"
    if working.group is not None and working.holding(state.id) is None:
        return _hold(working, edit, rest, kind if merged.overlaps else "group", joined, taken)
    revision = None
    if merged.applied or not (merged.overlaps or joined or edit.changed or edit.base_version is None):
        try:
            revision = _revise(working, edit, merged)
        except Refused as refused:
            if refused.fault is None or not edit.changed:
                raise
            # Each side is valid alone and the two together are not: a person decides about the whole edit.
            return working.park(edit, "update_update")
    parked = working.conflict(turn, kind, state, merged.overlaps, edit.base_version) if merged.overlaps else None
    held = working.holding(state.id) if working.group is not None else None
    stale = edit.changed and edit.base_version is not None
    taken_in = "rebased" if revision and revision.rebased else "merged" if stale else "applied"
    return Decision(
        state.id,
        "parked" if parked or joined or held else taken_in,
        revision=revision,
        conflict=parked,
        joined=joined,
        joined_fields=taken,
        placed=_settled_by(working, revision),
        current=state,
        within=held.id if held else None,
    )


def base_version(change: Change, past: Sequence[Past], device_id: UUID) -> int | None:
    """The version a change was written against; None where the server does not know it.

    A device may leave the base out only for what it created itself.
    """
    if change.base is not None:
        known = base_is_known(past, change.base.version, int(change.base.rev, 16))
        return change.base.version if known else None
    return past[0].version if past and past[0].device_id == device_id else None


def read_incoming(working: Working, turn: Turn) -> tuple[Fields, set[str]]:
    """The fields that an edit brings, and those of them that name a deleted item. Raises Refused."""
    incoming = turn.compiled.normalise(turn.change.fields)
    working.check(turn.compiled.check_change(incoming))
    return incoming, dead_among(turn.compiled, working.targets(turn.compiled, incoming))


def _read(working: Working, turn: Turn, state: ItemState) -> tuple[Edit, set[str]]:
    """The edit, and those of its fields that begin to name a deleted item."""
    device_id = working.context.device_id
    incoming, dead = read_incoming(working, turn)
    past = working.past_of(state.id)
    version = base_version(turn.change, past, device_id)
    edit = Edit(
        turn=turn,
        state=state,
        incoming=incoming,
        base_version=version,
        base=fields_at(past, version) if version is not None else {},
        changed=changed_by_others(past, version, device_id) if version is not None else set(incoming),
    )
    return edit, {key for key in dead if incoming[key] != state.fields.get(key)}


def _merge(edit: Edit, rest: Fields, dead: set[str]) -> Merged:
    """What names a deleted item is to be settled, whatever the field's policy says."""
    merged = edit.merge({key: value for key, value in rest.items() if key not in dead})
    return Merged(merged.applied, merged.overlaps | edit.overlap({key: rest[key] for key in sorted(dead)}))


def _join(working: Working, state: ItemState, incoming: Fields) -> tuple[Fields, UUID | None, Fields]:
    """Take out the fields whose earlier edit by this device is still parked: (the rest, conflict, taken out)."""
    for conflict in working.open_conflicts.get(state.id, ()):
        if conflict.holds_item or conflict.kind == "duplicate":
            continue
        keys = incoming.keys() if state.deleted else incoming.keys() & conflict.fields
        if conflict.device_id == working.context.device_id and keys and conflict.op != "delete":
            taken = {key: incoming[key] for key in keys}
            rest = {key: value for key, value in incoming.items() if key not in taken}
            return rest, conflict.id, taken
    return incoming, None, {}


def _hold(working: Working, edit: Edit, rest: Fields, kind: str, joined: UUID | None, taken: Fields) -> Decision:
    """An edit that waits for the rest of its set, as a whole; what belongs to an earlier conflict joins that one."""
    parked = None
    if rest or joined is None:
        parked = working.conflict(edit.turn, kind, edit.state, edit.overlap(rest), edit.base_version)
    return Decision(edit.state.id, "parked", conflict=parked, joined=joined, joined_fields=taken, current=edit.state)


def _revise(working: Working, edit: Edit, merged: Merged) -> Revision:
    state, turn = edit.state, edit.turn
    compiled = turn.compiled
    fields = without_nulls(state.fields | merged.applied)
    working.check(compiled.check_edited(state.fields, fields, working.context.today))
    urgency = ruled_urgency(compiled.type, fields, turn.change.urgency or state.urgency)
    placement = _place_again(working, edit, merged.applied, fields)
    grid_id = placement.grid_id if placement else state.grid_id
    if grid_id != state.grid_id:
        working.permit(turn, "update", state.author_id, grid_id, placement.then if placement else None)
    after = msgspec.structs.replace(
        state,
        version=state.version + 1,
        fields=fields,
        urgency=urgency,
        grid_id=grid_id,
        in_own_stream=state.in_own_stream or (compiled.kind == "event" and grid_id != state.grid_id),
        updated_at=working.context.now,
    )
    signed = working.signed(after)
    derivation, rebased = (placement.derivation, placement.rebased) if placement else (None, False)
    return Revision("update", state, signed, merged.applied, edit.base_version, turn.captured_at, derivation, rebased)


def _place_again(working: Working, edit: Edit, applied: Fields, fields: Fields) -> Placement | None:
    """Only an edit of what the territory is told from can move an item; None leaves it where it is.

    An item without a grid is asked for at every edit, but not by where its author stood when he made that.
    """
    state, change, compiled = edit.state, edit.turn.change, edit.turn.compiled
    told_from = {source.field for source in compiled.type.territory_from if source.field}
    if state.grid_id is None:
        if _stays_held(working, edit, fields):
            return None
        change = msgspec.structs.replace(change, capture=msgspec.structs.replace(change.capture, position=None))
    elif not told_from & applied.keys():
        return None
    fixes, targets = positions(change, compiled, fields), working.targets(compiled, fields)
    placement = working.place(edit.turn, change, fixes, targets)
    return placement if placement.grid_id else None


def _stays_held(working: Working, edit: Edit, fields: Fields) -> bool:
    """Whether no edit of its author's can settle what an item waits for.

    It waits for the rest of its set, or still names an item that was deleted or is held itself.
    """
    about = working.holding(edit.state.id)
    if about is not None and about.atomic:
        return True
    compiled = edit.turn.compiled
    targets = working.targets(compiled, fields)
    if any(target is not None and target.deleted for target in targets.values()):
        return True
    return waiting_for(compiled, targets) is not None


def _settled_by(working: Working, revision: Revision | None) -> UUID | None:
    """The conflict about an item itself that ends because an edit told the grid."""
    if revision is None or revision.before is None or revision.before.grid_id or revision.after.grid_id is None:
        return None
    about: OpenConflict | None = working.holding(revision.after.id)
    return working.end(revision.after.id, about) if about is not None else None
