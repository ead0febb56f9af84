"""`onegrid registry plan`, `apply`, `resume`, `history`, `lineage` and `show --at` as a person runs them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import asyncpg
import pytest

from server.services import Services
from tests.builders import ADMINISTRATOR, EAST, GRIDS, WORKER, build_city, enrol
from tests.integration.evidence_scene import until
from tests.integration.registry_change_scene import FIRST, SECOND, split_of_first, spot
from tests.integration.test_cli_registry import Terminal, width

pytestmark = pytest.mark.long

WHY = ("--reason", "年度调整")


@pytest.fixture
async def onegrid(environ: dict[str, str], tmp_path: Path, services: Services) -> Terminal:
    """In a folder with a plan that splits the first grid, in which there are two items with and one without a place."""
    await build_city(services)
    phone = await enrol(services, WORKER)
    for place in (0.2, 0.8):
        await phone.report("0404", location=spot(place))
    await phone.report("0501")
    write(tmp_path, "1")
    return Terminal(environ, tmp_path)


def write(folder: Path, registry: str) -> None:
    files = split_of_first()
    plan = json.loads(files.plan) | {"outlines": "new.geojson", "registry": registry}
    folder.joinpath("plan.yaml").write_text(json.dumps(plan, ensure_ascii=False), encoding="utf-8")
    folder.joinpath("new.geojson").write_bytes(files.outlines or b"")


async def test_from_plan_to_lineage(onegrid: Terminal, truth: asyncpg.Connection) -> None:
    planned = await onegrid("plan", "plan.yaml", "--map", "plan.svg", by=ADMINISTRATOR)
    assert (planned.status, planned.err) == (0, "")
    assert "没有后继网格可容的台账" in planned.out
    assert max(map(width, planned.out.splitlines()[:-4])) <= 80
    picture = ElementTree.parse(onegrid.folder / "plan.svg").getroot()  # noqa: S314 our own
    titles = {title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")}
    assert {f"{FIRST} 新网格 new", f"{GRIDS[0]} 原边界 former outline"} <= titles
    assert await truth.fetchval("SELECT max(version) FROM registry_version") == 1
    told = await onegrid("plan", "plan.yaml", "--json", by=ADMINISTRATOR)
    assert {one["to"]: one["items"] for one in told.document["items"]["counts"]} == {FIRST: 1, SECOND: 1, None: 1}
    assert (await onegrid("apply", "plan.yaml", by=ADMINISTRATOR)).status == 2
    done = await onegrid("apply", "plan.yaml", *WHY, "--json", by=ADMINISTRATOR)
    assert (done.status, done.err) == (0, "")
    assert done.document["version"] == 2
    assert done.document["predicted"] == done.document["actual"] == told.document["items"]
    again = await onegrid("apply", "plan.yaml", *WHY, by=ADMINISTRATOR)
    assert again.status == 1
    assert "plan_outdated" in again.out
    resumed = await onegrid("resume", "2", *WHY, by=ADMINISTRATOR)
    assert (resumed.status, "与推演一致 / as foretold" in resumed.out) == (0, True)
    history = await onegrid("history", by=ADMINISTRATOR)
    assert "拆分 split 1" in history.out
    assert max(map(width, history.out.splitlines())) <= 80
    tree = await onegrid("lineage", FIRST, by=ADMINISTRATOR)
    assert tree.out.index(GRIDS[0]) < tree.out.index("去向 became")
    then = await onegrid("show", GRIDS[0], "--at", "1", "--json", by=ADMINISTRATOR)
    assert then.document["today"] == [FIRST, SECOND]
    shown = await onegrid("show", GRIDS[0], "--at", "1", by=ADMINISTRATOR)
    assert FIRST in shown.out


async def test_a_bad_plan_is_a_table_with_lines_and_status_1(onegrid: Terminal, truth: asyncpg.Connection) -> None:
    onegrid.folder.joinpath("bad.yaml").write_text(
        f"registry: 1\noperations:\n  - retire: '{EAST}077'\n  - renumber: '{GRIDS[0]}'\n    to: '{GRIDS[1]}'\n"
    )
    shown = await onegrid("apply", "bad.yaml", *WHY, by=ADMINISTRATOR)
    assert (shown.status, shown.err) == (1, "")
    assert "2 处问题,未写入任何内容 / 2 faults; nothing was written" in shown.out
    listed = await onegrid("plan", "bad.yaml", "--json", by=ADMINISTRATOR)
    assert [(one["row"], one["fault"], one["field"]) for one in listed.document["faults"]] == [
        (3, "grid_unknown", "operations[0].retire"),
        (5, "code_in_use", "operations[1].to"),
    ]
    missing = await onegrid("plan", "none.yaml", by=ADMINISTRATOR)
    assert missing.status == 2
    assert await truth.fetchval("SELECT max(version) FROM registry_version") == 1


async def test_a_command_that_is_killed_is_gone_on_with(onegrid: Terminal, truth: asyncpg.Connection) -> None:
    """Killed right after the version was published, while it waits for somebody who has been writing since before."""
    async with truth.transaction():
        await truth.fetch("SELECT id FROM item FOR UPDATE")
        process = await onegrid.start("apply", "plan.yaml", *WHY, by=ADMINISTRATOR)
        watcher = await asyncpg.connect(onegrid.environ["ONEGRID_DATABASE_URL"])
        await until(lambda: watcher.fetchval("SELECT true FROM registry_version WHERE version = 2"))
        process.kill()
        await process.wait()
        await watcher.close()
    assert await truth.fetchval("SELECT looked FROM registry_move") == 0
    resumed = await onegrid("resume", "2", *WHY, "--json", by=ADMINISTRATOR)
    assert (resumed.status, resumed.document["differences"]) == (0, [])
    assert resumed.document["actual"]["moved"] == 2
