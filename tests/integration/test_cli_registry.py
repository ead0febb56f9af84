"""`onegrid registry` as a person runs it: its output, its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import asyncpg
import pytest
import shapely

from server.cli import run
from tests.builders import Person
from tests.integration.registry_scene import drawing, everything, row, square, table, town_rows
from tests.integration.terminal import Ran, shell
from tests.integration.town import (
    ADMINISTRATOR,
    COMMUNITY_EAST,
    EAST,
    HANDLER,
    STREET,
    WEST,
    WORKER_EAST,
    Citizen,
    grid_id,
)

pytestmark = pytest.mark.long

WHY = ("--reason", "2024 年度调整")


class Terminal:
    """Runs `onegrid registry …` against a test's server, 80 columns wide."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.environ = os.environ | environ | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
        self.folder = folder

    async def start(self, *arguments: str, by: Citizen | Person = ADMINISTRATOR) -> asyncio.subprocess.Process:
        """The command as a process of its own, as it begins."""
        command = [sys.executable, "-m", "server.cli", "registry", *arguments, "--as", by.phone]
        return await asyncio.create_subprocess_exec(
            *command, env=self.environ, cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )

    async def __call__(self, *arguments: str, by: Citizen | Person = ADMINISTRATOR) -> Ran:
        with contextlib.chdir(self.folder):
            return await shell(self.environ, "registry", *arguments, "--as", by.phone)

    def files(self, rows: list[Any], outlines: bytes | None = None) -> tuple[str, str]:
        self.folder.joinpath("grids.csv").write_bytes(table(rows))
        self.folder.joinpath("outlines.geojson").write_bytes(outlines or drawing(rows))
        return "grids.csv", "outlines.geojson"


@pytest.fixture
def onegrid(environ: dict[str, str], tmp_path: Path, small_town: None) -> Terminal:
    return Terminal(environ, tmp_path)


