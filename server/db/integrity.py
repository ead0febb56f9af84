"""Looks for what foreign keys would have refused (docs/adr/0025)."""

from __future__ import annotations

from server.db.database import Connection
from server.db.named import sql


async def dangling(connection: Connection) -> dict[str, int]:
    """By reference (`table.column`) the rows that refer to what is not there; empty where all is well."""
    return {row["reference"]: row["rows"] for row in await connection.fetch(sql("dangling")) if row["rows"]}
