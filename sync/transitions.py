"""Decides a step of a case that was taken offline: by the machine of `sync.cases`, from the state that it names.

A step does not use the base version, and is judged by the item with the edits of its own set. Where the case has gone
another way meanwhile, or what the step needs has not arrived yet, it waits: for a person, or for photos and the review
alone (`sync.awaited`). What its author may not do at all is kept in the quarantine.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.wire import Transition
from sync.awaited import AWAITED
from sync.case_state import CaseState, Circumstances, Given, since
from sync.cases import leads_to, may_take, transition
from sync.deciding import Refused, Turn
from sync.decisions import CaseFacts, Decision, Move, Step
from sync.duties import Actor, case_actor
from sync.items import ItemState
from sync.refusal import Refusal
from sync.review import asks_approval
from sync.rules import apply_rules, photos_there
from sync.updating import update
from sync.working import Working

_WAITING = AWAITED | {"late_transition"}
"""What does not hold against a step for good: the state has changed, or something is yet to come."""


def transit(working: Working, turn: Turn, state: ItemState) -> Decision:
    """What becomes of a step: its fields are merged first, as an update. Raises Refused."""
    return take_step(working, turn, state, state, lambda: _edited(working, turn, state))


def take_step(
    working: Working, turn: Turn, state: ItemState, written_of: ItemState, edited_now: Callable[[], Decision]
) -> Decision:
    """What becomes of a step of an item's case, `edited_now` deciding about the fields that it brings. Raises Refused.

    Its author saw `written_of`, by which it is judged in what capacity he acted.
    """
    asked, facts = turn.change.transition, working.cases.get(state.id)
    if asked is None:
        raise Refused("rejected", "change_malformed")
    if facts is None:
        raise Refused("quarantined", "forbidden")
    actor = _allowed(working, turn, written_of, facts.case, asked)
    edited = edited_now()
    taken = _take(working, turn, facts, actor, asked, edited.revision.after if edited.revision else state)
    if isinstance(taken, Step):
        return _park(working, turn, state, edited, taken)
    if working.group is not None:
        return _park(working, turn, state, edited, Step(asked.action, asked.leaves, facts.case.state, "", asked.note))
    return msgspec.structs.replace(edited, move=taken)


def _edited(working: Working, turn: Turn, state: ItemState) -> Decision:
    """What becomes of the fields that it brings, such as photos from after."""
    if not turn.change.fields:
        return Decision(state.id, "applied", current=state)
    working.permit_on(turn, "update", state)
    return update(working, turn, state)


def _take(
    working: Working, turn: Turn, facts: CaseFacts, actor: Actor, asked: Transition, state: ItemState
) -> Move | Step | None:
    """The step as taken (None: the case is already where it leads), or what makes it wait. Raises Refused."""
    case = facts.case
    if case.state != asked.leaves and case.state == leads_to(asked.action, asked.leaves):
        return None
    given = Given(note=asked.note)
    outcome = transition(case, asked.action, actor, asked.leaves, _circumstances(working, turn, facts, state), given)
    if not isinstance(outcome, Refusal):
        return Move(asked.action, case, outcome, asked.note)
    if outcome.code not in _WAITING:
        raise Refused("quarantined", outcome.code)
    roles = tuple(sorted(actor.roles))
    return Step(asked.action, asked.leaves, case.state, outcome.code, asked.note, roles, since(case))


def _circumstances(working: Working, turn: Turn, facts: CaseFacts, state: ItemState) -> Circumstances:
    """What the world says to the case of an item as its set has made it by now."""
    listed = state.fields.get(turn.compiled.photo_field or "", [])
    of_report, of_work = facts.photos.of_report(listed), facts.photos.of_work(listed)
    approved, item_type = facts.review_approved, turn.compiled.type
    if state.version != working.context.items[state.id].version:
        ruling = apply_rules(item_type, state.fields, state.urgency)
        approved = not asks_approval(ruling) and photos_there(item_type, ruling, of_report, of_work)
    return Circumstances(
        item_type=item_type,
        catalogue=working.context.catalogue.source,
        now=working.context.now,
        review_approved=approved,
        report_verified=of_report,
        close_verified=of_work,
    )


def _allowed(working: Working, turn: Turn, state: ItemState, case: CaseState, asked: Transition) -> Actor:
    """In what capacity its author takes the step, by his assignments at the capture. Raises Refused.

    Where the item lies now gives it, or where it lay by the registry that he worked by.
    """
    lead = (case.organisation,) if case.organisation else ()
    held = working.authority.at(turn.captured_at).assignments
    then = working.grid_then(turn, state)
    for place in working.places(turn, state.author_id, state.grid_id, then, (*lead, *case.assisting)):
        actor = case_actor(working.context.author_id, held, place, turn.compiled.type)
        allowed = may_take(case, asked.action, asked.leaves, actor, working.context.catalogue.source)
        if allowed is None:
            raise Refused("rejected", "parameter_invalid")
        if allowed:
            return actor
    raise Refused("quarantined", "forbidden")


def _park(working: Working, turn: Turn, state: ItemState, edited: Decision, step: Step) -> Decision:
    """One conflict for the step, and for what of its fields has to be settled."""
    parked, kind = edited.conflict, "late_transition" if step.code else "group"
    overlaps, base = (parked.overlaps, parked.base_version) if parked else ({}, state.version)
    conflict = msgspec.structs.replace(working.conflict(turn, kind, state, overlaps, base), step=step)
    return msgspec.structs.replace(edited, outcome="parked", conflict=conflict, current=state)
