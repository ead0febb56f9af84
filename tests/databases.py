"""Databases that tests make beside the one they are given."""

import asyncpg


async def drop_database(connection: asyncpg.Connection, name: str) -> None:
    """Drop a database, ending whoever is still connected to it.

    Not by FORCE: that may not end the database's own vacuum worker, which belongs to the superuser; a plain drop
    waits for that one.
    """
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = current_user", name
    )
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
