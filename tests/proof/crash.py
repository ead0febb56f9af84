"""`python -m tests.proof.crash`: kills server and database under load, round after round, and looks what is left.

    write on every phone -> one request of each at once -> kill -9 -> start again -> check -> send the rest -> check

Phones are reference devices with a ledger beside them. A round counts as *unanswered* if a set had been committed whose
receipt no phone had read when everything was down: there, and only there, exactly-once is more than a word.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import httpx
import msgspec
from msgspec import Struct

from server.db.database import Database
from server.embedded.part import Part
from server.sealing import Keyring
from server.services import open_services
from server.simulate.ledger import Ledger
from server.simulate.look_sql import Beginning, SqlView
from tests import builders
from tests.proof import crash_checks as checks
from tests.proof.crew import Heard, Unexpected, Walker, walkers
from tests.proof.house import House, standing

Victims = Literal["postgresql", "a worker", "all workers", "everything"]
Moment = Literal["any", "committed"]

_WORKERS = 2
_SETS = 4
"""What each phone writes for a round; a request is decided set by set, so a kill finds some of them committed."""

_LONGEST_WAIT = 0.15
_PATIENCE = 60.0
# Of ten rounds; a server process takes a second or two to come back, the database much less.
_MIX: tuple[Victims, ...] = ("postgresql",) * 6 + ("a worker", "all workers", "everything", "everything")


class Report(Struct, frozen=True):
    """What a run did and what it found wrong; `findings` is to be empty.

    `killed`: rounds by what died, `processes`: how many `kill -9` there were. `unanswered`: rounds in which a kill came
    between a commit and its receipt, also by what died, and `unanswered_sets` of how many sets. `heard`: how the
    requests ended that were on their way. `shown`: what the database says of its own durability.
    """

    seed: int
    rounds: int
    seconds: float
    killed: dict[str, int]
    processes: int
    unanswered: int
    unanswered_by: dict[str, int]
    unanswered_sets: int
    heard: dict[str, int]
    sets: int
    changes: int
    receipts: int
    items: int
    shown: dict[str, str]
    findings: list[str]


class Scene(NamedTuple):
    """What a run works with."""

    house: House
    crew: list[Walker]
    ledger: Ledger
    keyring: Keyring
    began: Beginning


def prove(rounds: int, seed: int, tell: Callable[[str], None]) -> Report:
    """Run so many rounds on a fresh data folder, and stop at the first that finds something."""
    with tempfile.TemporaryDirectory(prefix="onegrid-crash-") as folder, standing(Path(folder, "data"), _WORKERS) as up:
        return asyncio.run(_run(up, rounds, seed, tell))


async def _run(house: House, rounds: int, seed: int, tell: Callable[[str], None]) -> Report:
    began, tally = time.monotonic(), _Tally()
    async with _scene(house, seed) as scene:
        rng = random.Random(seed)
        findings: list[str] = []
        while tally.rounds < rounds and not findings:
            try:
                findings = await _round(scene, rng, tally)
            except Unexpected as unexpected:
                findings = [str(unexpected), *_log(house)[-30:]]
            tell(f"{tally.last}; {tally.unanswered.total()} rounds unanswered so far, {len(findings)} findings")
        if not findings:
            findings = await checks.receipts_are_told_again(scene.crew)
        async with _looking(house) as truth:
            shown = await _shown(truth)
            findings += [f"I1: {name} is {value}" for name, value in shown.items() if value != "on"]
            findings += await checks.commits_waited_for_the_disk(truth)
            findings += checks.errors_of_its_own(_log(house))
            items: int = await truth.fetchval("SELECT count(*) FROM item")
        return Report(
            seed=seed,
            rounds=tally.rounds,
            seconds=round(time.monotonic() - began, 1),
            killed=dict(tally.killed),
            processes=tally.processes,
            unanswered=tally.unanswered.total(),
            unanswered_by=dict(tally.unanswered),
            unanswered_sets=tally.unanswered_sets,
            heard=dict(tally.heard),
            sets=scene.ledger.sets,
            changes=len(scene.ledger.changes),
            receipts=sum(len(walker.receipts) for walker in scene.crew),
            items=items,
            shown=shown,
            findings=findings,
        )


class _Tally:
    """What happened so far."""

    def __init__(self) -> None:
        self.rounds = self.processes = self.unanswered_sets = 0
        self.killed: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.heard: Counter[str] = Counter()
        self.last = ""

    def note(self, victims: Victims, moment: Moment, processes: int, heard: Sequence[Heard], unread: int) -> None:
        self.rounds += 1
        self.processes += processes
        self.unanswered[victims] += unread > 0
        self.unanswered_sets += unread
        self.killed[victims] += 1
        self.heard.update(heard)
        self.last = f"round {self.rounds}: {victims} ({moment}), {unread} sets committed and not answered"


# One round -------------------------------------------------------------------------------------------------


async def _round(scene: Scene, rng: random.Random, tally: _Tally) -> list[str]:
    victims, moment = rng.choice(_MIX), rng.choice(("any", "committed", "committed"))
    for walker in scene.crew:
        walker.write(_SETS)
    house = scene.house
    parts = {
        "postgresql": [house.postgres],
        "a worker": [rng.choice(house.workers)],
        "all workers": house.workers,
        "everything": [*house.workers, house.postgres],
    }[victims]
    heard, processes = await _kill_under_load(scene, parts, moment, rng.uniform(0, _LONGEST_WAIT))
    await asyncio.to_thread(_start, house, parts)
    async with _looking(house) as truth:
        tally.note(victims, moment, processes, heard, await _unread(truth, scene.crew))
        findings = await _look(truth, scene.crew)
        await _send_the_rest(scene.crew)
        findings += await _look(truth, scene.crew)
        async with _view(scene.house, scene.keyring) as view:
            return findings + await checks.at_rest(truth, view, scene.began, scene.ledger, scene.crew)


async def _kill_under_load(scene: Scene, parts: Sequence[Part], moment: Moment, wait: float) -> tuple[list[Heard], int]:
    """One request of each phone, and the kill among them; what each heard, and how many processes died."""
    async with _looking(scene.house) as truth:
        before = await checks.last_numbers(truth)
        requests = [asyncio.create_task(walker.try_once()) for walker in scene.crew]
        if moment == "any":
            await asyncio.sleep(wait)
        else:
            await _until_something_committed(truth, before, requests)
        processes = scene.house.kill(*parts)
    async with asyncio.timeout(_PATIENCE):
        return await asyncio.gather(*requests), processes


async def _until_something_committed(
    truth: asyncpg.Connection, before: dict[UUID, int], requests: Sequence[asyncio.Task[Heard]]
) -> None:
    """Until another connection sees that a set was committed; its request is still being answered."""
    while await checks.last_numbers(truth) == before and not all(request.done() for request in requests):
        pass


async def _unread(truth: asyncpg.Connection, crew: Sequence[Walker]) -> int:
    """How many sets the database has decided whose receipts no phone has read."""
    numbers = await checks.last_numbers(truth)
    return sum(max(0, numbers.get(walker.device_id, 0) - len(walker.receipts)) for walker in crew)


async def _look(truth: asyncpg.Connection, crew: Sequence[Walker]) -> list[str]:
    return [*await checks.receipts_are_there(truth, crew), *await checks.effects_are_single(truth)]


async def _send_the_rest(crew: Sequence[Walker]) -> None:
    """Twice: what the one sends in the first course, the others pull in the second."""
    for _ in range(2):
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*(walker.sync() for walker in crew))


def _log(house: House) -> list[str]:
    """What the server processes said, which goes with the folder."""
    return (house.folder.logs / "server.log").read_text(errors="replace").splitlines()


# What stands around ----------------------------------------------------------------------------------------


def _start(house: House, parts: Sequence[Part]) -> None:
    house.start(*parts)


@asynccontextmanager
async def _scene(house: House, seed: int) -> AsyncGenerator[Scene]:
    ledger = Ledger()
    async with httpx.AsyncClient(base_url=house.url, timeout=_PATIENCE, trust_env=False) as client:
        async with open_services(house.settings()) as services:
            await builders.build_city(services)
            crew = await walkers(services, client, seed, ledger)
        async with _looking(house) as truth:
            await truth.execute(checks.WATCH)
        async with _view(house, services.keyring) as view:
            began = await view.begin()
        yield Scene(house, crew, ledger, services.keyring, began)


@asynccontextmanager
async def _view(house: House, keyring: Keyring) -> AsyncGenerator[SqlView]:
    """Opened for one look: a pool that outlives its database complains."""
    database = await Database.connect(house.settings().database_url, size=1)
    try:
        yield SqlView(database, keyring)
    finally:
        await database.close()


@asynccontextmanager
async def _looking(house: House) -> AsyncGenerator[asyncpg.Connection]:
    """A connection that is not the server's; the database may just have been started, or be dead by the end."""
    connection = await _connected(house.settings().database_url)
    try:
        yield connection
    finally:
        connection.terminate()