def width(line: str) -> int:
    """Columns that a line takes in a terminal."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in line)


async def test_an_import_from_trial_to_publication(onegrid: Terminal, truth: asyncpg.Connection) -> None:
    before = await everything(truth)
    files = onegrid.files([town_rows()[0]._replace(name="改名"), row(f"{WEST}002", "新网格", square(3))])
    tried = await onegrid("import", *files, "--crs", "wgs84", *WHY, "--dry-run")
    assert (tried.status, tried.err) == (0, "")
    assert "试运行,未写入 / dry run" in tried.out
    assert await everything(truth) == before
    done = await onegrid("import", *files, "--crs", "wgs84", *WHY)
    assert done.status == 0
    assert "新增 new 1, 变更 changed 1, 不变 unchanged 0" in done.out
    assert "left as they are: 2" in done.out
    assert "registry version 2" in done.out
    again = await onegrid("import", *files, "--crs", "wgs84", *WHY, "--json")
    assert (again.status, again.err) == (0, "")
    assert {"rows": 2, "unchanged": 2, "version": None, "faults": []}.items() <= again.document.items()


async def test_bad_rows_are_a_table_or_a_document_and_status_1(onegrid: Terminal, truth: asyncpg.Connection) -> None:
    before = await everything(truth)
    rows = [row(f"{WEST}002", "压线", square(2.5)), row("3411820010010010", "\x1b[2J[red]校验位错", square(9))]
    files = onegrid.files(rows)
    shown = await onegrid("import", *files, "--crs", "wgs84", *WHY)
    assert shown.status == 1
    assert "3 处问题,未写入任何内容 / 3 faults; nothing was written" in shown.out
    assert "\x1b" not in shown.out
    assert max(map(width, shown.out.splitlines()[:-1])) <= 80
    listed = await onegrid("import", *files, "--crs", "wgs84", *WHY, "--json")
    assert listed.status == 1
    faults = listed.document["faults"]
    assert [(one["row"], one["fault"]) for one in faults] == [
        (2, "overlap"),
        (3, "text_invalid"),
        (3, "code_check_digit"),
    ]
    assert all(one.keys() == {"row", "code", "fault", "field", "zh", "en"} for one in faults)
    assert await everything(truth) == before


async def test_a_refusal_is_one_sentence_or_one_document(onegrid: Terminal) -> None:
    files = onegrid.files(town_rows())
    unsaid = await onegrid("import", *files, *WHY)
    assert (unsaid.status, unsaid.written) == (1, b"")
    assert "--crs" in unsaid.err
    assert "(OUTLINES)" in unsaid.err
    worker = await onegrid("import", *files, "--crs", "wgs84", *WHY, "--json", by=WORKER_EAST)
    assert (worker.status, worker.document["error"]["code"]) == (1, "forbidden")
    refused = await onegrid("list", by=WORKER_EAST)
    assert (refused.status, refused.written) == (1, b"")
    assert "Community" in refused.err


async def test_a_grid_is_shown_by_either_code(onegrid: Terminal, truth: asyncpg.Connection) -> None:
    named = town_rows()[0]._replace(name="东一网格", more={"compounds": "东苑", "micro_grids": "01:东片"})
    await onegrid("import", *onegrid.files([named]), "--crs", "wgs84", *WHY)
    await truth.execute(
        "INSERT INTO crosswalk (department, legacy_code, valid_from, community, from_version) "
        "VALUES ('gongan', 'GA-77', '2020-01-01', $1, 1)",
        EAST,
    )
    shown = await onegrid("show", f"{EAST}0013", by=COMMUNITY_EAST)
    assert shown.status == 0
    for words in ("3411820010010013", "东社区 East < 明光街道 < 明光市 < 滁州市", f"{EAST}001-01 东片", "gongan:GA-77"):
        assert words in " ".join(shown.out.split())
    assert max(map(width, shown.out.splitlines())) <= 80
    detail = (await onegrid("show", f"{EAST}001", "--json", by=HANDLER)).document
    assert (detail["id"], detail["current"]) == (str(grid_id(f"{EAST}001")), True)
    assert detail["team"] == {"grid_worker": 1, "grid_chief": 1}
    assert [(one["from_version"], one["to_version"], one["name"]) for one in detail["labels"]] == [
        (2, None, "东一网格"),
        (1, 2, "第1网格"),
    ]
    await truth.execute("UPDATE grid_label SET to_version = 2 WHERE code = $1", f"{WEST}001")
    retired = await onegrid("show", f"{WEST}001", "--json")
    assert (retired.status, retired.document["current"]) == (0, False)
    mistyped = await onegrid("show", f"{EAST}0014")
    assert (mistyped.status, "check digit" in mistyped.err) == (1, True)
    unknown = await onegrid("show", f"{EAST}099", "--json")
    assert (unknown.status, unknown.document["error"]["code"]) == (1, "not_found")


async def test_lists_go_on_where_they_ended(onegrid: Terminal) -> None:
    first = (await onegrid("list", "--limit", "2", "--json")).document
    assert [one["code"] for one in first["grids"]] == [f"{EAST}001", f"{EAST}002"]
    second = (await onegrid("list", "--limit", "2", "--cursor", first["next"], "--json")).document
    assert ([one["code"] for one in second["grids"]], second["next"]) == ([f"{WEST}001"], None)
    west = await onegrid("list", "--division", WEST)
    assert (f"{WEST}001" in west.out, f"{EAST}001" in west.out) == (True, False)
    assert (await onegrid("list", "--division", STREET, "--kind", "dedicated")).out.startswith("没有网格")
    broken = await onegrid("list", "--cursor", "?", "--json")
    assert (broken.status, broken.document["error"]["code"]) == (1, "parameter_invalid")


async def test_exports_open_elsewhere(onegrid: Terminal, truth: asyncpg.Connection) -> None:
    # Outlines of before the registry had a form of its own: clockwise, and open.
    backwards = [[list(vertex) for vertex in square(0)[:0:-1]]]
    await truth.execute(
        "UPDATE grid_label SET outline = $2::jsonb WHERE code = $1", f"{EAST}001", json.dumps(backwards)
    )
    written = await onegrid("export", "--format", "geojson", "-o", "out.geojson", "--json", by=COMMUNITY_EAST)
    assert written.document == {"file": "out.geojson", "format": "geojson", "grids": 3, "version": 1}
    collection = json.loads(onegrid.folder.joinpath("out.geojson").read_bytes())
    assert (collection["type"], "crs" in collection) == ("FeatureCollection", False)
    for one in collection["features"]:
        (ring,) = one["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert shapely.Polygon(ring).exterior.is_ccw
        assert one["properties"]["synthetic"] is True
        assert len(one["properties"]["printed"]) == 16
    plain = await onegrid("export", "--format", "csv", "--division", WEST)
    assert plain.written.startswith(b"\xef\xbb\xbfcode,printed,name,kind,community,")
    assert plain.out.count("\n") == 2
    nowhere = await onegrid("export", "--format", "csv", "-o", "none/out.csv")
    assert (nowhere.status, nowhere.written) == (2, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "grids.csv", "outlines.geojson", *WHY],
        ["import"],
        ["export", "--format", "csv", "--json"],
        ["export", "--format", "shp"],
        ["export"],
        ["list", "--division", "东社区"],
        ["list", "--kind", "old"],
        ["show"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_a_sentence_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["registry", *arguments, "--as", ADMINISTRATOR.phone]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert "Error: " in written.err


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["import"], ["show"], ["list"], ["export"]):
        assert run(["registry", *command, "--help"]) == 0
        text = capsys.readouterr().out
        assert "例 / Example" in text
        assert "onegrid registry" in text
