"""What a push begins beside the revision: a review, a case, and the steps that tell how they came about."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server.services import Services
from tests import builders
from tests.builders import CHIEF, GRIDS, MATE, WORKER, create, deliver, enrol, photo, point


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


async def review_of(truth: asyncpg.Connection, item_id: UUID) -> dict[str, Any]:
    row = await truth.fetchrow("SELECT * FROM review WHERE item_id = $1", item_id)
    assert row is not None
    return dict(row)


async def case_of(truth: asyncpg.Connection, item_id: UUID) -> dict[str, Any]:
    row = await truth.fetchrow("SELECT * FROM cases WHERE item_id = $1", item_id)
    assert row is not None
    return dict(row)


async def case_path(truth: asyncpg.Connection, item_id: UUID) -> list[tuple[str, str | None, str]]:
    rows = await truth.fetch(
        "SELECT action, from_state, to_state FROM case_step WHERE item_id = $1 ORDER BY seq", item_id
    )
    return [tuple(row) for row in rows]


async def test_a_report_waits_for_its_grid_chief(services: Services, truth: asyncpg.Connection) -> None:
    item_id = await (await enrol(services, WORKER)).report("0401", urgency="normal")
    review, case = await review_of(truth, item_id), await case_of(truth, item_id)
    assert (review["state"], review["level"], review["asked_by"], review["asked_tier"]) == (
        "pending",
        1,
        "grid_chief",
        "grid",
    )
    assert review["authors"] == [WORKER.id]
    assert (case["state"], case["urgency"], case["department"]) == ("reported", "normal", "xiaofang")
    assert case["accept_by"] > case["opened_at"]
    assert case["organisation_id"] is None
    assert await case_path(truth, item_id) == [("report", None, "reported")]
    steps = await truth.fetch("SELECT seq, action, actor_id, level FROM review_step WHERE item_id = $1", item_id)
    assert [tuple(step) for step in steps] == [(1, "submitted", WORKER.id, 1)]
