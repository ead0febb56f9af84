"""The places of a person's work by name."""

from __future__ import annotations

from server.db import places
from server.db.places import Division
from server.services import Services
from server.usecases.sessions import Caller
from sync.access import division_prefix


async def places_of(services: Services, caller: Caller) -> list[Division]:
    """The divisions that the caller is assigned to or that his grids lie in, and the communities inside his area."""
    divisions = sorted({held.division for held in caller.assignments if held.division})
    areas = sorted(
        {division_prefix(held.division) for held in caller.assignments if held.division and not held.grid_id}
    )
    async with services.database.read() as connection:
        return await places.divisions_and_communities(connection, divisions, areas)
