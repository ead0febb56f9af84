"""`onegrid item erase` as a person runs it."""

from __future__ import annotations

import json

import asyncpg
import httpx
import pytest

from server.services import Services
from tests.builders import CADRE
from tests.integration.erasing_scene import Scene, open_scene
from tests.integration.terminal import shell


@pytest.fixture
async def scene(services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection) -> Scene:
    return await open_scene(services, app_client, truth)


async def test_it_asks_before_it_erases_for_good(environ: dict[str, str], scene: Scene) -> None:
    erase = ["item", "erase", str(scene.resident), "--as", CADRE.phone, "--reason", "本人申请删除"]
    unasked = await shell(environ, *erase)
    assert unasked.status == 2
    assert "--yes" in unasked.err
    shown = await shell(environ, *erase, "--dry-run")
    assert shown.status == 0, shown.err
    assert "实有人口信息 Residents" in shown.out
    assert "钱" not in shown.out + shown.err
    keys = "SELECT count(*) FROM item_key WHERE item_id = $1"
    assert await scene.truth.fetchval(keys, scene.resident) == 1
    done = await shell(environ, *erase, "--yes", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["dry_run"], told["item"], told["tally"]["items"]) == (False, str(scene.resident), 1)
    assert await scene.truth.fetchval(keys, scene.resident) == 0
    again = await shell(environ, *erase, "--yes", "--json")
    assert (again.status, json.loads(again.out)["error"]["code"]) == (1, "item_erased")
