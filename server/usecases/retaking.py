"""Steps of cases that waited in a conflict: taken from the state that the case is in now, and taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from server.db import push
from server.db.database import Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_access import Opened
from server.usecases.orders import Order
from server.usecases.standings import Standing, find_standings
from server.usecases.stepping import store_steps
from sync.access import assignments_at
from sync.case_state import CaseState, Given
from sync.cases import leads_to, transition
from sync.decisions import Move, Step
from sync.duties import Actor, case_actor
from sync.refusal import Refusal


class Retaken(Struct, frozen=True):
    """A step that was taken now, and how often its item was touched by then."""

    move: Move
    touch: int

    def record(self) -> dict[str, Any]:
        """What is to be remembered of it, so that it can be undone; why photos were waived stays sealed in the case."""
        before, after = (replace(case, waiver=None) for case in (self.move.before, self.move.after))
        return {"before": to_builtins(before), "after": to_builtins(after)}


async def retake_step(tx: Transaction, services: Services, opened: Opened, now: datetime) -> Retaken | None:
    """Take the step that waits in a conflict, as who took it offline; None where none is left to take.

    Raises Problem: late_transition where no such step leaves the present state, and whatever it still lacks.
    """
    step, row = opened.step, opened.row
    if step is None:
        return None
    standing = await _standing(tx, services, row["item_id"])
    case = standing.case
    if case is None:
        raise Problem("late_transition")
    if case.state == leads_to(step.action, step.leaves):
        return None
    actor = await _actor(tx, standing, row["author_id"], row["captured_at"])
    after = _again(services, standing, case, step, actor, now)
    return await _store(tx, services, standing, Move(step.action, case, after, step.note), row["author_id"], now)


async def undo_step(
    tx: Transaction, services: Services, item_id: UUID, recorded: dict[str, Any] | None, order: Order
) -> Retaken | None:
    """Bring the case back to where it was, unless it went on since. Raises Problem `undo_too_late`."""
    if recorded is None:
        return None
    standing = await _standing(tx, services, item_id)
    case = standing.case
    if case is None or replace(case, waiver=None) != convert(recorded["after"], CaseState):
        raise Problem(
            "undo_too_late",
            detail_zh="案件此后又有进展,不能再撤回这一步。",
            detail_en="The case has gone on since, so this step stays.",
        )
    before = replace(convert(recorded["before"], CaseState), waiver=case.waiver)
    return await _store(tx, services, standing, Move("undo", case, before), order.actor.user_id, order.now)


async def _standing(tx: Transaction, services: Services, item_id: UUID) -> Standing:
    """Of an item that was deleted meanwhile there is none."""
    found = await find_standings(tx.connection, services, [item_id])
    if not found:
        raise Problem("late_transition")
    return found[0]


async def _actor(tx: Transaction, standing: Standing, author_id: UUID, captured_at: datetime) -> Actor:
    held = assignments_at(await push.assignments_ever(tx.connection, author_id), captured_at)
    return case_actor(author_id, held, standing.facts, standing.compiled.type)


def _again(
    services: Services, standing: Standing, case: CaseState, step: Step, actor: Actor, now: datetime
) -> CaseState:
    circumstances = standing.circumstances(services, now)
    outcome = transition(case, step.action, actor, case.state, circumstances, Given(note=step.note))
    if isinstance(outcome, Refusal):
        raise Problem(outcome.code, field=outcome.field, detail_zh=outcome.zh, detail_en=outcome.en)
    return outcome


async def _store(
    tx: Transaction, services: Services, standing: Standing, move: Move, actor_id: UUID, now: datetime
) -> Retaken:
    item_id = standing.item.id
    touched = await store_steps(tx, services, {item_id: [move]}, actor_id, now)
    return Retaken(move, touched[item_id].touch)
