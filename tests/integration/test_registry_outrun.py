"""A registry version is published while servers still place items by the one before.

A border moves between two grids that go on: nothing but its own place tells that an item lies in the wrong one, so no
item may be placed by a registry that is not the current one any more.

Breakages seen red: streams that are locked without a look at the registry; a move that does not wait for those who
wrote before it; one that waits for the end of a snapshot, which is not behind whoever wrote last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from schemas.wire import Change, Fix
from server.services import Services
from tests.builders import GRIDS, WORKER, Phone, build_city, create, enrol
from tests.integration.registry_change_scene import apply, code_of, plan_files, spot, strip
from tests.proof.halting import COMMIT, Halt, halting

NOWHERE = Fix(119.5, 33.5, "wgs84", 5.0)
PATIENCE = 30.0
LOOKS = 3
# The eastern quarter of the first grid goes to the second one.
REDRAWN = plan_files({"redraw": [GRIDS[0], GRIDS[1]]}, s001=strip(0, 0.75), s002=strip(0.75, 2))


@pytest.fixture
async def phone(services: Services) -> Phone:
    """A phone that knows the registry of version 1."""
    await build_city(services)
    return await enrol(services, WORKER)


class Looking(Halt):
    """Stands before the commit of the version. `looked`: the move has looked for earlier writers, and once more."""

    def __init__(self) -> None:
        super().__init__(before=COMMIT)
        self.looked = asyncio.Event()

    async def come_to(self, statement: str, connection: asyncpg.Connection) -> None:
        await super().come_to(statement, connection)
        if self.passed.count("writers_ended") == LOOKS:
            self.looked.set()


def given_away() -> Change:
    """A new dwelling in the first grid, on ground that goes to the second; the phone stood where no grid is."""
    made = create("0102", location=spot(0.9))
    return replace(made, grid=GRIDS[0], capture=replace(made.capture, position=NOWHERE))


async def test_a_server_that_has_not_heard_of_a_version_does_not_place_by_the_one_before(
    services: Services, truth: asyncpg.Connection, phone: Phone
) -> None:
    record = given_away()
    await apply(services, REDRAWN)
    assert services.registry.version == 1  # this process has not looked since
    receipt = await phone.push(record)
    assert [one.outcome for one in receipt.outcomes] == ["rebased"]
    assert await code_of(truth, record.item) == GRIDS[1]
    told = await truth.fetch("SELECT registry, derivation ->> 'registry' AS by FROM revision")
    assert [(one["registry"], one["by"]) for one in told] == [(2, "2")]


@pytest.mark.parametrize("push_is_first", [True, False])
async def test_what_was_placed_by_the_version_before_and_commits_behind_it_is_moved(
    services: Services, truth: asyncpg.Connection, phone: Phone, push_is_first: bool
) -> None:
    """Whichever of the two transactions has the lower id."""
    record, push_ends, version_ends = given_away(), Halt(before=COMMIT), Looking()
    phone.services = halting(services, push_ends)
    if push_is_first:
        pushing = await standing(phone.push(record), push_ends)
        applying = await standing(apply(halting(services, version_ends), REDRAWN), version_ends)
    else:
        applying = await standing(apply(halting(services, version_ends), REDRAWN), version_ends)
        pushing = await standing(phone.push(record), push_ends)
    try:
        version_ends.let_go.set()
        looking = asyncio.create_task(version_ends.looked.wait())
        ended, _ = await asyncio.wait([looking, applying], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
        assert ended == {looking}
        assert await truth.fetchval("SELECT max(version) FROM registry_version") == 2
    finally:
        push_ends.let_go.set()
    receipt, report = await asyncio.gather(pushing, applying)
    assert [one.outcome for one in receipt.outcomes] == ["applied"]
    assert report.actual is not None
    assert (report.actual.looked, report.actual.moved) == (1, 1)
    assert await code_of(truth, record.item) == GRIDS[1]


async def standing(work: Coroutine[Any, Any, Any], halt: Halt) -> asyncio.Task[Any]:
    """The work under way, standing at its halt."""
    task = asyncio.create_task(work)
    assert await halt.stands_or(task)
    return task
