"""`python -m tests.machine`: a long walk on services of its own, and a table of what happened."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg

from server.db.migrate import upgrade
from server.embedded.services import running
from tests.machine.table import is_enough, table
from tests.machine.walk import EPISODE, Walk, walk


def main() -> int:
    """0 where everything held and, of a long walk, happened often enough; else 1."""
    wish = _arguments()
    with tempfile.TemporaryDirectory(prefix="onegrid-machine-") as folder, running(Path(folder, "data")) as environ:
        asyncio.run(_template(environ["ONEGRID_DATABASE_URL"]))
        upgrade(environ["ONEGRID_DATABASE_URL"].rsplit("/", 1)[0] + "/machine_template")
        steps = EPISODE if wish.replay is not None else wish.steps
        seed = wish.replay if wish.replay is not None else wish.seed
        result = _walked(environ, steps, seed)
    return _report(result, as_json=wish.json)


def _walked(environ: dict[str, str], steps: int, seed: int) -> Walk:
    """A walk that is interrupted is told as far as its last whole episode."""
    told = [Walk(seeds=[seed])]

    def tell(so_far: Walk) -> None:
        told.append(replace(so_far))
        sys.stderr.write(f"seed {so_far.seeds[-1]}: {so_far.steps} steps, {so_far.seconds:.0f} s\n")

    try:
        return asyncio.run(walk(environ, "machine_template", steps, seed, tell))
    except KeyboardInterrupt:
        return replace(told[-1], fault="interrupted")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.machine",
        description="Many phones and a real server under everything that may happen between them. "
        f"A walk is made of episodes of {EPISODE} steps, each in a city of its own and with a seed of its own; "
        "what falls is told with that seed, its last steps and the server's log.",
        epilog="Exit status: 0 everything held; 1 an invariant fell, or of 10,000 steps and more something "
        "happened too rarely; 2 wrong usage.",
    )
    parser.add_argument("--steps", type=int, default=10_000, help="how many steps in all (default: 10000)")
    parser.add_argument("--seed", type=int, default=None, help="the first episode's seed (default: another each time)")
    parser.add_argument("--replay", type=int, default=None, metavar="SEED", help="one whole episode with this seed")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    wish = parser.parse_args()
    if wish.steps < 1:
        parser.error("--steps: at least 1")
    wish.seed = uuid4().int % 1_000_000 if wish.seed is None else wish.seed
    return wish


async def _template(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE machine_template")
    await connection.close()


def _report(result: Walk, *, as_json: bool) -> int:
    rare = is_enough(result)
    if as_json:
        counts = result.counts
        sys.stdout.write(
            json.dumps({
                "steps": result.steps, "seeds": result.seeds, "seconds": round(result.seconds, 1),
                "checks": counts.checks, "exchanges": counts.exchanges, "rules": counts.rules,
                "outcomes": counts.outcomes, "statuses": counts.statuses, "kinds": counts.kinds,
                "fault": result.fault, "rare": rare,
            }, ensure_ascii=False) + "\n"
        )  # fmt: skip
    else:
        sys.stdout.write(table(result, rare))
    return 1 if result.fault or rare else 0


if __name__ == "__main__":
    sys.exit(main())
