"""The way into the job queue."""

from __future__ import annotations

import asyncio

from server.db.job_queue import JobQueue


async def test_it_closes_although_a_connection_is_never_given_back(database_url: str) -> None:
    queue = await JobQueue.connect(database_url, size=2)
    await queue._pool.acquire()
    async with asyncio.timeout(10):
        await queue.close()
