"""An exchange that stops before one of its statements, its transaction open, until it is let go.

    halt = Halt(7)
    exchanging = asyncio.create_task(exchange(halting(services, halt), caller, request, sets, "json"))
    await halt.reached.wait()
    ...                                  # what others do meanwhile
    halt.let_go.set()

Statements are counted over all transactions of the exchange, and the commit of each that writes counts as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from server.db.database import Connection, Database, Transaction
from server.db.named import _STATEMENTS
from server.services import Services

T = TypeVar("T")
COMMIT = "COMMIT"
_ASKING = ("execute", "executemany", "fetch", "fetchrow", "fetchval")
_NAMES = {text: name for name, text in _STATEMENTS.items()}
_BEGINNINGS = {text.partition("{")[0]: name for text, name in _NAMES.items() if "{" in text}


class Halt:
    """Where to stop: before statement number `at`, from 1 on, or before the first of a name.

    `passed`: the names of those that it came to. `connection`: the one that it last came to something on.
    """

    connection: Connection

    def __init__(self, at: int | None = None, before: str | None = None) -> None:
        self._at, self._before = at, before
        self.passed: list[str] = []
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    async def come_to(self, statement: str, connection: Connection) -> None:
        """Count the statement, and stand before it if it is the one."""
        self.connection = connection
        self.passed.append(_named(statement))
        here = len(self.passed) == self._at or self.passed[-1] == self._before
        if here and not self.reached.is_set():
            self.reached.set()
            await self.let_go.wait()

    async def stands_or(self, task: asyncio.Task[Any]) -> bool:
        """Wait until it stands, or the task has ended without coming there; whether it stands."""
        reaching = asyncio.create_task(self.reached.wait())
        await asyncio.wait([reaching, task], return_when=asyncio.FIRST_COMPLETED)
        reaching.cancel()
        return self.reached.is_set()


def _named(statement: str) -> str:
    """What it is called in `queries/`: also where others were put into it."""
    begun = [beginning for beginning in _BEGINNINGS if beginning and statement.startswith(beginning)]
    return _NAMES.get(statement) or (_BEGINNINGS[max(begun, key=len)] if begun else statement)


def halting(services: Services, halt: Halt) -> Services:
    """The same services with a database whose connections come to the halt."""
    return replace(services, database=_HaltingDatabase(services.database, halt))


class _HaltingConnection:
    """A connection that comes to the halt before each statement."""

    def __init__(self, connection: Connection, halt: Halt) -> None:
        self._connection, self._halt = connection, halt

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._connection, name)
        if name not in _ASKING:
            return call

        async def asked(statement: str, *arguments: Any, **more: Any) -> Any:
            await self._halt.come_to(statement, self._connection)
            return await call(statement, *arguments, **more)

        return asked


class _HaltingDatabase(Database):
    def __init__(self, database: Database, halt: Halt) -> None:
        self._database, self._halt = database, halt
        self.pool = database.pool

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async def halted(tx: Transaction) -> T:
            bare = tx.connection
            tx.connection = self._wrapped(bare)
            result = await work(tx)
            await self._halt.come_to(COMMIT, bare)
            return result

        return await self._database.write(halted)

    @asynccontextmanager
    async def single(self) -> AsyncGenerator[Connection]:
        async with self._database.single() as connection:
            yield self._wrapped(connection)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        async with self._database.read() as connection:
            yield self._wrapped(connection)

    def _wrapped(self, connection: Connection) -> Connection:
        return _HaltingConnection(connection, self._halt)  # type: ignore[return-value]
