"""The catalogues that were published here; none while the one that comes with the program is in use."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from server.db.database import Connection
from server.db.named import sql


async def current_version(connection: Connection) -> str | None:
    """The version of the newest; None where none was published."""
    return await connection.fetchval(sql("current_catalogue"))


async def documents(connection: Connection) -> list[bytes]:
    """Every document as it was given, the current one first."""
    return [row["document"] for row in await connection.fetch(sql("catalogue_documents"))]


async def document_of(connection: Connection, version: str) -> bytes | None:
    """The document of a version that was published."""
    return await connection.fetchval(sql("published_catalogue"), version)


async def lock_catalogues(connection: Connection) -> None:
    """Keep every other publisher waiting until this transaction ends; nobody else."""
    await connection.execute(sql("lock_catalogues"))


async def add(connection: Connection, version: str, document: bytes, by: UUID | None, reason: str | None) -> None:
    """Make this the current one; the table is to be locked."""
    await connection.execute(sql("insert_catalogue"), version, document, by, reason)


async def count_items(connection: Connection, types: Collection[str]) -> int:
    """How many items there are of these types."""
    return int(await connection.fetchval(sql("items_of_types"), list(types)) or 0)


async def count_offices(connection: Connection, departments: Collection[str]) -> int:
    """How many organisations these departments have."""
    return int(await connection.fetchval(sql("offices_of_departments"), list(departments)) or 0)
