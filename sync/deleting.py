"""Decides a deletion: applied, or parked where others changed the item meanwhile or still refer to it."""

from __future__ import annotations

import msgspec

from sync.deciding import Turn
from sync.decisions import Conflict, Decision, Revision
from sync.items import ItemState
from sync.merge import Overlap, changed_by_others, fields_at
from sync.updating import base_version
from sync.working import Working


def delete(working: Working, turn: Turn, state: ItemState) -> Decision:
    """What becomes of a deletion. Raises Refused."""
    version = base_version(turn.change, working.past_of(state.id), working.context.device_id)
    if state.deleted:
        return Decision(state.id, "applied", current=state)
    if working.holding(state.id) is not None:
        return _withdraw(working, turn, state, version)
    if (conflict := _disputed(working, turn, state, version)) is not None:
        return Decision(state.id, "parked", conflict=conflict, current=state)
    return Decision(state.id, "applied", revision=_deleted(working, turn, state, version))


def _deleted(working: Working, turn: Turn, state: ItemState, version: int | None) -> Revision:
    after = msgspec.structs.replace(state, version=state.version + 1, deleted=True, updated_at=working.context.now)
    return Revision("delete", state, working.signed(after), {}, version, turn.captured_at)


def _withdraw(working: Working, turn: Turn, state: ItemState, version: int | None) -> Decision:
    """Its author takes back what was held: nobody has to settle it any more."""
    about = working.holding(state.id)
    ended = working.end(state.id, about) if about is not None else None
    return Decision(
        state.id,
        "parked" if working.group else "applied",
        revision=_deleted(working, turn, state, version),
        withdrawn=ended,
        current=state,
        within=ended if working.group else None,
    )


def _disputed(working: Working, turn: Turn, state: ItemState, version: int | None) -> Conflict | None:
    """Why it waits: others edited the item since, somebody refers to it, or the rest of its set waits."""
    if overlaps := _changed(working, state, version):
        return working.conflict(turn, "delete_update", state, overlaps, version)
    if working.referrers.get(state.id):
        return working.conflict(turn, "referenced", state, {}, version)
    return working.conflict(turn, "group", state, {}, version) if working.group else None


def _changed(working: Working, state: ItemState, version: int | None) -> dict[str, Overlap]:
    """What others changed since the base; all that the item holds where nobody knows the base."""
    if version is None:
        return {key: Overlap(None, value, None) for key, value in sorted(state.fields.items())}
    past = working.past_of(state.id)
    changed, base = changed_by_others(past, version, working.context.device_id), fields_at(past, version)
    return {key: Overlap(base.get(key), state.fields.get(key), None) for key in sorted(changed)}
