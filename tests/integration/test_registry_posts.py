"""Each post that a registry change gives or ends is a row of the audit trail: whose, from which grids, to which."""

from __future__ import annotations

from json import loads
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from server.services import Services
from server.usecases.audit_checking import verify_trail
from server.usecases.audit_sealing import seal_trail
from server.usecases.telling import Teller
from tests.builders import ADMINISTRATOR, CHIEF, GRIDS, MATE, NEIGHBOUR, SECOND_CHIEF, WORKER, build_city
from tests.integration.registry_change_scene import FIRST, SECOND, apply, plan_files, split_of_first, strip

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)


class Told(NamedTuple):
    """A row about a person's post."""

    user: UUID
    role: str
    grid: str
    others: tuple[str, ...]


async def told(truth: asyncpg.Connection, action: str, others: str) -> set[Told]:
    rows = await truth.fetch("SELECT * FROM audit WHERE action = $1 AND detail ? 'registry'", action)
    found = [(UUID(row["subject_id"]), loads(row["detail"]), row) for row in rows]
    assert {(detail["registry"], row["reason"], row["subject_kind"]) for _, detail, row in found} == {
        (2, "年度调整", "user")
    }
    return {Told(user, detail["role"], detail["grid"], tuple(detail[others])) for user, detail, _ in found}


async def test_each_post_that_begins_says_where_its_holder_came_from(
    services: Services, truth: asyncpg.Connection
) -> None:
    """Of the halves the plan names who works in the first; the second keeps the team of the whole."""
    await apply(services, split_of_first(team=[{"user": NEIGHBOUR.phone, "role": "grid_worker"}]))
    assert await told(truth, "user.assigned", "came_from") == {
        Told(NEIGHBOUR.id, "grid_worker", FIRST, ()),
        Told(WORKER.id, "grid_worker", SECOND, (GRIDS[0],)),
        Told(MATE.id, "grid_worker", SECOND, (GRIDS[0],)),
        *(Told(chief.id, "grid_chief", SECOND, (GRIDS[0],)) for chief in (CHIEF, SECOND_CHIEF)),
    }
    actors = await truth.fetch(
        "SELECT DISTINCT actor_id FROM audit WHERE action = 'user.assigned' AND detail ? 'registry'"
    )
    assert [row["actor_id"] for row in actors] == [ADMINISTRATOR.id]


async def test_each_post_that_ends_says_what_became_of_its_grid(services: Services, truth: asyncpg.Connection) -> None:
    await apply(services, split_of_first())
    assert await told(truth, "user.unassigned", "goes_on") == {
        Told(person.id, role, GRIDS[0], (FIRST, SECOND))
        for role, people in (("grid_worker", (WORKER, MATE)), ("grid_chief", (CHIEF, SECOND_CHIEF)))
        for person in people
    }


async def test_whoever_brings_several_grids_together_names_all_of_them(
    services: Services, truth: asyncpg.Connection
) -> None:
    merged = plan_files({"merge": list(GRIDS[:2]), "into": {"code": FIRST, "name": "合并"}}, s011=strip(0, 2))
    await apply(services, merged)
    chief = [one for one in await told(truth, "user.assigned", "came_from") if one.user == CHIEF.id]
    assert chief == [Told(CHIEF.id, "grid_chief", FIRST, GRIDS[:2])]


async def test_the_trail_covers_them(services: Services, truth: asyncpg.Connection) -> None:
    await apply(services, split_of_first())
    assert await seal_trail(services)
    found = await verify_trail(services, Teller())
    assert (found.breaks, found.waiting) == ([], 0)
    rows: Any = await truth.fetch(
        "SELECT a.id FROM audit a LEFT JOIN audit_link l ON l.audit_id = a.id"
        " WHERE a.detail ? 'registry' AND l.audit_id IS NULL"
    )
    assert rows == []
