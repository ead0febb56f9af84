"""Settling, taking back and settling again comes to the same as settling once, whatever was in conflict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.services import Services
from sync.disputes import Choice
from tests.integration.kinds_scene import KindsScene
from tests.integration.test_conflicts import assert_streams_add_up
from tests.integration.test_duplicates import assert_hints_are_held
from tests.integration.town import CHIEF_EAST, COMMUNITY_EAST

USES = ("owner", "rented", "vacant", "shared")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[KindsScene]:
    opened = await KindsScene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)
    await assert_hints_are_held(opened)


async def came_to(scene: KindsScene, item: UUID, conflict: UUID) -> dict[str, Any]:
    """Everything of an item and its conflict but how often they changed, and when; spot checks go by the version."""
    state, row = await scene.item(item), await scene.conflict(conflict)
    review = await scene.truth.fetchval("SELECT state FROM review WHERE item_id = $1", item)
    return {
        "fields": {key: value for key, value in state.fields.items() if key != "unit_no"},
        "head": (state.deleted, state.grid_id, state.urgency, state.stream_class, state.in_own_stream),
        "streams": await scene.streams_of(item),
        "conflict": (row["state"], row["take"], row["reason"], row["resolved_by"], row["fields"]),
        "notice": await scene.notice(conflict),
        "review": review,
        "open": await scene.truth.fetchval("SELECT count(*) FROM conflict WHERE item_id = $1 AND state = 'open'", item),
    }


@settings(max_examples=12)
@given(
    server=st.none() | st.sampled_from(USES[1:]),
    incoming=st.none() | st.sampled_from(USES[1:]),
    take=st.sampled_from(["server", "incoming", "merge"]),
    own=st.none() | st.sampled_from(USES),
    times=st.integers(1, 2),
)
async def test_settling_again_is_settling_once(
    scene: KindsScene, server: str | None, incoming: str | None, take: Any, own: str | None, times: int
) -> None:
    if server == incoming:
        return
    sides = [{"use": one} if one else None for one in (server, incoming)]
    ends = []
    for again in (0, times):
        item = await scene.built()
        conflict = await scene.two_edits(item, *sides, of="0102")
        choice = Choice(take)
        if take == "merge" and incoming and server:
            choice = Choice("merge", {} if own else {"use": "incoming"}, {"use": own} if own else {})
        elif take == "merge":
            choice = Choice("incoming")
        await scene.resolve(conflict, COMMUNITY_EAST, choice)
        for _ in range(again):
            await scene.undo(conflict, CHIEF_EAST)
            await scene.resolve(conflict, COMMUNITY_EAST, choice)
        ends.append(await came_to(scene, item, conflict))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("take", ["server", "incoming", "link"])
async def test_so_it_is_of_duplicates(scene: KindsScene, take: Any) -> None:
    ends = []
    for number, again in enumerate((0, 1, 2)):
        door = {"address": f"再决路 {number} 号", "unit_no": "1"}
        first, second = scene.dwelling(**door), scene.dwelling(**door)
        await scene.one("chief", first)
        conflict = (await scene.one("worker", second)).conflict
        assert conflict is not None
        living = scene.resident(second.item)
        await scene.one("worker", living)
        choice = Choice(take, link=first.item if take == "link" else None)
        await scene.resolve(conflict, COMMUNITY_EAST, choice)
        for _ in range(again):
            await scene.undo(conflict, CHIEF_EAST)
            await scene.resolve(conflict, COMMUNITY_EAST, choice)
        end = await came_to(scene, second.item, conflict)
        end["fields"].pop("address")
        named = {first.item: "first", second.item: "second"}
        end["lives in"] = named[UUID((await scene.item(living.item)).fields["dwelling"])]
        holder = await scene.truth.fetch("SELECT item_id FROM unique_hint WHERE item_id = ANY($1)", list(named))
        end["holder"] = [named[row["item_id"]] for row in holder]
        end["links"] = await scene.truth.fetchval("SELECT count(*) FROM item_link WHERE loser = $1", second.item)
        ends.append(end)
    assert ends[0] == ends[1] == ends[2]
