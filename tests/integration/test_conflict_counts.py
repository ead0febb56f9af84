"""Counting conflicts and narrowing them to an author: in the use case, and as `onegrid conflict` shows it."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from server.cli.field_values import printable
from server.db.conflicts import ConflictFilter
from server.errors import Problem
from server.services import Services
from server.usecases.conflict_counts import Counts, authors_named, count_conflicts
from sync.disputes import Choice
from tests.integration.conflict_scene import Scene, long_ago
from tests.integration.terminal import Terminal, onegrid
from tests.integration.test_conflict_views import three_kinds
from tests.integration.town import ADMINISTRATOR, CHIEF_EAST, COMMUNITY_EAST, EAST, HANDLER, WORKER_EAST, Citizen

__all__ = ["onegrid"]
OPEN = ConflictFilter(state="open")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> Scene:
    return await Scene.open(services, truth)


async def counted(scene: Scene, wanted: ConflictFilter = OPEN, by: Citizen = COMMUNITY_EAST) -> Counts:
    return await count_conflicts(scene.services, await scene.caller(by), wanted, datetime.now(UTC))


async def test_conflicts_are_counted_by_everything_that_tells_them_apart(scene: Scene) -> None:
    first, second, third = await three_kinds(scene)
    await scene.truth.execute("UPDATE conflict SET opened_at = $2 WHERE id = $1", first, long_ago(4))
    await scene.truth.execute("UPDATE conflict SET opened_at = $2 WHERE id = $1", second, long_ago(0.5))
    await scene.resolve(third, COMMUNITY_EAST, Choice("server"))
    counts = await counted(scene)
    assert (counts.total, counts.oldest) == (2, (await scene.conflict(first))["opened_at"])
    assert {one.code: one.count for one in counts.kinds} == {"update_update": 1, "update_delete": 1}
    assert [(one.code, one.zh, one.count) for one in counts.divisions] == [(EAST, "东社区", 2)]
    assert [(one.code, one.count) for one in counts.types] == [("0101", 2)]
    assert [(one.code, one.count) for one in counts.ages] == [("day", 1), ("week", 1)]
    assert counts.takes == []
    settled = await counted(scene, ConflictFilter(state="resolved"))
    assert [(one.code, one.count) for one in settled.takes] == [("server", 1)]


async def test_nobody_counts_what_is_not_his(scene: Scene) -> None:
    await three_kinds(scene)
    assert (await counted(scene, by=CHIEF_EAST)).total == 3
    elsewhere = await counted(scene, by=HANDLER)
    assert (elsewhere.total, elsewhere.oldest, elsewhere.kinds) == (0, None, [])
    with pytest.raises(Problem, match="forbidden"):
        await counted(scene, by=ADMINISTRATOR)


@pytest.mark.parametrize("key", ["测试grid_worker", WORKER_EAST.phone, str(WORKER_EAST.id)])
async def test_an_author_is_named_by_name_phone_or_id(scene: Scene, key: str) -> None:
    await three_kinds(scene)
    authors = await authors_named(scene.services, key)
    assert WORKER_EAST.id in authors
    assert (await counted(scene, ConflictFilter(authors=authors))).total == 3


@pytest.mark.parametrize("key", ["测试grid_chief", "nobody", "1-2", COMMUNITY_EAST.phone])
async def test_another_author_made_none_of_them(scene: Scene, key: str) -> None:
    await three_kinds(scene)
    assert (await counted(scene, ConflictFilter(authors=await authors_named(scene.services, key)))).total == 0


async def test_the_command_line_counts_and_narrows(scene: Scene, onegrid: Terminal) -> None:
    await three_kinds(scene)
    shown, told = await onegrid("stats"), await onegrid("stats", "--json", "--type", "0101")
    assert (shown.status, told.document["total"]) == (0, 3)
    assert "改/改 update/update" in shown.out
    assert "东社区 East 341182001001" in shown.out
    mine = await onegrid("list", "--author", WORKER_EAST.phone, "--kind", "update_update", "--json")
    assert len(mine.document["conflicts"]) == 1
    assert (await onegrid("list", "--author", CHIEF_EAST.phone)).out.strip() == "没有冲突 / No conflicts."
    assert "测试grid_worker" in printable((await onegrid("list")).out).replace("\n", "")


async def test_pages_go_on_where_the_one_before_ended(scene: Scene, onegrid: Terminal) -> None:
    opened = await three_kinds(scene)
    first = (await onegrid("list", "--limit", "2", "--json")).document
    second = (await onegrid("list", "--limit", "2", "--after", first["next"], "--json")).document
    assert [one["id"] for one in first["conflicts"] + second["conflicts"]] == [str(one) for one in opened]
    assert second["next"] is None
