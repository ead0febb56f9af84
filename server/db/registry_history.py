"""The registry as it was: its versions, a grid at one of them, and the names of grids in a lineage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import convert

from server.db.database import Connection, Row
from server.db.named import sql
from sync.lineage import Step


async def versions(connection: Connection, before: int | None, limit: int) -> list[Row]:
    """Registry versions with what each began and ended, the newest first; only those before one, if it is given."""
    return await connection.fetch(sql("registry_versions"), before, limit)


async def version_at(connection: Connection, instant: datetime) -> int | None:
    """The version that was current just before an instant; None before the first."""
    return await connection.fetchval(sql("version_at"), instant)


async def label_at(connection: Connection, code: str, version: int) -> Row | None:
    """The label that the grid of a code had at a version; None where it had none."""
    return await connection.fetchrow(sql("label_at"), code, version)


async def labels_of_grids(connection: Connection, grid_ids: Sequence[UUID]) -> list[Row]:
    """Every label of these grids, of each the oldest first."""
    return await connection.fetch(sql("labels_of_grids"), list(grid_ids))


async def grid_of_code(connection: Connection, code: str) -> UUID | None:
    """The grid that bears a code or bore it."""
    return await connection.fetchval(sql("grid_of_code"), code)


async def all_steps(connection: Connection) -> list[Step]:
    """Every step, in the order in which they were taken."""
    return convert([dict(row) for row in await connection.fetch(sql("lineage_steps"))], list[Step])
