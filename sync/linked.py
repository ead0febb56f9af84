"""Changes that name an item which a person has linked with another one.

The loser is gone, but phones may still hold it, or hold what they wrote of it. An edit of the loser is merged onto the
winner, three-way against the loser's history: what its author saw of the loser is the base, and the winner's present
value the server's side. Where the loser is pushed as new once more, what that says otherwise than its first revision is
such an edit. A deletion of the loser waits for a person, for the winner is more than its author saw. What refers to the
loser refers to the winner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.forms import CompiledType
from schemas.wire import Change
from sync.deciding import Edit, Refused, Turn
from sync.decisions import Decision, Link
from sync.items import Fields, ItemState, stream_keys, without_nulls
from sync.merge import Overlap, fields_at
from sync.transitions import take_step
from sync.updating import base_version, decide_edit, read_incoming
from sync.working import Working


def name_winners(change: Change, compiled: CompiledType, links: Mapping[UUID, Link]) -> Change:
    """The change with the winners in place of the losers to which it refers."""
    named = {key: change.fields[key] for key in compiled.reference_fields if isinstance(change.fields.get(key), str)}
    followed = {key: _followed(value, links) for key, value in named.items()}
    return replace(change, fields=change.fields | followed) if followed != named else change


def carry(working: Working, turn: Turn, link: Link) -> Decision:
    """What becomes of a change of the loser: it is about the winner. Raises Refused.

    Whether its author may write it is judged by the loser, of which he wrote.
    """
    carried = _Carried.of(working, turn, link)
    if carried.loser.type != turn.change.type:
        raise Refused("rejected", "type_mismatch")
    decision = _BY_OPERATION[turn.change.op](carried)
    after = decision.revision.after if decision.revision else carried.winner
    return replace(_told_from(decision, carried), carried=carried.loser.id, seen=_on_phone(working, after))


class _Carried(Struct, frozen=True):
    """A change of the loser on its way to the winner.

    `version`: the revision of the loser that its author saw, and `base` what it said; None and nothing where nobody
    knows.
    """

    working: Working
    turn: Turn
    loser: ItemState
    winner: ItemState
    link: Link
    version: int | None
    base: Fields

    @classmethod
    def of(cls, working: Working, turn: Turn, link: Link) -> _Carried:
        """Who wrote the loser and names no base, on whatever phone, saw what he created."""
        context, loser = working.context, working.items[turn.change.item]
        past = working.past_of(loser.id)
        version = base_version(turn.change, past, context.device_id)
        if turn.change.base is None and loser.author_id == context.author_id and past:
            version = past[0].version
        base = fields_at(past, version) if version is not None else {}
        return cls(working, turn, loser, working.items[link.winner], link, version, base)

    def permit(self) -> None:
        """Raises Refused where its author may not write of the loser."""
        self.working.permit_on(self.turn, "delete" if self.turn.change.op == "delete" else "update", self.loser)

    def written_since(self) -> set[str]:
        """The fields of the winner that this device wrote last, since the two were linked: no conflict with itself."""
        last: dict[str, UUID | None] = {}
        for one in self.working.past_of(self.winner.id):
            if one.version > self.link.version:
                last.update(dict.fromkeys(one.fields, one.device_id))
        return {key for key, device_id in last.items() if device_id == self.working.context.device_id}


def _on_phone(working: Working, item: ItemState) -> bool:
    """Whether its author's phone holds an item; it is not told of any other."""
    keys = stream_keys(item)
    by_grid = item.grid_id is not None and working.reads(item.stream_class, item.grid_id)
    return f"own/{working.context.author_id}" in keys or (bool(keys) and by_grid)


def _create(carried: _Carried) -> Decision:
    """The loser as it is pushed once more, by a phone that was restored or had it still to send: an edit of it.

    All that it says as the base does, nobody has changed.
    """
    working, turn = carried.working, carried.turn
    fields = without_nulls(turn.compiled.normalise(turn.change.fields))
    working.check(turn.compiled.check_whole(fields, working.context.today))
    said = {key: value for key, value in fields.items() if value != carried.base.get(key)}
    if not said:
        return Decision(carried.winner.id, "applied", current=carried.winner)
    edit = replace(turn, change=replace(turn.change, op="update", fields=said, urgency=None))
    return _update(replace(carried, turn=edit))


def _update(carried: _Carried) -> Decision:
    carried.permit()
    winner, base = carried.winner, carried.base
    incoming, dead = read_incoming(carried.working, carried.turn)
    own = carried.written_since()
    edit = Edit(
        turn=carried.turn,
        state=winner,
        incoming=incoming,
        base_version=carried.version,
        base=base,
        changed={key for key in incoming if winner.fields.get(key) != base.get(key) and key not in own},
    )
    return decide_edit(carried.working, edit, {key for key in dead if incoming[key] != winner.fields.get(key)})


def _delete(carried: _Carried) -> Decision:
    carried.permit()
    winner, base = carried.winner, carried.base
    if winner.deleted:
        return Decision(winner.id, "applied", current=winner)
    differing = sorted(key for key in base.keys() | winner.fields.keys() if base.get(key) != winner.fields.get(key))
    overlaps = {key: Overlap(base.get(key), winner.fields.get(key), None) for key in differing}
    conflict = carried.working.conflict(carried.turn, "delete_update", winner, overlaps, carried.version)
    return Decision(winner.id, "parked", conflict=conflict, current=winner)


def _transit(carried: _Carried) -> Decision:
    def edited() -> Decision:
        brings = carried.turn.change.fields
        return _update(carried) if brings else Decision(carried.winner.id, "applied", current=carried.winner)

    return take_step(carried.working, carried.turn, carried.winner, carried.loser, edited)


_BY_OPERATION: dict[str, Callable[[_Carried], Decision]] = {
    "create": _create,
    "update": _update,
    "delete": _delete,
    "transition": _transit,
}


def _told_from(decision: Decision, carried: _Carried) -> Decision:
    """The base is a version of the loser and none of the winner; what was applied was merged at any rate."""
    revision, conflict, loser_id = decision.revision, decision.conflict, carried.loser.id
    if revision is not None:
        linked = {"from": str(loser_id), "base": carried.version}
        revision = replace(revision, base_version=None, derivation={**(revision.derivation or {}), "linked": linked})
    if conflict is not None:
        conflict = replace(conflict, base_version=None, linked_from=loser_id)
    move = replace(decision.move, carried=True) if decision.move else None
    outcome = "merged" if decision.outcome == "applied" else decision.outcome
    return replace(decision, outcome=outcome, revision=revision, conflict=conflict, move=move)


def _followed(value: str, links: Mapping[UUID, Link]) -> str:
    try:
        link = links.get(UUID(value))
    except ValueError:
        return value
    return str(link.winner) if link else value
