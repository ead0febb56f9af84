"""What a walk came to, as a table, and what of it was too rare to say anything."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from schemas.wire import Outcome
from tests.machine.rules import RULES
from tests.machine.walk import Walk

LONG = 10_000
"""From so many steps on everything must have happened `OFTEN` times."""
OFTEN = 20
OUTCOMES = get_args(Outcome)
STATUSES = ("decided", "rejected", "quarantined", "void", "forked")
KINDS = (
    *("update_update", "update_delete", "delete_update", "referenced", "duplicate", "code", "territory"),
    *("late_transition", "group"),
)


def is_enough(result: Walk) -> list[str]:
    """What a long walk did not do often enough; nothing is asked of a short one."""
    if result.steps < LONG or result.fault:
        return []
    counts = result.counts
    wanted = (
        *(("rule", counts.rules, name) for name in RULES),
        *(("outcome", counts.outcomes, name) for name in OUTCOMES),
        *(("receipt", counts.statuses, name) for name in STATUSES),
        *(("conflict", counts.kinds, name) for name in KINDS),
    )
    return [f"{what} {name}: {seen[name]}" for what, seen, name in wanted if seen[name] < OFTEN]


def table(result: Walk, rare: list[str]) -> str:
    """For people."""
    counts = result.counts
    parts = [
        _columns("rules", counts.rules, RULES),
        _columns("outcomes", counts.outcomes, OUTCOMES),
        _columns("receipts", counts.statuses, STATUSES),
        _columns("conflicts", counts.kinds, (*KINDS, *sorted(counts.kinds.keys() - set(KINDS)))),
        f"{result.steps} steps, {counts.exchanges} exchanges, {counts.checks} checks at rest, "
        f"{result.seconds:.0f} s; seeds {result.seeds[0]} to {result.seeds[-1]}",
        *(f"too rare: {one}" for one in rare),
        *([result.fault] if result.fault else []),
    ]
    return "\n\n".join(parts) + "\n"


def _columns(title: str, seen: Counter[str], names: object) -> str:
    lines = [f"  {name:<22}{seen[name]:>6}" for name in names]  # type: ignore[attr-defined]
    return "\n".join([title, *lines])
