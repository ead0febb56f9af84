"""People at desks: what the tests of reviews, cases and items ask over HTTP, and look up behind the server's back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import httpx

from server.services import Services
from tests.builders import Person, sign_in


class Desk:
    """Somebody signed in."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self._client.get(path, params=params, headers=self._headers)

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self._client.post(path, json=body, headers=self._headers)

    async def found(self, path: str, **params: Any) -> Any:
        """The answer's body; it must be a success."""
        answer = await self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def queue(self, **params: Any) -> list[str]:
        """The ids of the items in this person's review queue."""
        return [one["item"]["id"] for one in (await self.found("/v1/reviews", **params))["reviews"]]

    async def decide(self, *decisions: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.post("/v1/reviews", {"decisions": list(decisions)})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    async def act(self, item_id: UUID, action: str, leaving: str, **given: Any) -> Any:
        """Do something to a case; it must be done."""
        answer = await self.try_to(item_id, action, leaving, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def try_to(self, item_id: UUID, action: str, leaving: str, **given: Any) -> httpx.Response:
        return await self.post(f"/v1/cases/{item_id}", {"action": action, "from": leaving, **given})


async def desk(services: Services, client: httpx.AsyncClient, person: Person) -> Desk:
    return Desk(client, await sign_in(services, person))


async def seen(truth: asyncpg.Connection, item_id: UUID) -> dict[str, Any]:
    """The revision that a reviewer looks at, as a decision names it."""
    row = await truth.fetchrow("SELECT version, rev FROM item WHERE id = $1", item_id)
    assert row is not None
    return {"item": str(item_id), "version": row["version"], "rev": f"{row['rev'] % 2**64:016x}"}


async def approval(truth: asyncpg.Connection, item_id: UUID) -> dict[str, Any]:
    return {**await seen(truth, item_id), "decision": "approve"}


async def approve(
    services: Services, client: httpx.AsyncClient, truth: asyncpg.Connection, who: Person, *ids: UUID
) -> None:
    """Somebody approves these items; all of it must be done."""
    at_desk = await desk(services, client, who)
    results = await at_desk.decide(*[await approval(truth, one) for one in ids])
    assert [one["result"] for one in results] == ["done"] * len(ids), results


async def review_of(truth: asyncpg.Connection, item_id: UUID) -> dict[str, Any]:
    row = await truth.fetchrow("SELECT * FROM review WHERE item_id = $1", item_id)
    assert row is not None
    return dict(row)


async def case_of(truth: asyncpg.Connection, item_id: UUID) -> dict[str, Any]:
    row = await truth.fetchrow("SELECT * FROM cases WHERE item_id = $1", item_id)
    assert row is not None
    return dict(row)


async def review_path(truth: asyncpg.Connection, item_id: UUID) -> list[tuple[str, UUID | None]]:
    rows = await truth.fetch("SELECT action, actor_id FROM review_steps WHERE item_id = $1 ORDER BY seq", item_id)
    return [tuple(row) for row in rows]


async def case_path(truth: asyncpg.Connection, item_id: UUID) -> list[tuple[str, str | None, str]]:
    rows = await truth.fetch(
        "SELECT action, from_state, to_state FROM case_steps WHERE item_id = $1 ORDER BY seq", item_id
    )
    return [tuple(row) for row in rows]


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code, problem
    assert problem["zh"]
    assert problem["en"]
    return problem
