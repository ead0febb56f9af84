"""How much work waits for a person: the lengths of his queues, without reading anything in them."""

from __future__ import annotations

from typing import NamedTuple

from server.db import workload
from server.db.cases import CaseFilter
from server.db.reading import ItemFilter
from server.db.workload import ReviewLoad
from server.services import Services
from server.usecases.cases import case_grants, office_areas
from server.usecases.reading import grants_of
from server.usecases.reviews import desks_of
from server.usecases.sessions import Caller

MOST_COUNTED = 10_000
"""Nobody needs to know a longer queue exactly."""


class CaseLoad(NamedTuple):
    """Cases by their state."""

    by_state: dict[str, int]

    @property
    def total(self) -> int:
        """In every state together."""
        return sum(self.by_state.values())


async def review_load(services: Services, caller: Caller, narrowed: ItemFilter) -> ReviewLoad:
    """How many submissions the caller may decide now."""
    grants, desks = grants_of(services, caller), desks_of(caller.assignments)
    async with services.database.read() as connection:
        return await workload.count_reviews(connection, grants, caller.user_id, desks, narrowed, MOST_COUNTED)


async def case_load(services: Services, caller: Caller, narrowed: CaseFilter) -> CaseLoad:
    """How many of the cases that the caller may see are in each state."""
    async with services.database.read() as connection:
        return CaseLoad(
            await workload.count_cases(
                connection, case_grants(services, caller), office_areas(caller), narrowed, MOST_COUNTED
            )
        )
