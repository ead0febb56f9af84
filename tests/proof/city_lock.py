"""`python -m tests.proof.city_lock`: whether anything in a push makes the whole city wait for one flush.

Every flush of the write-ahead log is made to last some milliseconds longer. One phone then pushes as fast as flushes
let it. Phones in other grids share flushes with it, unless a lock that is held to the commit puts them in a row: then
all of them together are no faster than the one.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import msgspec
from msgspec import Struct

from server.bench.exchange.pushing import PRODUCT, Pusher, check_all, push_all
from server.bench.exchange.town import enrol, lay_out
from server.services import Services, open_services
from tests.proof.house import House, standing

TIMES = 5.0
"""How many times the rate of one writer all of them must reach."""

_WORKERS = 2
_MOST_FLUSH_MS = 100


class Report(Struct, frozen=True):
    """Change sets a second, of one record each, over HTTP; `flush_ms`: by how much each flush was held up.

    `one_alone` is measured before and after all others, of which the better counts.
    """

    flush_ms: int
    writers: int
    sets: int
    one_alone: float
    all_together: float
    times: float
    enough: bool


def prove(writers: int, sets: int, flush_ms: int, tell: Callable[[str], None]) -> Report:
    """Measure both rates on a fresh data folder. Raises Void if a set was not applied."""
    with tempfile.TemporaryDirectory(prefix="onegrid-lock-") as folder, standing(Path(folder, "data"), _WORKERS) as up:
        return asyncio.run(_measure(up, writers, sets, flush_ms, tell))


async def _measure(house: House, writers: int, sets: int, flush_ms: int, tell: Callable[[str], None]) -> Report:
    async with open_services(house.settings()) as services:
        pushers = await _pushers(services, writers, house.port)
    tell(f"{writers} phones are warm")
    await slow_flushes(house.owner_url(), flush_ms)
    before = await _rate(house.port, pushers[:1], sets)
    tell(f"one alone: {before:.0f} sets a second")
    together = await _rate(house.port, pushers, sets)
    tell(f"all together: {together:.0f}")
    alone = max(before, await _rate(house.port, pushers[:1], sets))
    times = round(together / alone, 2)
    return Report(flush_ms, writers, sets, round(alone, 1), round(together, 1), times, times >= TIMES)


async def _pushers(services: Services, writers: int, port: int) -> list[Pusher]:
    """A phone in each grid; none shares a stream with another."""
    await lay_out(services, writers)
    phones = await enrol(services, "grid_chief", [(number,) for number in range(writers)])
    pushers = [Pusher(phone, f"city lock {place}", 1) for place, phone in enumerate(phones)]
    for pusher in pushers:
        await pusher.warm(port)
    return pushers


async def _rate(port: int, pushers: list[Pusher], sets: int) -> float:
    """Sets a second; they are made before and checked after."""
    work = [pusher.make(sets) for pusher in pushers]
    began = time.perf_counter()
    answers = await push_all(port, PRODUCT, work)
    seconds = time.perf_counter() - began
    check_all(work, answers)
    return len(pushers) * sets / seconds


async def slow_flushes(owner_url: str, milliseconds: int) -> None:
    """Have every flush wait before it writes; whoever commits meanwhile is written with it."""
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute("ALTER SYSTEM SET commit_siblings = 0")
        await owner.execute(f"ALTER SYSTEM SET commit_delay = {1000 * milliseconds}")
        await owner.execute("SELECT pg_reload_conf()")
        while await owner.fetchval("SHOW commit_delay") != str(1000 * milliseconds):
            pass
    finally:
        await owner.close()


# The command -----------------------------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.proof.city_lock",
        description="Makes every flush of the database's log slow, then measures how many change sets a second one "
        "phone pushes, and how many phones in distinct grids push together, against two server processes. Works in a "
        "temporary folder, on the loopback alone.",
        epilog=f"example: python -m tests.proof.city_lock --json    exit status: 0 all together are at least {TIMES:g} "
        "times as fast as the one, 1 they are not, 2 wrong usage. Where processors are few or busy everybody waits for "
        "them and not for flushes: then say more for --flush-ms.",
    )
    parser.add_argument("--writers", type=_within(2, 200), default=32, help="phones, each in a grid of its own (32)")
    parser.add_argument("--sets", type=_within(1, 10_000), default=60, help="change sets of each phone (60)")
    parser.add_argument("--flush-ms", type=_within(0, _MOST_FLUSH_MS), default=5, help="how slow a flush is (5)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout; progress goes to stderr")
    return parser.parse_args()


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"from {least} to {most}")
        return int(text)

    return number


def main() -> int:
    """Measure, print, and say by the status whether it is enough."""
    wish = _arguments()
    say: Callable[[str], None] = lambda said: print(said, file=sys.stderr, flush=True)  # noqa: E731
    report = prove(wish.writers, wish.sets, wish.flush_ms, say)
    if wish.json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        for name, value in msgspec.structs.asdict(report).items():
            print(f"{name:14} {value}")
    return 0 if report.enough else 1


if __name__ == "__main__":
    sys.exit(main())
