"""The lineage as it is stored: what was written is read back, and what no step may be is refused by the database."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from server.db import lineage, registry, registry_publish
from server.db.database import Transaction
from server.db.registry import NewGrid
from server.services import Services
from sync.lineage import Hop, Step
from tests.builders import EAST, GRIDS, build_city, grid_id

PARTS = {uuid4(): f"{EAST}101", uuid4(): f"{EAST}102"}
OLD = grid_id(GRIDS[0])
SPLIT = Step(2, "split", (OLD,), tuple(PARTS))
RENUMBERED = Step(3, "renumber", (max(PARTS),), (max(PARTS),))


def part(grid: UUID, code: str) -> NewGrid:
    return NewGrid(
        id=grid,
        code=code,
        community=code[:12],
        kind="general",
        name=code,
        outline=[[(118.0, 32.0), (118.1, 32.0), (118.1, 32.1)]],
        synthetic=True,
    )


async def publish(tx: Transaction) -> None:
    """Version 2 splits a grid, version 3 gives one of the parts another code."""
    connection = tx.connection
    await registry.insert_registry_version(connection, 2, "split")
    await registry.insert_grids(connection, 2, [part(*one) for one in PARTS.items()])
    await lineage.insert_steps(connection, [SPLIT])
    await registry.insert_registry_version(connection, 3, "renumber")
    renumbered = part(max(PARTS), f"{EAST}103")
    await connection.execute("INSERT INTO grid_code VALUES ($1, $2)", renumbered.code, renumbered.id)
    await registry_publish.relabel(connection, 3, [renumbered])
    await lineage.insert_steps(connection, [RENUMBERED])
    await connection.execute("UPDATE grid_label SET to_version = 2 WHERE grid_id = $1", OLD)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build_city(services)
    await services.database.write(publish)


async def test_what_was_stored_is_read_back(services: Services, truth: asyncpg.Connection) -> None:
    async with services.database.read() as connection:
        known = await registry.load_registry(connection)
    carried = known.lineage.carry_code(GRIDS[0], 1)
    assert carried is not None
    assert set(carried.grids) == set(PARTS)
    assert carried.path == (
        Hop(2, "split", (GRIDS[0],), (f"{EAST}101", f"{EAST}102")),
        Hop(3, "renumber", (PARTS[max(PARTS)],), (f"{EAST}103",)),
    )
    assert known.read_code(PARTS[max(PARTS)]).grids == (max(PARTS),)
    assert known.read_code(GRIDS[1]).grids == (grid_id(GRIDS[1]),)
    assert await truth.fetchval("SELECT to_version FROM grid WHERE id = $1", OLD) == 2
    assert await truth.fetchval("SELECT count(*) FROM grid WHERE to_version IS NOT NULL") == 1


@pytest.mark.parametrize("kind", ["new", "split", "merge", "renumber", "redraw", "move", "retire", "other"])
async def test_a_step_that_is_none_of_its_kind_is_refused(truth: asyncpg.Connection, kind: str) -> None:
    """Two grids that stay are the shape of no kind."""
    grids = [OLD, grid_id(GRIDS[1])]
    with pytest.raises(asyncpg.CheckViolationError):
        await truth.execute("INSERT INTO lineage VALUES (3, 7, $1, $2, $2)", kind, grids)
