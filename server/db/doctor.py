"""What the doctor asks of the database: one row of facts for each thing that he looks at."""

from __future__ import annotations

from server.db.database import Connection, Row
from server.db.named import sql


async def database_settings(connection: Connection) -> Row:
    """version, encoding, fsync, full_page_writes, synchronous_commit, autovacuum, connections, clock and more."""
    return await _one(connection, "database_settings")


async def unvacuumed_tables(connection: Connection) -> list[Row]:
    """name, dead: tables of which more than half is dead."""
    return await connection.fetch(sql("unvacuumed_tables"))


async def last_backups(connection: Connection) -> Row:
    """made, proved: when a backup was last made, and last restored as a proof; null for never."""
    return await _one(connection, "last_backups")


async def oldest_unsafe_set(connection: Connection) -> Row:
    """at: since when the oldest set waits to be in a verified backup; null where all are."""
    return await _one(connection, "oldest_unsafe_set")


async def work_of_jobs(connection: Connection) -> Row:
    """last_run, oldest_queued, failed, oldest_unchecked."""
    return await _one(connection, "work_of_jobs")


async def sampled_streams(connection: Connection, number: int) -> list[Row]:
    """key, digest, head of some streams, and what their entries add up to: recomputed, reached."""
    return await connection.fetch(sql("sampled_streams"), number)


async def people_and_devices(connection: Connection) -> Row:
    """devices, silent, unsent, and the roles that somebody holds now."""
    return await _one(connection, "people_and_devices")


async def grids_past_their_last_day(connection: Connection) -> list[str]:
    """The codes of current grids whose last day is over, in the city's time."""
    return [row["code"] for row in await connection.fetch(sql("grids_past_their_last_day"))]


async def waiting_for_people(connection: Connection) -> Row:
    """held, held_since, conflicts, open_since."""
    return await _one(connection, "waiting_for_people")


async def _one(connection: Connection, name: str) -> Row:
    row = await connection.fetchrow(sql(name))
    assert row is not None
    return row
