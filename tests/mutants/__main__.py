"""`python -m tests.mutants`: breaks sync in every way that the catalogue knows, and looks which test notices."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import msgspec

from tests.mutants.catalogue import MUTANTS
from tests.mutants.judging import Verdict, judge, not_green
from tests.mutants.mutant import Mutant

_ABOUT = """\
Breaks a copy of the project by one patch at a time (tests/mutants/patches) and runs the tests that must notice.
A mutant is killed where each of its tests fails by the assertion that tells the invariant; a test that fails for
another reason kills nothing. Before that, all these tests must be green without any patch.

The project itself is not touched. Tests need what they always need: nothing but this virtual environment."""
_EXITS = "Exit: 0 all killed; 1 one survived, a patch is stale, or a test is red without any; 2 wrong usage."


def main() -> int:
    """0 where every mutant was killed."""
    wish = _arguments()
    began = monotonic()
    mutants = [mutant for mutant in MUTANTS if not wish.only or mutant.name in wish.only]
    if (trouble := None if wish.unproved else not_green(mutants)) is not None:
        sys.stderr.write(f"{trouble}\n")
        return 1
    with ThreadPoolExecutor(wish.jobs) as pool:
        verdicts = [_told(verdict) for verdict in pool.map(judge, mutants)]
    seconds = round(monotonic() - began, 1)
    sys.stdout.write(_document(verdicts, seconds) if wish.json else _table(verdicts, seconds))
    return 0 if all(verdict.outcome == "killed" for verdict in verdicts) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=_ABOUT,
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help="this mutant alone; may be given again"
    )
    parser.add_argument("--jobs", type=_jobs, default=1, metavar="N", help="how many are tried at once (1)")
    parser.add_argument("--unproved", action="store_true", help="do not look first whether the tests are green")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    parser.add_argument("--list", action="version", version=_listed(MUTANTS), help="name all mutants and end")
    return parser.parse_args()


def _jobs(text: str) -> int:
    if not 1 <= int(text) <= 16:
        raise argparse.ArgumentTypeError("between 1 and 16")
    return int(text)


def _told(verdict: Verdict) -> Verdict:
    """Progress, one line a mutant."""
    by = f"at {verdict.killers[0].at}" if verdict.outcome == "killed" else verdict.why
    sys.stderr.write(f"{verdict.invariant:4}{verdict.name}: {verdict.outcome} {by} ({verdict.seconds} s)\n")
    return verdict


def _table(verdicts: Sequence[Verdict], seconds: float) -> str:
    lines: list[str] = []
    for verdict in verdicts:
        lines.append(f"{verdict.invariant:4}{verdict.name}: {verdict.outcome}. {verdict.breaks}")
        lines += [f"      {kill.at}  {kill.statement}" for kill in verdict.killers]
        lines += [f"      also red: {test}" for test in verdict.others]
        lines += [f"      {verdict.why}"] if verdict.why else []
    counts = {one: sum(verdict.outcome == one for verdict in verdicts) for one in ("killed", "survived", "stale")}
    return "\n".join([*lines, f"{', '.join(f'{count} {one}' for one, count in counts.items())}; {seconds} s", ""])


def _document(verdicts: Sequence[Verdict], seconds: float) -> str:
    document = {
        "mutants": verdicts,
        **{one: sum(verdict.outcome == one for verdict in verdicts) for one in ("killed", "survived", "stale")},
        "seconds": seconds,
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def _listed(mutants: Sequence[Mutant]) -> str:
    return "\n".join(f"{mutant.invariant:4}{mutant.name}" for mutant in mutants)


if __name__ == "__main__":
    sys.exit(main())
