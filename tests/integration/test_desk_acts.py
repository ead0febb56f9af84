"""What people decide at their desks is on the audit trail: who, on what, and by which reason."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx

from server.services import Services
from tests.builders import CHIEF, DISPATCHER, WORKER, build_city, enrol, photo
from tests.integration.office import approval, desk

WRITTEN = "请补拍楼道照片"


async def acts(truth: asyncpg.Connection, kind: str) -> list[tuple[Any, ...]]:
    rows = await truth.fetch("SELECT actor_id, action, reason FROM audit WHERE action LIKE $1 ORDER BY id", f"{kind}.%")
    return [tuple(row) for row in rows]


async def test_reviews_and_cases_are_on_the_trail(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await build_city(services)
    chief = await desk(services, app_client, CHIEF)
    dispatcher = await desk(services, app_client, DISPATCHER)
    phone = await enrol(services, WORKER)
    item = await phone.report("0401", urgency="urgent", photos=[photo(1)])
    await dispatcher.act(item, "accept", "reported")
    await dispatcher.act(item, "dispatch", "accepted", department="xiaofang")
    assert await acts(truth, "case") == [(DISPATCHER.id, "case.accept", None), (DISPATCHER.id, "case.dispatch", None)]
    decision = await approval(truth, item) | {"decision": "return", "reason": "photo_unclear", "note": WRITTEN}
    (done,) = await chief.decide(decision)
    assert done["result"] == "done", done
    ((actor, action, reason),) = await acts(truth, "review")
    assert (actor, action) == (CHIEF.id, "review.returned")
    assert reason == "photo_unclear"
    everything = await truth.fetch("SELECT a::text FROM audit a")
    assert WRITTEN not in str(everything)
