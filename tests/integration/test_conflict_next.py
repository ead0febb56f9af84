"""`onegrid conflict next`: keys typed one after the other, as lines and at a real terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import sys
from uuid import UUID, uuid4

import asyncpg
import pytest

from server.services import Services
from tests.integration.conflict_planting import plant
from tests.integration.conflict_scene import DWELLING, Scene
from tests.integration.terminal import Terminal, onegrid
from tests.integration.town import COMMUNITY_EAST

__all__ = ["onegrid"]
WHY = ("--reason", "已电话核实")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> Scene:
    return await Scene.open(services, truth)


async def takes(scene: Scene) -> list[str | None]:
    """What was taken of each conflict, in the order in which they were opened."""
    return [row["take"] for row in await scene.truth.fetch("SELECT take FROM conflict ORDER BY opened_at, id")]


async def test_a_key_a_decision(scene: Scene, onegrid: Terminal) -> None:
    planted = await plant(scene, 4)
    ran = await onegrid("next", *WHY, "--json", typed="s\ni\nk\ns\n")
    assert ran.status == 0
    settled = [str(one) for one in (planted[0], planted[1], planted[3])]
    assert ran.document == {"settled": settled, "skipped": [str(planted[2])]}
    assert await takes(scene) == ["server", "incoming", None, "server"]
    assert "原值 base" in ran.err, "with --json everything is shown on stderr"


async def test_a_reason_is_asked_for_each_time_and_the_last_one_offered(scene: Scene, onegrid: Terminal) -> None:
    await plant(scene, 3)
    ran = await onegrid("next", typed="s\n走访核实\ni\n\ni\n住户来电\n")
    assert ran.status == 0
    rows = await scene.truth.fetch("SELECT reason FROM conflict ORDER BY opened_at, id")
    assert [row["reason"] for row in rows] == ["走访核实", "走访核实", "住户来电"]
    assert "已处理 settled: 3" in ran.out


async def test_without_a_reason_nothing_is_done_and_it_asks_again(scene: Scene, onegrid: Terminal) -> None:
    await plant(scene, 1)
    ran = await onegrid("next", typed="s\n\ns\n走访核实\n")
    assert "请填写原因" in ran.out
    assert await takes(scene) == ["server"]


async def test_the_last_one_is_taken_back_and_decided_anew(scene: Scene, onegrid: Terminal) -> None:
    planted = await plant(scene, 2)
    ran = await onegrid("next", *WHY, "--json", typed="s\nu\ni\nk\n")
    assert ran.document == {"settled": [str(planted[0])], "skipped": [str(planted[1])]}
    assert await takes(scene) == ["incoming", None]
    assert await scene.truth.fetchval("SELECT count(*) FROM revision WHERE op = 'undo'") == 1


async def test_a_merge_asks_about_each_field(scene: Scene, onegrid: Terminal) -> None:
    item = await scene.register()
    other = await scene.register()
    for one in (item, other):
        await scene.two_edits(one, {"name": "张三丰"}, {"name": "张山"})
    ran = await onegrid("next", *WHY, typed="m\nv\n张三风\nm\ni\n")
    assert ran.status == 0
    assert [(await scene.item(one)).fields["name"] for one in (item, other)] == ["张三风", "张山"]


async def test_a_duplicate_is_linked_with_its_twin(scene: Scene, onegrid: Terminal) -> None:
    first, second = (uuid4() for _ in range(2))
    for item in (first, second):
        await scene.push("worker", "create", item, DWELLING, of="0102")
    ran = await onegrid("next", *WHY, typed="l\n\n")
    assert f"并入 / one with: {first}" in ran.out
    assert (await scene.item(second)).deleted


async def test_revealing_asks_why_and_is_on_record(scene: Scene, onegrid: Terminal) -> None:
    await scene.two_edits(await scene.register(), {"name": "张三丰"}, {"name": "张山"})
    ran = await onegrid("next", typed="r\n核对姓名\nq\n")
    assert "张三丰" in ran.out
    assert await scene.truth.fetchval("SELECT reason FROM audit WHERE action = 'conflict.reveal'") == "核对姓名"
    assert await takes(scene) == [None]


async def test_quitting_leaves_the_rest(scene: Scene, onegrid: Terminal) -> None:
    await plant(scene, 3)
    assert (await onegrid("next", *WHY, typed="s\nx\nq\n")).status == 0
    assert await takes(scene) == ["server", None, None]
    assert (await onegrid("next", *WHY, typed="")).status == 0
    assert await takes(scene) == ["server", None, None]


async def test_what_is_refused_is_told_and_asked_again(scene: Scene, onegrid: Terminal) -> None:
    planted = await plant(scene, 1)
    item = await scene.truth.fetchval("SELECT item_id FROM conflict WHERE id = $1", planted[0])
    await scene.truth.execute("UPDATE item SET clear = '{}', sealed = NULL WHERE id = $1", item)
    ran = await onegrid("next", *WHY, typed="i\ns\n")
    assert "合并后的内容不合要求" in ran.out
    assert await takes(scene) == ["server"]


# At a real terminal --------------------------------------------------------------------------------------


@pytest.mark.long
async def test_at_a_terminal_no_enter_is_needed(scene: Scene, environ: dict[str, str]) -> None:
    planted = await plant(scene, 3)
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "server.cli", "conflict", "next", "--as", COMMUNITY_EAST.phone, *WHY]
    process = await asyncio.create_subprocess_exec(
        *command, env=os.environ | environ | {"COLUMNS": "100"}, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    try:
        for conflict, key in zip(planted, "siq", strict=True):
            await shown(master, conflict)
            os.write(master, key.encode())
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        os.close(master)
    assert await takes(scene) == ["server", "incoming", None]


async def shown(master: int, conflict: UUID) -> None:
    """Until the terminal shows this conflict and asks what is to be done."""
    seen = ""
    while not (str(conflict) in seen and "quit" in seen.split(str(conflict))[-1]):
        ready, _, _ = await asyncio.to_thread(select.select, [master], [], [], 30)
        assert ready, seen
        seen += os.read(master, 65536).decode(errors="replace")
