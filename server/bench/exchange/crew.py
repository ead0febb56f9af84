"""The processes that play the phones, apart from the bench and from what is measured."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any, NamedTuple

import asyncpg
import uvloop

from schemas.wire import Cursor
from server.bench.exchange.evening import Evening, come_home
from server.bench.exchange.pushing import CEILING, PRODUCT, Pusher, Ready, Void, check_all, push_all
from server.bench.exchange.reading import Pulled, Reader, ask_often
from server.bench.exchange.table import BY_NOBODY, upsert
from server.bench.exchange.town import Phone
from server.db.database import prepare_connection


class Span(NamedTuple):
    """From when to when (monotonic, seconds) so much was done."""

    began: float
    ended: float
    done: int


def rate(spans: Sequence[Span]) -> float:
    """How much all processes together did in a second."""
    return sum(one.done for one in spans) / (max(one.ended for one in spans) - min(one.began for one in spans))


class Crew:
    """Some processes with a share of the phones each; they do the same at the same time."""

    def __init__(self, pipes: Sequence[Any]) -> None:
        self._pipes = pipes

    def do(self, what: str, *arguments: Any) -> list[Any]:
        """Have every process do it; what each says. Raises Void."""
        for pipe in self._pipes:
            pipe.send((what, arguments))
        said = [pipe.recv() for pipe in self._pipes]
        for one in said:
            if isinstance(one, Void):
                raise one
        return said


@contextmanager
def pushing(phones: Sequence[Phone], seed: str, records: int, processes: int) -> Generator[Crew]:
    """A crew whose phones push sets of so many records."""
    spawning = multiprocessing.get_context("spawn")
    pipes: list[Any] = []
    crew: list[Any] = []
    try:
        for place in range(processes):
            pipe, theirs = spawning.Pipe()
            share = list(phones[place::processes])
            one = spawning.Process(target=_work, args=(share, f"{seed}/{place}", records, theirs), daemon=True)
            one.start()
            theirs.close()
            pipes.append(pipe)
            crew.append(one)
        yield Crew(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for one in crew:
            one.join(timeout=5)
            one.kill()


def _work(phones: list[Phone], seed: str, records: int, pipe: Connection) -> None:
    hand = _Hand([Pusher(phone, f"{seed}/{place}", records) for place, phone in enumerate(phones)], seed)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        while True:
            try:
                what, arguments = pipe.recv()
            except EOFError:
                return
            try:
                said = runner.run(getattr(hand, what)(*arguments))
            except* (Void, OSError) as failed:
                said = Void("; ".join(f"{type(one).__name__}: {one}" for one in failed.exceptions))
            pipe.send(said)


class _Hand:
    """What one process can be told to do."""

    def __init__(self, pushers: Sequence[Pusher], seed: str) -> None:
        self._pushers, self._seed = pushers, seed
        self._work: list[list[Ready]] = []
        self._spare: list[list[Ready]] = []

    async def warm(self, port: int) -> None:
        """Begin: see `Pusher.warm`."""
        await asyncio.gather(*(one.warm(port) for one in self._pushers))

    async def make(self, sets: int, spare: int) -> None:
        """Make the sets of the next round, before any clock runs; `spare`: so many more for all but the product."""
        self._work = [one.make(sets) for one in self._pushers]
        self._spare = [one.spare(spare) for one in self._pushers]
        gc.collect()
        gc.freeze()

    async def push(self, port: int) -> Span:
        """Push the round's sets to the product."""
        return await self._pushed(port, PRODUCT, self._work)

    async def push_ceiling(self, port: int) -> Span:
        """Push them, and the spare ones, to the ceiling."""
        return await self._pushed(port, CEILING, self._all())

    async def _pushed(self, port: int, path: str, work: list[list[Ready]]) -> Span:
        began = monotonic()
        answers = await push_all(port, path, work)
        ended = monotonic()
        check_all(work, answers)
        return Span(began, ended, _records(work))

    def _all(self) -> list[list[Ready]]:
        return [[*own, *spare] for own, spare in zip(self._work, self._spare, strict=True)]

    async def pull(self, port: int, path: str, cursors: dict[str, Cursor]) -> tuple[Span, Pulled]:
        """Every phone pulls everything from the beginning; what all of them were given together."""
        began = monotonic()
        readers = [Reader(one.phone, cursors) for one in self._pushers]
        pulled = await asyncio.gather(*(one.pull(port, path) for one in readers))
        entries = sum(one.entries for one in pulled)
        given = Pulled(entries, sum(one.body_bytes for one in pulled), sum(one.pages for one in pulled))
        return Span(began, monotonic(), entries), given

    async def poll(self, port: int, request: bytes, links: int, times: int) -> Span:
        """Ask whether there is anything new, over some connections, each so many times."""
        began = monotonic()
        await ask_often(port, request, links, times)
        return Span(began, monotonic(), links * times)

    async def come_home(self, port: int, seconds: float) -> Evening:
        """Every phone once within these seconds."""
        return await come_home([one.phone for one in self._pushers], port, seconds, self._seed)

    async def bare(self, url: str) -> Span:
        """The ceiling's statement with the same rows, straight on the database; as it encodes them, so does this."""
        waiting = [ready for sets in zip(*self._all(), strict=True) for ready in sets]
        connection = await _bare_connection(url)
        try:
            statement = await connection.prepare(upsert(BY_NOBODY))
            began = monotonic()
            for ready in waiting:
                await statement.fetch(ready.rows)
            return Span(began, monotonic(), _records(self._all()))
        finally:
            await connection.close()


def _records(work: list[list[Ready]]) -> int:
    return sum(ready.records for sets in work for ready in sets)


async def _bare_connection(url: str) -> Any:
    connection = await asyncpg.connect(url)
    await prepare_connection(connection)
    return connection
