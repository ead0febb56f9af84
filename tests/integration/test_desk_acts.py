"""What people decide at their desks is on the audit trail: who, on what, and by which reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import httpx

from server.services import Services
from server.usecases.audit_checking import verify_trail
from server.usecases.audit_sealing import seal_trail
from server.usecases.telling import Teller
from tests.builders import (
    CENTRE,
    CHIEF,
    DISPATCHER,
    FIREMAN,
    SECOND_CHIEF,
    WORKER,
    Person,
    build_city,
    deliver,
    enrol,
    photo,
)
from tests.integration.office import Desk, approval, desk, seen

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


class Trail:
    """What an office decides, done one by one, and what the trail must then say of it."""

    def __init__(self, services: Services, client: httpx.AsyncClient, truth: asyncpg.Connection, item: UUID) -> None:
        self._services = services
        self._client = client
        self._truth = truth
        self.item = item
        self.expected: list[tuple[Any, ...]] = []

    async def at(self, person: Person, act: str) -> Desk:
        """The desk at which somebody is about to do this."""
        self.expected.append((person.id, act, str(self.item)))
        return await desk(self._services, self._client, person)

    async def act(self, person: Person, action: str, leaving: str, **given: Any) -> None:
        await (await self.at(person, f"case.{action}")).act(self.item, action, leaving, **given)

    async def review(self, person: Person, decision: str, act: str, **given: Any) -> None:
        wish = {**await seen(self._truth, self.item), "decision": decision, **given}
        (done,) = await (await self.at(person, f"review.{act}")).decide(wish)
        assert done["result"] == "done", done

    async def undo(self, person: Person) -> None:
        undoing = {"items": [await seen(self._truth, self.item)], "reason": "点错了"}
        (done,) = (await (await self.at(person, "review.undone")).post("/v1/reviews/undo", undoing)).json()["results"]
        assert done["result"] == "done", done


async def test_every_decision_of_a_life_is_a_row_that_the_check_covers(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection
) -> None:
    await build_city(services)
    phone = await enrol(services, WORKER)
    item = await phone.report("0401", urgency="normal", photos=[photo(1)])
    await deliver(services, WORKER, 1)
    trail = Trail(services, app_client, truth, item)
    await trail.review(CHIEF, "approve", "approved")
    await trail.undo(CHIEF)
    await trail.review(SECOND_CHIEF, "return", "returned", reason="photo_unclear")
    await phone.correct(item, description="重拍")
    await trail.review(CHIEF, "approve", "approved")
    await trail.act(DISPATCHER, "accept", "reported")
    await trail.act(DISPATCHER, "dispatch", "accepted", department="xiaofang")
    await trail.act(FIREMAN, "send_back", "dispatched", reason="sb_wrong_department", note="不属本单位")
    await trail.act(DISPATCHER, "approve", "dispatched", request="send_back")
    await trail.act(DISPATCHER, "dispatch", "sent_back", department="xiaofang")
    await trail.act(FIREMAN, "sign", "dispatched")
    await trail.act(FIREMAN, "hold", "signed", reason="oh_funding")
    await trail.act(CENTRE, "refuse", "signed", request="hold", note="可以自行解决")
    after = photo(2, "close")
    await trail.act(FIREMAN, "handle", "signed", photos=[{key: after[key] for key in ("sha256", "size")}])
    await deliver(services, FIREMAN, 2)
    await trail.act(CHIEF, "verify", "handled")
    await trail.act(DISPATCHER, "close", "verified")
    await trail.act(CHIEF, "reopen", "closed", note="又堆上了")
    rows = await truth.fetch("SELECT * FROM audit WHERE action LIKE 'review.%' OR action LIKE 'case.%' ORDER BY id")
    assert [(row["actor_id"], row["action"], row["subject_id"]) for row in rows] == trail.expected
    assert await seal_trail(services)
    found = await verify_trail(services, Teller())
    assert (found.breaks, found.waiting) == ([], 0)
    linked = {row["audit_id"] for row in await truth.fetch("SELECT audit_id FROM audit_link")}
    assert {row["id"] for row in rows} <= linked
    await truth.execute("ALTER TABLE audit DISABLE TRIGGER USER")
    for row in rows:
        await truth.execute("UPDATE audit SET detail = detail || '{\"x\": 1}' WHERE id = $1", row["id"])
    await truth.execute("ALTER TABLE audit ENABLE TRIGGER USER")
    altered = (await verify_trail(services, Teller())).breaks
    assert {one.kind for one in altered} == {"row_altered"}
    assert len(altered) == len(rows)
