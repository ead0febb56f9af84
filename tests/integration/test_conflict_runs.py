"""Many conflicts settled alike: each by itself, gone on with where it stopped, and taken back as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server.db.conflicts import ConflictFilter
from server.errors import Problem
from server.services import Services
from server.usecases import conflict_runs
from server.usecases.conflict_runs import RunDone, Wish, resolve_many, undo_run
from server.usecases.telling import Teller
from sync.disputes import Choice
from tests.integration.conflict_planting import plant
from tests.integration.conflict_scene import Scene
from tests.integration.terminal import Terminal, onegrid
from tests.integration.test_conflicts import assert_streams_add_up, refusal
from tests.integration.town import ADMINISTRATOR, CHIEF_EAST, COMMUNITY_EAST, HANDLER, Citizen

__all__ = ["onegrid"]
INCOMING, SERVER = Choice("incoming"), Choice("server")
WHY = ("--reason", "逾期未核实")
WHERE = ("--where", "kind=update_update,type=0102")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> AsyncIterator[Scene]:
    opened = await Scene.open(services, truth)
    yield opened
    await assert_streams_add_up(truth)


class Stopped(Exception):
    """The process ended here."""


class Stopping(Teller):
    """Ends the run after so many conflicts, as a killed process would between two transactions."""

    def __init__(self, after: int) -> None:
        self.left = after

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stopped


async def run(
    scene: Scene, choice: Choice = INCOMING, *, by: Citizen = COMMUNITY_EAST, tell: Teller | None = None, **more: Any
) -> RunDone:
    given = {"wanted": ConflictFilter(), "reason": "逾期未核实", "asked": {"take": choice.take}} | more
    wish = Wish(actor=await scene.caller(by), choice=choice, **given)
    return await resolve_many(scene.services, wish, tell or Teller())


async def undo(scene: Scene, run_id: UUID | None, *, by: Citizen = COMMUNITY_EAST, **more: Any) -> RunDone:
    assert run_id is not None
    caller = await scene.caller(by)
    return await undo_run(scene.services, caller, (run_id, run_id), "条件写错", Teller(), **more)


async def states(scene: Scene) -> dict[str, int]:
    rows = await scene.truth.fetch("SELECT coalesce(take, 'open') AS what, count(*) FROM conflict GROUP BY 1")
    return {row["what"]: row["count"] for row in rows}


async def test_every_conflict_gets_its_own_revision_and_a_line_of_the_run(scene: Scene) -> None:
    planted = await plant(scene, 5)
    done = await run(scene)
    assert (done.done, done.earlier, done.meanwhile, done.refused, done.resumed) == (5, 0, 0, [], False)
    assert await states(scene) == {"incoming": 5}
    lines = await scene.truth.fetch("SELECT * FROM conflict_run_line WHERE run_id = $1 ORDER BY place", done.run)
    assert [(line["conflict_id"], line["version"]) for line in lines] == [(one, 3) for one in planted]
    acts = await scene.truth.fetch("SELECT action, subject_id, reason, detail ->> 'run' AS run FROM audit ORDER BY id")
    assert (acts[0]["action"], acts[0]["subject_id"]) == ("conflict.run", str(done.run))
    assert [(act["action"], act["run"]) for act in acts[1:]] == [("conflict.resolve", str(done.run))] * 5
    assert {act["reason"] for act in acts} == {"逾期未核实"}


async def test_what_was_stopped_goes_on_under_its_own_id(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflict_runs, "_PAGE", 2)
    await plant(scene, 7)
    with pytest.raises(Stopped):
        await run(scene, tell=Stopping(3))
    assert await states(scene) == {"incoming": 3, "open": 4}
    await plant(scene, 1)
    done = await run(scene)
    assert (done.resumed, done.earlier, done.done) == (True, 3, 8)
    assert await scene.truth.fetchval("SELECT count(*) FROM conflict_run") == 1
    assert await scene.truth.fetchval("SELECT count(*) FROM revision WHERE op = 'resolve'") == 8
    again = await run(scene)
    assert (again.resumed, again.done) == (False, 0), "a finished run is not gone on with"


async def test_other_words_or_another_person_are_another_run(scene: Scene) -> None:
    await plant(scene, 3)
    with pytest.raises(Stopped):
        await run(scene, tell=Stopping(1))
    assert not (await run(scene, by=CHIEF_EAST)).resumed
    assert not (await run(scene, reason="另一原因")).resumed


async def test_what_opens_while_it_runs_is_no_part_of_it(scene: Scene) -> None:
    await plant(scene, 2)
    item = await scene.register()

    with pytest.raises(Stopped):
        await run(scene, tell=Stopping(1))
    late = await scene.two_edits(item, {"name": "张三丰"}, {"name": "张山"})
    assert (await run(scene)).done == 2
    assert (await scene.conflict(late))["state"] == "open"


async def test_what_is_refused_holds_up_nothing_and_is_told(scene: Scene) -> None:
    planted = await plant(scene, 3)
    bad = await scene.truth.fetchval("SELECT item_id FROM conflict WHERE id = $1", planted[0])
    await scene.truth.execute("UPDATE item SET clear = clear - 'use', sealed = NULL WHERE id = $1", bad)
    done = await run(scene)
    assert (done.done, len(done.refused)) == (2, 1)
    assert (done.refused[0].code, done.refused[0].count, done.refused[0].conflicts) == (
        "resolution_invalid",
        1,
        [planted[0]],
    )


async def test_a_dry_run_writes_nothing_and_tells_the_same(scene: Scene) -> None:
    await plant(scene, 3)
    whole = await scene.everything()
    done = await run(scene, dry_run=True)
    assert (done.run, done.dry_run, done.done) == (None, True, 3)
    assert await scene.everything() == whole


async def test_a_whole_run_is_taken_back_and_only_what_it_did(scene: Scene) -> None:
    planted = await plant(scene, 4)
    done = await run(scene)
    await scene.undo(planted[0], COMMUNITY_EAST)
    await scene.resolve(planted[0], CHIEF_EAST, SERVER)
    tried = await undo(scene, done.run, dry_run=True)
    assert (tried.done, await states(scene)) == (3, {"incoming": 3, "server": 1})
    back = await undo(scene, done.run)
    assert (back.done, [one.code for one in back.refused]) == (3, ["undo_too_late"])
    assert await states(scene) == {"open": 3, "server": 1}
    assert (await undo(scene, done.run)).done == 0


async def test_a_group_counts_once_and_goes_back_once(scene: Scene) -> None:
    planted = await plant(scene, 3)
    await scene.truth.execute("UPDATE conflict SET group_id = $1 WHERE id = ANY($2)", planted[0], planted[:2])
    done = await run(scene)
    assert (done.done, done.meanwhile) == (3, 0)
    assert (await undo(scene, done.run)).done == 3
    assert await states(scene) == {"open": 3}


async def test_two_runs_at_once_settle_each_conflict_once(scene: Scene) -> None:
    await plant(scene, 12)
    one, two = await asyncio.gather(run(scene, SERVER), run(scene, INCOMING, by=CHIEF_EAST))
    assert one.done + two.done == 12
    assert one.refused == two.refused == []
    assert await scene.truth.fetchval("SELECT count(*) FROM revision WHERE op = 'resolve'") == 12


async def test_who_may_not_begins_nothing(scene: Scene) -> None:
    await plant(scene, 1)
    assert (await refusal(run(scene, by=ADMINISTRATOR))).code == "forbidden"
    assert (await refusal(run(scene, reason=" "))).code == "reason_needed"
    assert (await run(scene, by=HANDLER)).done == 0
    with pytest.raises(Problem, match="not_found"):
        await undo(scene, UUID(int=1))
    assert await states(scene) == {"open": 1}


# At the command line -------------------------------------------------------------------------------------


async def test_a_command_settles_many_and_takes_them_back(scene: Scene, onegrid: Terminal) -> None:
    await plant(scene, 3)
    tried = await onegrid("resolve", *WHERE, "--take", "incoming", *WHY, "--dry-run")
    assert (tried.status, tried.out.strip()) == (0, "将会 would be 处理 settled: 3")
    done = (await onegrid("resolve", *WHERE, "--take", "incoming", *WHY, "--json")).document
    assert (done["done"], done["refused"]) == (3, [])
    undone = await onegrid("undo", "--run", done["run"][:8], *WHY)
    assert (undone.status, undone.out.strip()) == (0, "撤销 taken back: 3")
    assert await states(scene) == {"open": 3}


async def test_a_command_that_leaves_some_exits_1(scene: Scene, onegrid: Terminal) -> None:
    await plant(scene, 1)
    answer = await onegrid("resolve", "--where", "type=0102", "--grid", str(CHIEF_EAST.grid), *WHY)
    assert answer.status == 1
    assert "未能处理 not done: 1 (resolution_invalid)" in answer.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["resolve", "--take", "server"],
        ["resolve", "1a2b3c", "--where", "type=0102", "--take", "server"],
        ["resolve", "--where", "", "--take", "server"],
        ["resolve", "--where", "colour=red", "--take", "server"],
        ["resolve", "--where", "kind=strange", "--take", "server"],
        ["resolve", "--where", "type=0102,type=0101", "--take", "server"],
        ["resolve", "--where", "older-than=soon", "--take", "server"],
        ["resolve", "--where", "type=0102", "--take", "merge", "--field", "use=server"],
        ["undo"],
        ["undo", "1a2b3c", "--run", "1a2b3c"],
    ],
    ids=" ".join,
)
async def test_wrong_usage_is_a_sentence_and_status_2(arguments: list[str], onegrid: Terminal) -> None:
    answer = await onegrid(*arguments, *WHY)
    assert (answer.status, answer.out) == (2, "")
    assert "Error: " in answer.err
