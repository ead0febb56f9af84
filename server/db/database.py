"""The one transaction boundary.

A use case is a function of a `Transaction`; `Database.write` runs it, retries what a deadlock or a serialisation
failure undid, and runs its after-commit calls only once the commit is durable. `Database.read` gives one snapshot.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import msgspec

from server.db.nudges import Nudges

T = TypeVar("T")

# A unique violation is two transactions creating the same thing at once: the second run sees what the first made.
_RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError)
_ATTEMPTS = 6
# The version that jsonb begins with where it travels in binary, as COPY wants it.
_JSONB = b"\x01"

Connection = asyncpg.Connection
Row = Mapping[str, Any]


class Outrun(Exception):
    """A newer registry was published than the one that a transaction places items by."""


class Transaction:
    """A connection inside a transaction, and what is to happen once it has committed."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.moved: dict[str, int] = {}
        """The streams, {key: id}, whose heads it moves."""
        self.registry: int | None = None
        """The registry version that it places items by: if it is not the current one any more, nothing is committed."""
        self._after_commit: list[Callable[[], Awaitable[None]]] = []

    def places_by(self, registry: int) -> None:
        """Items are placed by this registry version. Where several were in use the first one tells."""
        if self.registry is None:
            self.registry = registry

    def after_commit(self, call: Callable[[], Awaitable[None]]) -> None:
        """Have `call` awaited after the commit; never if it is rolled back."""
        self._after_commit.append(call)

    async def committed(self) -> None:
        """Run the after-commit calls in the order they were given."""
        for call in self._after_commit:
            await call()


async def prepare_connection(connection: Connection) -> None:
    """Let jsonb columns carry plain Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: _JSONB + msgspec.json.encode(value),
        decoder=lambda value: msgspec.json.decode(value[len(_JSONB) :]),
        format="binary",
    )


async def _leave_as_it_is(_: Connection) -> None:
    """Nobody here changes a connection for longer than a transaction, so no round trip is spent on undoing it."""


class Database:
    """A pool of connections to the city's database."""

    def __init__(self, pool: asyncpg.Pool, nudges: Nudges) -> None:
        self.pool = pool
        self._nudges = nudges
        self._hearers: list[Callable[[Mapping[str, int]], None]] = [nudges.send]
        self._catch_up: Callable[[], Awaitable[None]] | None = None

    @classmethod
    async def connect(cls, url: str, *, size: int = 10) -> Database:
        """Open a pool of at most `size` connections; raises OSError or asyncpg errors if it cannot."""
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            init=prepare_connection,
            reset=_leave_as_it_is,
            server_settings={"timezone": "UTC"},
        )
        return cls(pool, Nudges(url))

    async def close(self) -> None:
        """Wait for what is running and close every connection."""
        await self._nudges.close()
        await self.pool.close()

    def when_moved(self, call: Callable[[Mapping[str, int]], None]) -> None:
        """Have `call` told the streams, {key: id}, that each commit of this process moved, as soon as it is durable."""
        self._hearers.append(call)

    def when_outrun(self, call: Callable[[], Awaitable[None]]) -> None:
        """Have `call` read the registry anew before what was decided by an older one is decided once more."""
        self._catch_up = call

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one READ COMMITTED transaction, again from the start if the database undid it.

        So it does where the registry is outrun that `work` places items by.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return await self._write_once(work)
            except Outrun:
                if attempt == _ATTEMPTS - 1 or self._catch_up is None:
                    raise
                await self._catch_up()
            except _RETRIED:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))
        raise AssertionError("unreachable")

    async def _write_once(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self.pool.acquire() as connection:
            transaction = Transaction(connection)  # pyright: ignore[reportArgumentType] a pool proxy is a connection
            async with connection.transaction():
                result = await work(transaction)
        if transaction.moved:
            for hearer in self._hearers:
                hearer(transaction.moved)
        await transaction.committed()
        return result

    @asynccontextmanager
    async def single(self) -> AsyncGenerator[Connection]:
        """A connection for one statement, which is a transaction of its own."""
        async with self.pool.acquire() as connection:
            yield connection  # pyright: ignore[reportReturnType]

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """One read-only snapshot: everything read inside belongs to the same instant."""
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection  # pyright: ignore[reportReturnType]


def to_json(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for `jsonb_to_recordset`: bytes become PostgreSQL's hex text, the rest is what msgspec writes."""
    return [{k: hexed(v) if isinstance(v, bytes) else v for k, v in row.items()} for row in rows]


def hexed(value: bytes | None) -> str | None:
    """Bytes as PostgreSQL's hex text."""
    return None if value is None else f"\\x{value.hex()}"
