"""The way into the job queue, which lives in tables of its own in the same database.

A job is only a hint that there is work: what is to be done stands in the product's tables, and a sweep finds what no
job was left for. So a job is enqueued after the commit that made the work, on another connection, and may be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg
import structlog

from server.db.lost import LOST

if TYPE_CHECKING:
    from pgqueuer.adapters.persistence.queries import Queries

log = structlog.get_logger()

CHANNEL = "ch_pgqueuer"
"""The channel that the queue's own trigger notifies."""

_SECONDS_TO_CLOSE = 3.0

NAMES = {
    "channel": CHANNEL,
    "function": "fn_pgqueuer_changed",
    "trigger": "tg_pgqueuer_changed",
    "queue_table": "pgqueuer",
    "queue_table_log": "pgqueuer_log",
    "queue_status_type": "pgqueuer_status",
    "schedules_table": "pgqueuer_schedules",
    "statistics_table": "pgqueuer_statistics",
}
"""What the migration called the queue's parts."""


class JobQueue:
    """Puts jobs into the queue, and gives a worker the library's access to it.

    The connections are the queue's own: the library writes JSON as text, where the product's connections take values.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._queries: Queries | None = None

    @classmethod
    async def connect(cls, url: str, *, size: int = 1) -> JobQueue:
        """At most `size` connections, opened when first needed; a worker needs 2 or more."""
        return cls(await asyncpg.create_pool(url, min_size=0, max_size=size))

    async def close(self) -> None:
        """Wait for what is running and close the connections; one that is never given back is cut off."""
        try:
            await asyncio.wait_for(self._pool.close(), _SECONDS_TO_CLOSE)
        except TimeoutError:
            self._pool.terminate()

    async def enqueue(self, job: str, keys: Sequence[str]) -> None:
        """Ask for `job` to be run once for each key; one that waits or runs already is not asked for again.

        Never raises for a database that does not answer: the work is found by the sweep.
        """
        if not keys:
            return
        try:
            await self.queries().enqueue(
                [job] * len(keys),
                [key.encode() for key in keys],
                [0] * len(keys),
                dedupe_key=[f"{job} {key}" for key in keys],
                on_conflict="skip",
            )
        except LOST as error:
            log.warning("job_not_enqueued", job=job, count=len(keys), error=type(error).__name__)

    def queries(self) -> Queries:
        """The library's own access to the queue."""
        if self._queries is None:
            self._queries = _queries(self._pool)
        return self._queries


def _queries(pool: asyncpg.Pool) -> Queries:
    # Imported at first use: a server process that never takes a photo does without its 14 MB.
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
    from pgqueuer.adapters.persistence import qb
    from pgqueuer.adapters.persistence.queries import Queries
    from pgqueuer.domain.settings import DBSettings

    # Given one by one, since the library would take a name from any environment variable such as QUEUE_TABLE.
    names = DBSettings.model_validate({"prefix": "", "db_schema": None} | NAMES)
    return Queries(
        AsyncpgPoolDriver(pool),
        qb.QueryBuilderEnvironment(names),
        qb.QueryQueueBuilder(names),
        qb.QuerySchedulerBuilder(names),
    )
