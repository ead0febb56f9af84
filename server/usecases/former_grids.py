"""Where items lay before the registry took them elsewhere: asked only where it may tell something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from server.db import lineage
from server.db.database import Connection
from sync.access import Assignment
from sync.decisions import Before
from sync.registry import Registry


async def former_grids(
    connection: Connection,
    registry: Registry,
    places: Mapping[UUID, UUID | None],
    assignments: Sequence[Assignment],
    *,
    written: int,
    oldest: datetime,
) -> dict[UUID, tuple[Before, ...]]:
    """By item the grids that registry versions since `oldest` took it from. `places`: the items with their grids.

    What lies in a grid of its author's own, and was written by the registry of today, is his in any case.
    """
    since = registry.in_force(oldest)
    if since >= registry.version:
        return {}
    own = {held.grid_id for held in assignments if held.grid_id is not None} if written >= registry.version else set()
    asked = [item_id for item_id, grid_id in places.items() if grid_id not in own]
    found: dict[UUID, tuple[Before, ...]] = {}
    for row in await lineage.former_grids(connection, asked, since) if asked else ():
        taken = Before(row["registry"], row["version"], row["grid_id"])
        found[row["item_id"]] = (*found.get(row["item_id"], ()), taken)
    return found
