"""Why an item lies in its grid: told from what was stored, to who may read the item or settle its conflict."""

from __future__ import annotations

import json

import asyncpg
import httpx
import pytest

from server.errors import Problem
from server.services import Services
from server.usecases.explaining import Explained, explain_item
from tests.builders import CADRE, CHIEF, GRIDS, WEST_CHIEF, WORKER, Person, caller
from tests.integration.console_scene import at_console
from tests.integration.crosswalk_scene import ONE, RETIRED_GRID, SEVERAL, Scene, claiming
from tests.integration.terminal import shell


@pytest.fixture
async def scene(services: Services, truth: asyncpg.Connection) -> Scene:
    return await Scene.open(services, truth)


async def explained(scene: Scene, by: Person, item: object) -> Explained:
    return await explain_item(scene.services, await caller(scene.services, by), item)  # type: ignore[arg-type]


async def test_a_legacy_code_and_the_grid_that_it_gave(scene: Scene) -> None:
    change = claiming("0401", ("xiaofang", ONE))
    assert (await scene.push(change)).outcome == "applied"
    told = await explained(scene, CHIEF, change.item)
    assert (told.code, told.conflict, len(told.revisions)) == (GRIDS[1], None, 1)
    assert told.revisions[0].zh == f"写明消防救援旧编码 {ONE};只可能是 {GRIDS[1]}。"
    assert told.revisions[0].en == f"Written with {ONE}, a code of “Fire and rescue”; which leaves {GRIDS[1]} alone."


async def test_what_waits_is_explained_to_its_author_and_to_who_may_settle_it(scene: Scene) -> None:
    change = claiming("0401", ("chengguan", SEVERAL))
    item, conflict = await scene.park(change)
    for person in (WORKER, CADRE):
        told = await explained(scene, person, item)
        assert (told.code, told.conflict) == (None, conflict)
        assert "a person has to" in told.revisions[0].en
    with pytest.raises(Problem, match="not_found"):
        await explained(scene, WEST_CHIEF, item)
    await scene.settle(conflict, CADRE, GRIDS[0])
    told = await explained(scene, CHIEF, item)
    assert told.revisions[-1].en == f"A person named {GRIDS[0]}."
    with pytest.raises(Problem, match="not_found"):
        await explained(scene, WEST_CHIEF, item)


async def test_the_page_of_an_item_says_it_in_the_readers_language(scene: Scene, app_client: httpx.AsyncClient) -> None:
    change = claiming("0401", ("xiaofang", ONE))
    assert (await scene.push(change)).outcome == "applied"
    chief = await at_console(scene.services, app_client, CHIEF)
    page = await chief.get(f"/console/items/{change.item}")
    assert "为何属于这个网格" in page.text
    assert f"写明消防救援旧编码 {ONE};只可能是 {GRIDS[1]}。" in page.text
    english = await chief.get(f"/console/items/{change.item}?lang=en")
    assert f"Written with {ONE}, a code of “Fire and rescue”; which leaves {GRIDS[1]} alone." in english.text


@pytest.mark.long
async def test_it_is_asked_at_the_command_line(environ: dict[str, str], scene: Scene) -> None:
    change = claiming("0401", grid=RETIRED_GRID)
    item, conflict = await scene.park(change)
    ended = await shell(environ, "item", "explain", str(item), "--as", CADRE.phone)
    assert ended.status == 0, ended.err
    assert f"onegrid conflict show {conflict}" in ended.out
    answer = await shell(environ, "item", "explain", str(item), "--as", CADRE.phone, "--json")
    document = json.loads(answer.out)
    assert (document["item"], document["conflict"], document["grid"]) == (str(item), str(conflict), None)
    refused = await shell(environ, "item", "explain", str(item), "--as", WEST_CHIEF.phone, "--json")
    assert (refused.status, json.loads(refused.out)["error"]["code"]) == (1, "not_found")
