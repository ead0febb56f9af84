"""What people decide at their desks about submissions and cases, on the audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from server.db import audit
from server.db.audit import Act
from server.db.database import Transaction
from server.usecases.sessions import Caller
from server.usecases.standings import Moved


async def record_desk_acts(tx: Transaction, caller: Caller, moves: Iterable[Moved], why: str | None = None) -> None:
    """A row for every step that the caller took; what the server did by itself thereupon follows from these.

    What he wrote about it stays sealed with the step. `why`: his words for the trail; the step's own reason, a code of
    the catalogue, then stands beside them.
    """
    acts = [act for move in moves for act in _acts(caller, move)]
    if why is not None:
        acts = [replace(act, reason=why, detail={**act.detail, "code": act.reason}) for act in acts]
    if acts:
        await audit.record_all(tx.connection, acts)


def _acts(caller: Caller, move: Moved) -> Iterator[Act]:
    for step in move.review_steps:
        if step["actor_id"] == caller.user_id:
            yield _act(caller, f"review.{step['action']}", step, {"version": step["version"], "level": step["level"]})
    for step in move.case_steps:
        if step["actor_id"] == caller.user_id:
            organisation = str(step["organisation_id"]) if step["organisation_id"] else None
            told = {"from": step["from_state"], "to": step["to_state"], "organisation": organisation}
            yield _act(caller, f"case.{step['action']}", step, told)


def _act(caller: Caller, action: str, step: dict[str, Any], detail: dict[str, Any]) -> Act:
    return Act(
        actor_id=caller.user_id,
        action=action,
        subject_kind="item",
        subject_id=str(step["item_id"]),
        reason=step["reason"],
        detail=detail,
        request_id=caller.request_id,
    )
