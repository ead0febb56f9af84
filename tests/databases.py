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


def copying(template: str, name: str) -> str:
    """The statement that makes a database as a copy of another, to which nobody is connected.

    Files are copied as they are: by way of the log it takes twice as long, and longer once more to drop the copy.
    """
    return f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'
