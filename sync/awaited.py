"""Steps of cases that waited for photos or for the review alone: taken by themselves as soon as these are there.

A person is asked only about what time does not settle: a case that went another way, fields that others changed, a set
of all or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from sync.case_state import CaseState, Circumstances, Given, since
from sync.cases import leads_to, transition
from sync.decisions import Move, Step
from sync.duties import Actor
from sync.refusal import Refusal

AWAITED = frozenset({"evidence_not_verified", "review_pending"})
"""The refusals that end by themselves: what a step lacked is on its way."""

Became = Move | Step | Literal["reached", "stays"]


class Parked(Struct, frozen=True):
    """A step that waits in a conflict, and whose it is; `carried`: he wrote of a loser."""

    conflict: UUID
    author_id: UUID
    step: Step
    carried: bool = False


def in_turn(parked: Iterable[Parked], case: CaseState, circumstances: Circumstances) -> Iterator[tuple[Parked, Became]]:
    """What becomes of the steps of one case, as things are now; `parked` in the order in which they came.

    A `Move` takes a step, in the roles in which its author was judged when it came in; `reached`: the case is already
    where it leads. It `stays` where something is lacking still, and where the case has left the state it names, be it
    that it came back to it: that is other work than its author saw. What its author built on a step that is taken now
    goes on from there; a `Step` says what that waits for by then.
    """
    begun: dict[UUID, Step] = {}
    for one in parked:
        first = begun.get(one.author_id)
        became = _follow(one, case, circumstances) if _builds_on(one.step, first) else _take(one, case, circumstances)
        if isinstance(became, Move):
            case, begun = became.after, {one.author_id: first or one.step}
        yield one, became


def is_awaited(step: Step, case: CaseState) -> bool:
    """Whether a step still waits for no more than what is on its way: the case stands where it found it."""
    return step.code in AWAITED and case.state == step.leaves and since(case) == step.since


def _take(one: Parked, case: CaseState, circumstances: Circumstances) -> Became:
    step = one.step
    if step.code in AWAITED and case.state == leads_to(step.action, step.leaves):
        return "reached"
    if not is_awaited(step, case):
        return "stays"
    outcome = _judged(one, case, circumstances)
    return outcome if isinstance(outcome, Move) else "stays"


def _builds_on(step: Step, first: Step | None) -> bool:
    """Whether it came while the case stood where the first one that is taken now found it too."""
    if first is None or step.code != "late_transition":
        return False
    return (step.found, step.since) == (first.found, first.since)


def _follow(one: Parked, case: CaseState, circumstances: Circumstances) -> Became:
    outcome = _judged(one, case, circumstances)
    if isinstance(outcome, Move):
        return outcome
    if outcome.code not in AWAITED:
        return "stays"
    return replace(one.step, found=case.state, code=outcome.code, since=since(case))


def _judged(one: Parked, case: CaseState, circumstances: Circumstances) -> Move | Refusal:
    step, actor = one.step, Actor(one.author_id, frozenset(one.step.roles))
    outcome = transition(case, step.action, actor, step.leaves, circumstances, Given(note=step.note))
    if isinstance(outcome, Refusal):
        return outcome
    return Move(step.action, case, outcome, step.note, one.carried)
