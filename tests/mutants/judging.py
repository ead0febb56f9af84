"""Judges a mutant: killed where every test that it must turn red failed by the very assertion that tells why."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Literal

from msgspec import Struct

from tests.mutants.mutant import Killer, Mutant
from tests.mutants.patching import StaleError, read
from tests.mutants.running import Failure, Ran, run_tests
from tests.mutants.tree import break_tree, copy_tree

Outcome = Literal["killed", "survived", "stale"]


class Kill(Struct, frozen=True):
    """A test that caught a mutant: at which path:line, by which statement, and what was said."""

    test: str
    at: str
    statement: str
    said: str


class Verdict(Struct, frozen=True):
    """What became of a mutant. `why`: a sentence, if it was not killed. `others`: what else turned red."""

    name: str
    invariant: str
    breaks: str
    outcome: Outcome
    killers: list[Kill]
    others: list[str]
    stayed_green: list[str]
    seconds: float
    why: str | None = None


def judge(mutant: Mutant) -> Verdict:
    """Break a copy of the project by the mutant and run its tests there."""
    began = monotonic()
    with tempfile.TemporaryDirectory(prefix="onegrid-mutant-") as folder:
        root = Path(folder)
        copy_tree(root)
        try:
            break_tree(root, read(mutant.patch.read_text("utf-8")))
        except (StaleError, FileNotFoundError) as stale:
            return _verdict(mutant, "stale", began, why=f"The patch no longer applies. {stale}")
        return _judge(mutant, run_tests(root, mutant.tests), began)


def not_green(mutants: Sequence[Mutant]) -> str | None:
    """Why red tests would prove nothing: some are red, or cannot be run, on the project as it is."""
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    with tempfile.TemporaryDirectory(prefix="onegrid-whole-") as folder:
        copy_tree(Path(folder))
        ran = run_tests(Path(folder), tests)
    if ran.trouble:
        return ran.trouble
    red = [f"{failure.test} ({failure.frames[-1].at}: {failure.said})" for failure in ran.failures]
    return f"Red without any mutant: {', '.join(red)}" if red else None


def _judge(mutant: Mutant, ran: Ran, began: float) -> Verdict:
    if ran.trouble:
        return _verdict(mutant, "survived", began, why=ran.trouble)
    kills: list[Kill] = []
    for killer in mutant.killers:
        red = [failure for failure in ran.failures if _is_of(failure.test, killer.test)]
        kill = next((kill for failure in red if (kill := _kill(failure, killer))), None)
        if kill is None:
            return _verdict(mutant, "survived", began, ran, kills, why=_why(killer, red))
        kills.append(kill)
    return _verdict(mutant, "killed", began, ran, kills)


def _kill(failure: Failure, killer: Killer) -> Kill | None:
    """Where the failure went through the assertion that tells; None if it did not."""
    telling = next((frame for frame in failure.frames if killer.assertion in frame.statement), None)
    return Kill(failure.test, telling.at, telling.statement, failure.said) if telling else None


def _why(killer: Killer, red: Sequence[Failure]) -> str:
    if not red:
        return f"{killer.test} stayed green."
    last = red[0].frames[-1]
    return f"{killer.test} failed at {last.at} ({last.statement}: {red[0].said}), not by {killer.assertion!r}."


def _is_of(test: str, named: str) -> bool:
    """Whether a test is the named one, or one of its parameters."""
    return test == named or test.startswith(f"{named}[")


def _verdict(
    mutant: Mutant,
    outcome: Outcome,
    began: float,
    ran: Ran | None = None,
    kills: Sequence[Kill] = (),
    why: str | None = None,
) -> Verdict:
    killing = {kill.test for kill in kills}
    return Verdict(
        name=mutant.name,
        invariant=mutant.invariant,
        breaks=mutant.breaks,
        outcome=outcome,
        killers=list(kills),
        others=[failure.test for failure in ran.failures if failure.test not in killing] if ran else [],
        stayed_green=[] if ran is None else ran.passed,
        seconds=round(monotonic() - began, 1),
        why=why,
    )
