"""Changes that name an item which a person has linked with another one.

The loser is gone, but phones may still hold it, or hold what they wrote of it. An edit of the loser is merged onto the
winner, three-way against the loser's history: what its author saw of the loser is the base, and the winner's present
value the server's side. A deletion of the loser waits for a person, for the winner is more than its author saw. What
refers to the loser refers to the winner.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from msgspec.structs import replace

from schemas.forms import CompiledType
from schemas.wire import Change
from sync.deciding import Edit, Refused, Turn
from sync.decisions import Decision, Link
from sync.items import ItemState, stream_keys
from sync.merge import Overlap, fields_at
from sync.transitions import transit
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
    loser, winner = working.items[turn.change.item], working.items[link.winner]
    if loser.type != turn.change.type:
        raise Refused("rejected", "type_mismatch")
    if turn.change.op == "transition":
        decision = transit(working, turn, winner)
    else:
        working.permit(turn.compiled, turn.change.op, loser.author_id, loser.grid_id, turn.captured_at)
        by_operation = _delete if turn.change.op == "delete" else _update
        decision = by_operation(working, turn, winner, link)
    after = decision.revision.after if decision.revision else winner
    return replace(decision, carried=loser.id, seen=_on_phone(working, after))


def _on_phone(working: Working, item: ItemState) -> bool:
    """Whether its author's phone holds an item; it is not told of any other."""
    keys = stream_keys(item)
    by_grid = item.grid_id is not None and working.reads(item.stream_class, item.grid_id)
    return f"own/{working.context.author_id}" in keys or (bool(keys) and by_grid)


def _update(working: Working, turn: Turn, winner: ItemState, link: Link) -> Decision:
    incoming, dead = read_incoming(working, turn)
    version, base = _base(working, turn)
    own = _written_since(working, winner.id, link)
    edit = Edit(
        turn=turn,
        state=winner,
        incoming=incoming,
        base_version=version,
        base=base,
        changed={key for key in incoming if winner.fields.get(key) != base.get(key) and key not in own},
    )
    decision = decide_edit(working, edit, {key for key in dead if incoming[key] != winner.fields.get(key)})
    return _told_from(decision, turn.change.item, version)


def _delete(working: Working, turn: Turn, winner: ItemState, link: Link) -> Decision:
    if winner.deleted:
        return Decision(winner.id, "applied", current=winner)
    version, base = _base(working, turn)
    differing = sorted(key for key in base.keys() | winner.fields.keys() if base.get(key) != winner.fields.get(key))
    overlaps = {key: Overlap(base.get(key), winner.fields.get(key), None) for key in differing}
    conflict = working.conflict(turn, "delete_update", winner, overlaps, version)
    return _told_from(Decision(winner.id, "parked", conflict=conflict, current=winner), turn.change.item, version)


def _base(working: Working, turn: Turn) -> tuple[int | None, dict[str, object]]:
    """The version of the loser that its author saw, and what it said; None and nothing where nobody knows."""
    past = working.past_of(turn.change.item)
    version = base_version(turn.change, past, working.context.device_id)
    return version, fields_at(past, version) if version is not None else {}


def _written_since(working: Working, winner_id: UUID, link: Link) -> set[str]:
    """The fields of the winner that this device wrote last, since the two were linked: no conflict with itself."""
    last: dict[str, UUID | None] = {}
    for one in working.past_of(winner_id):
        if one.version > link.version:
            last.update(dict.fromkeys(one.fields, one.device_id))
    return {key for key, device_id in last.items() if device_id == working.context.device_id}


def _told_from(decision: Decision, loser_id: UUID, version: int | None) -> Decision:
    """The base is a version of the loser and none of the winner; what was applied was merged at any rate."""
    revision, conflict = decision.revision, decision.conflict
    if revision is not None:
        derivation = {**(revision.derivation or {}), "linked": {"from": str(loser_id), "base": version}}
        revision = replace(revision, base_version=None, derivation=derivation)
    if conflict is not None:
        conflict = replace(conflict, base_version=None, linked_from=loser_id)
    outcome = "merged" if decision.outcome == "applied" else decision.outcome
    return replace(decision, outcome=outcome, revision=revision, conflict=conflict)


def _followed(value: str, links: Mapping[UUID, Link]) -> str:
    try:
        link = links.get(UUID(value))
    except ValueError:
        return value
    return str(link.winner) if link else value
