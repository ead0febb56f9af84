"""Sets that are decided all or nothing: one refused change refuses them all, one parked change parks them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from schemas.wire import Outcome
from sync.decisions import Decision

ALL_OR_NOTHING = "set_all_or_nothing"


def decide_together(decide: Callable[[bool], list[Decision]]) -> list[Decision]:
    """The decisions about such a set. `decide` decides it change by change; given True, parking each."""
    apart = decide(False)
    if any(_is_refused(one) for one in apart):
        return _refused(apart)
    if not any(one.outcome == "parked" for one in apart):
        return apart
    parked = decide(True)
    return _refused(parked) if any(_is_refused(one) for one in parked) else parked


def _is_refused(decision: Decision) -> bool:
    return decision.outcome in ("rejected", "quarantined")


def _refused(decisions: Sequence[Decision]) -> list[Decision]:
    """What was refused keeps its reason; the others share the outcome, for a person may release what is quarantined."""
    rejected = any(one.outcome == "rejected" for one in decisions)
    outcome: Outcome = "rejected" if rejected else "quarantined"
    return [
        msgspec.structs.replace(one, outcome=outcome)
        if _is_refused(one)
        else Decision(one.item_id, outcome, code=ALL_OR_NOTHING)
        for one in decisions
    ]
