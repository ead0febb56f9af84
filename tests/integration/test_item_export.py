"""Exports: who takes what out, what is in the file, how it is written, and what is on record of it."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec import json

from server.cli import run
from server.db.reading import ExportFilter
from server.errors import Problem
from server.sealing import Unsealable
from server.services import Services
from server.usecases import exporting
from server.usecases.exporting import ExportWish, export_items
from tests import builders
from tests.builders import ADMINISTRATOR, CADRE, CHIEF, GRIDS, WEST_CADRE, WEST_WORKER, WORKER, caller, create, enrol
from tests.integration.office import approve

SHOP: dict[str, Any] = {"name": "琅琊百货", "manager": "王秀英", "manager_phone": "13812341234", "address": "东街1号"}


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


@pytest.fixture
async def shop(services: Services) -> UUID:
    return await (await enrol(services, WORKER)).report("0103", **SHOP)


async def exported(
    services: Services, path: Path, file_format: Any = "csv", *, by: builders.Person = CADRE, **given: Any
) -> int:
    reveal, reason = given.pop("reveal", False), given.pop("reason", "消防检查")
    wanted: dict[str, Any] = {"type": "0103", "approved_only": False} | given
    narrowed = ExportFilter(**wanted)
    wish = ExportWish(narrowed=narrowed, file_format=file_format, reason=reason, reveal=reveal)
    return (await export_items(services, await caller(services, by), wish, path)).items


def left(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


async def test_a_table_tells_items_in_both_languages_and_masks_what_is_personal(
    services: Services, shop: UUID, tmp_path: Path
) -> None:
    path = tmp_path / "shops.csv"
    assert await exported(services, path) == 1
    (row,) = table(path)
    assert row["编号 id"] == str(shop)
    assert row["网格编码 grid code"] == GRIDS[0]
    assert row["印刷编码 printed code"].startswith(GRIDS[0])
    assert len(row["印刷编码 printed code"]) == 16
    assert row["网格边界为推算 outline is synthetic"] == "是 yes"
    assert row["单位名称 Name"] == "琅琊百货"
    assert (row["负责人 Person in charge"], "13812341234" in path.read_text()) == ("王*", False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert left(tmp_path) == [path.name]


async def test_revealing_shows_all_and_every_export_is_on_record(
    services: Services, shop: UUID, tmp_path: Path, truth: asyncpg.Connection
) -> None:
    await exported(services, tmp_path / "masked.csv", division="341182001001")
    await exported(services, tmp_path / "all.csv", reveal=True)
    assert "13812341234" in (tmp_path / "all.csv").read_text()
    rows = await truth.fetch("SELECT * FROM audit WHERE action = 'item.export' ORDER BY id")
    assert [(row["actor_id"], row["subject_id"], row["reason"]) for row in rows] == [(CADRE.id, "0103", "消防检查")] * 2
    masked, full = (json.decode(row["detail"]) for row in rows)
    assert (masked["items"], masked["division"], masked["revealed"]) == (1, "341182001001", False)
    assert (full["items"], full["division"], full["revealed"], full["format"]) == (1, None, True, "csv")


async def test_only_what_was_approved_leaves_as_it_was_approved(
    services: Services, app_client: httpx.AsyncClient, truth: asyncpg.Connection, tmp_path: Path
) -> None:
    phone, path = await enrol(services, WORKER), tmp_path / "hazards.jsonl"
    hazard = await phone.report("0401", urgency="normal", photos=[builders.photo(1)], at_risk=3)
    await phone.report("0401", urgency="normal")
    await builders.deliver(services, WORKER, 1)
    assert await exported(services, path, "jsonl", type="0401", approved_only=True) == 0
    await approve(services, app_client, truth, CHIEF, hazard)
    await phone.correct(hazard, at_risk=5, description="三楼")
    assert await exported(services, path, "jsonl", type="0401", approved_only=True) == 1
    head, line = map(json.decode, path.read_bytes().splitlines())
    assert {"key": "at_risk", "zh": "受影响户数", "en": "Homes at risk"} in head["columns"]
    assert (line["id"], line["version"], line["fields"]["at_risk"]) == (str(hazard), 1, 3)
    assert await exported(services, path, "jsonl", type="0401") == 2
    lines = [json.decode(one) for one in path.read_bytes().splitlines()[1:]]
    assert {one["id"]: one["version"] for one in lines}[str(hazard)] == 1


async def test_what_needs_no_approval_counts_as_approved(services: Services, tmp_path: Path) -> None:
    await (await enrol(services, WORKER)).report("0105", photos=[builders.photo(1)])
    await builders.deliver(services, WORKER, 1)
    assert await exported(services, tmp_path / "facilities.csv", type="0105", approved_only=True) == 1


@pytest.mark.parametrize("name", ["=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "＝1+1", " =1"])
async def test_no_text_becomes_a_formula(services: Services, tmp_path: Path, name: str) -> None:
    await (await enrol(services, WORKER)).report("0103", **SHOP | {"name": name})
    await exported(services, tmp_path / "shops.csv")
    assert table(tmp_path / "shops.csv")[0]["单位名称 Name"] == f"'{name}"
    await exported(services, tmp_path / "shops.xlsx", "xlsx")
    with zipfile.ZipFile(tmp_path / "shops.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert name.strip() in "".join(re.findall(r"<t[^>]*>([^<]*)</t>", sheet))


async def test_an_export_is_read_page_by_page(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_PAGE", 2)
    phone = await enrol(services, WORKER)
    shops = sorted([str(await phone.report("0103", **SHOP)) for _ in range(5)])
    await (await enrol(services, WEST_WORKER)).push(
        create("0103", grid=GRIDS[2], location=builders.point(GRIDS[2]), **SHOP)
    )
    assert await exported(services, tmp_path / "east.csv") == 5
    assert [row["编号 id"] for row in table(tmp_path / "east.csv")] == shops
    assert await exported(services, tmp_path / "west.csv", by=WEST_CADRE) == 1
    assert await exported(services, tmp_path / "street.csv", by=builders.STREET_CADRE) == 6
    assert await exported(services, tmp_path / "few.csv", by=builders.STREET_CADRE, division="341182001002") == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"by": ADMINISTRATOR}, "forbidden"),
        ({"type": "9999"}, "parameter_invalid"),
        ({"reason": " "}, "reason_needed"),
    ],
)
async def test_what_is_refused_leaves_no_file_and_no_trace(
    services: Services, shop: UUID, tmp_path: Path, truth: asyncpg.Connection, given: dict[str, Any], code: str
) -> None:
    with pytest.raises(Problem, match=code):
        await exported(services, tmp_path / "shops.csv", **given)
    assert left(tmp_path) == []
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'item.export'") == 0


async def test_a_failure_leaves_the_old_file_and_nothing_beside_it(
    services: Services, shop: UUID, tmp_path: Path, truth: asyncpg.Connection
) -> None:
    path = tmp_path / "shops.csv"
    path.write_text("old")
    await truth.execute("UPDATE item_key SET wrapped = '\\x00'")
    with pytest.raises(Unsealable):
        await exported(services, path)
    assert (path.read_text(), left(tmp_path)) == ("old", [path.name])


# At the command line ---------------------------------------------------------------------------------------

Onegrid = Callable[..., Any]


@pytest.fixture
def onegrid(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Onegrid:
    """Runs `onegrid item …` in a thread of its own: its status and what it wrote."""
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("COLUMNS", "100")

    async def call(*arguments: str, by: builders.Person = CADRE) -> tuple[int, str]:
        capsys.readouterr()
        status = await asyncio.to_thread(run, ["item", *arguments, "--as", by.phone])
        return status, capsys.readouterr().out

    return call


async def test_the_command_line_finds_shows_and_exports(onegrid: Onegrid, shop: UUID, tmp_path: Path) -> None:
    status, out = await onegrid("list", "--type", "0103")
    assert (status, str(shop) in out, "琅琊" in out) == (0, True, False)
    status, out = await onegrid("search", "琅琊", "--json")
    assert (status, [one["item"]["id"] for one in json.decode(out)["hits"]]) == (0, [str(shop)])
    status, out = await onegrid("search", "--phone", "13812341234")
    assert (status, str(shop) in out, "13812341234" in out) == (0, True, False)
    status, out = await onegrid("show", str(shop))
    assert (status, "王*" in out, "138****1234" in out, "王秀英" in out) == (0, True, True, False)
    status, out = await onegrid("show", str(shop), "--reveal", "--reason", "核对", "--json")
    assert (status, json.decode(out)["item"]["fields"]["manager"]) == (0, "王秀英")
    path = tmp_path / "shops.xlsx"
    given = ("--type", "0103", "--all", "--format", "xlsx", "-o", str(path), "--reason", "检查", "--json")
    status, out = await onegrid("export", *given)
    assert (status, json.decode(out)["items"], path.exists()) == (0, 1, True)


async def test_the_command_line_refuses_with_its_exit_status(onegrid: Onegrid, shop: UUID, tmp_path: Path) -> None:
    assert (await onegrid("show", str(shop), "--reveal"))[0] == 2
    assert (await onegrid("show", str(shop), by=WEST_CADRE))[0] == 1
    assert (await onegrid("search", "琅"))[0] == 1
    assert (await onegrid("search", "琅琊", "--division", "34"))[0] == 2
    given = ("--type", "0103", "--reason", "检查")
    assert (await onegrid("export", *given, "-o", str(tmp_path / "none" / "a.csv")))[0] == 2
    assert (await onegrid("export", *given, "-o", str(tmp_path / "a.csv"), by=ADMINISTRATOR))[0] == 1
    assert left(tmp_path) == []
