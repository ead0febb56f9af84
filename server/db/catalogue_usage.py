"""By which versions of the catalogue devices write, and items were written."""

from __future__ import annotations

from server.db.database import Connection, Row
from server.db.named import sql


async def devices_by_catalogue(connection: Connection) -> list[Row]:
    """catalogue, devices, last: of devices in use by what they last said, null where they have not said it."""
    return await connection.fetch(sql("devices_by_catalogue"))


async def revisions_by_catalogue(connection: Connection) -> list[Row]:
    """catalogue, changes, last: of the whole history."""
    return await connection.fetch(sql("revisions_by_catalogue"))


async def held_by_catalogue(connection: Connection) -> int:
    """How many sets are held because their version is not read."""
    return int(await connection.fetchval(sql("held_by_catalogue")) or 0)