async def _connected(url: str) -> asyncpg.Connection:
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                return await asyncpg.connect(url)
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.01)


async def _shown(truth: asyncpg.Connection) -> dict[str, str]:
    names = ("fsync", "synchronous_commit", "full_page_writes")
    return {name: await truth.fetchval(f"SHOW {name}") for name in names}


# The command -----------------------------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.proof.crash",
        description="Kills server processes and PostgreSQL with SIGKILL under the load of four phones, starts them "
        "again on the same data folder, and checks after each round that no receipt is gone, that no change took "
        "effect twice, and that every phone converges. Works in a temporary folder, on the loopback alone.",
        epilog="example: python -m tests.proof.crash --rounds 200 --json    exit status: 0 nothing found, 1 something, "
        "2 wrong usage. A run is replayed by its seed, as far as the machine's timing lets it.",
    )
    parser.add_argument("--rounds", type=_positive, default=200, help="kills, each followed by all checks (200)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="what to write and what to kill")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout; progress goes to stderr")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def main() -> int:
    """Run, print, and say by the status whether anything was found."""
    wish = _arguments()
    report = prove(wish.rounds, wish.seed, lambda said: print(said, file=sys.stderr, flush=True))
    if wish.json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        for name, value in msgspec.structs.asdict(report).items():
            print(f"{name:16} {value}")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
