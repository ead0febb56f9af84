"""A file of legacy codes becomes a registry version, whole or not at all; what a code stands for; the commands."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.cli import run
from server.db import crosswalk
from server.errors import Problem
from server.services import RegistryHolder, Services
from server.usecases.crosswalk import CrosswalkReport, code_meaning, import_crosswalk, list_codes
from server.usecases.registry_import import ImportOrder
from tests.builders import ADMINISTRATOR, CADRE, EAST, GRIDS, WEST, Person, build_city, caller, grid_id
from tests.integration.terminal import shell

pytestmark = pytest.mark.long

HEADER = "department,legacy_code,valid_from,valid_to,community_code,grid_code,note"
FILE = f"""# invented
{HEADER}
xiaofang,XF-1,2017-11-01,2023-12-31,,{GRIDS[1]},one: 消防网格
# a comment between rows
yingji,YJ-1,2019-10-01,2023-12-31,{EAST},,"covers: 应急网格,全街道"
yingji,YJ-1,2019-10-01,2023-12-31,{WEST},,"covers: 应急网格,全街道"
xiaofang,ｘｆ-2,2017-11-01,,{EAST},,ambiguous: 只属其一
xiaofang,XF-2,2017-11-01,,{WEST},,待定：只属其一
zhengfawei,ZZ-1,2015-01-01,2019-04-30,{EAST},,retired: 无后继
"""


@pytest.fixture
async def city(services: Services) -> Services:
    await build_city(services)
    return services


async def take_in(services: Services, text: str | bytes, *, by: Person = ADMINISTRATOR, **more: Any) -> CrosswalkReport:
    order = ImportOrder(actor=await caller(services, by), reason="七部门旧码", **more)
    return await import_crosswalk(services, order, text if isinstance(text, bytes) else text.encode())


async def stored(truth: asyncpg.Connection) -> list[asyncpg.Record]:
    return await truth.fetch("SELECT * FROM crosswalk ORDER BY id")


async def test_a_file_becomes_one_version_that_every_process_sees(city: Services, truth: asyncpg.Connection) -> None:
    other = RegistryHolder(city.database)
    await other.refresh()
    report = await take_in(city, FILE)
    assert (report.rows, report.new, report.changed, report.version, report.faults) == (6, 6, 0, 2, [])
    assert {(row["legacy_code"], row["sense"]) for row in await stored(truth)} == {
        ("XF-1", "covers"),
        ("YJ-1", "covers"),
        ("XF-2", "one_of"),
        ("ZZ-1", "retired"),
    }
    version = await truth.fetchrow("SELECT * FROM registry_version WHERE version = 2")
    assert (version["note"], version["published_by"]) == ("七部门旧码", ADMINISTRATOR.id)
    assert await truth.fetchval("SELECT detail->>'new' FROM audit WHERE action = 'crosswalk.imported'") == "6"
    other._checked_at = float("-inf")
    await other.refresh()
    assert other.registry.version == 2
    reading = other.registry.crosswalk.read("xiaofang", "xf-1", date(2026, 1, 1))
    assert (reading.answer, reading.grids) == ("one", (grid_id(GRIDS[1]),))


async def test_the_same_file_again_publishes_nothing(city: Services, truth: asyncpg.Connection) -> None:
    await take_in(city, FILE)
    again = await take_in(city, FILE)
    assert (again.new, again.unchanged, again.left_out, again.version) == (0, 6, 0, None)
    assert await truth.fetchval("SELECT max(version) FROM registry_version") == 2


async def test_a_changed_row_succeeds_the_old_one_and_rows_left_out_stay(
    city: Services, truth: asyncpg.Connection
) -> None:
    await take_in(city, FILE)
    report = await take_in(city, f"{HEADER}\nxiaofang,XF-1,2017-11-01,,,{GRIDS[1]},one: 消防网格\n")
    assert (report.new, report.changed, report.left_out, report.version) == (0, 1, 5, 3)
    rows = [row for row in await stored(truth) if row["legacy_code"] == "XF-1"]
    assert [(row["valid_to"], row["from_version"], row["to_version"]) for row in rows] == [
        (date(2023, 12, 31), 2, 3),
        (None, 3, None),
    ]
    assert len(await list_codes(city, None, None)) == 6


async def test_every_bad_row_is_told_by_its_line_and_nothing_is_written(
    city: Services, truth: asyncpg.Connection
) -> None:
    lines = [
        f"fire,XF-1,2017-11-01,,{EAST},,",
        "xiaofang,XF-2,2017-11-01,,341199001001,,",
        "xiaofang,XF-3,2017-11-01,,,341182001001777,",
        f"xiaofang,XF-4,2017-13-01,,{EAST},,",
        f"xiaofang,XF-5,,,{EAST},,",
        f"xiaofang,XF-6,2017-11-01,2016-01-01,{EAST},,",
        f"xiaofang, ,2017-11-01,,{EAST},,",
        f"xiaofang,3.41E+13,2017-11-01,,{EAST},,",
        "xiaofang,XF-8,2017-11-01,,,,",
        f"xiaofang,XF-9,2017-11-01,,{EAST},{GRIDS[0]},",
        f"xiaofang,XF-10,2017-11-01,,{EAST}",
        f"xiaofang,XF-11,2017-11-01,,{EAST},,",
        "# between",
        f"xiaofang,xf-11,2017-11-01,2020-01-01,{EAST},,",
        f"xiaofang,{'X' * 41},2017-11-01,,{EAST},,",
    ]
    report = await take_in(city, "\n".join(["# first", HEADER, *lines]))
    assert [(one.row, one.fault) for one in report.faults] == [
        (3, "department_unknown"),
        (4, "community_unknown"),
        (5, "grid_unknown"),
        (6, "date_invalid"),
        (7, "valid_from_missing"),
        (8, "dates_reversed"),
        (9, "legacy_code_invalid"),
        (10, "legacy_code_invalid"),
        (11, "place_unclear"),
        (12, "place_unclear"),
        (13, "row_cells"),
        (16, "crosswalk_duplicate"),
        (17, "legacy_code_invalid"),
    ]
    assert report.version is None
    assert await stored(truth) == []
    assert await truth.fetchval("SELECT max(version) FROM registry_version") == 1
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'crosswalk.imported'") == 0


async def test_a_dry_run_writes_nothing(city: Services, truth: asyncpg.Connection) -> None:
    report = await take_in(city, FILE, dry_run=True)
    assert (report.new, report.version, report.dry_run) == (6, None, True)
    assert await stored(truth) == []


async def test_only_who_publishes_a_place_gives_it_codes(city: Services, truth: asyncpg.Connection) -> None:
    with pytest.raises(Problem) as caught:
        await take_in(city, FILE, by=CADRE)
    assert caught.value.code == "forbidden"
    await truth.execute("INSERT INTO division (code, tier, name_zh) VALUES ('341103000000', 'county', '南谯区')")
    await truth.execute("UPDATE assignment SET division = '341103000000' WHERE user_id = $1", ADMINISTRATOR.id)
    report = await take_in(city, FILE)
    assert {one.fault for one in report.faults} == {"out_of_area"}
    assert await stored(truth) == []


@pytest.mark.parametrize("raw", [b"", b"a,b\n1,2\n", b"\xff\xff\xff", b"department,legacy_code\n"])
async def test_what_is_no_such_table_is_refused_as_a_whole(city: Services, raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        await take_in(city, raw)
    assert caught.value.code == "import_unreadable"


async def test_two_imports_at_once_become_two_versions(city: Services, truth: asyncpg.Connection) -> None:
    files = [f"{HEADER}\nxiaofang,XF-{number},2017-11-01,,{EAST},,\n" for number in range(4)]
    reports = await asyncio.gather(*(take_in(city, file) for file in files))
    assert sorted(report.version for report in reports) == [2, 3, 4, 5]
    assert len(await stored(truth)) == 4


async def test_what_a_code_stands_for_on_a_day(city: Services) -> None:
    await take_in(city, FILE)
    city.registry_holder._checked_at = float("-inf")
    await city.registry_holder.refresh()
    meaning = await code_meaning(city, "yingji", "yj-1", date(2026, 1, 1))
    assert (meaning.answer, [one.code for one in meaning.grids]) == ("several", list(GRIDS))
    assert [row.place for row in meaning.rows] == [EAST, WEST]
    assert (await code_meaning(city, "yingji", "YJ-1", date(2019, 9, 30))).answer == "unknown"
    assert (await code_meaning(city, "xiaofang", "XF-2", date(2026, 1, 1))).answer == "ambiguous"
    assert (await code_meaning(city, "zhengfawei", "ZZ-1", date(2016, 1, 1))).answer == "retired"


async def test_the_legacy_codes_of_a_grid_are_those_that_cover_it(city: Services) -> None:
    await take_in(city, FILE)
    async with city.database.read() as connection:
        found = await crosswalk.legacy_codes_of(connection, [grid_id(GRIDS[1]), grid_id(GRIDS[2]), grid_id("none")])
    assert found == {
        grid_id(GRIDS[1]): [("xiaofang", "XF-1"), ("yingji", "YJ-1")],
        grid_id(GRIDS[2]): [("yingji", "YJ-1")],
    }


async def test_the_commands_import_list_and_show(city: Services, environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "codes.csv"
    file.write_bytes(b"\xef\xbb\xbf" + FILE.encode())
    given = ("--as", ADMINISTRATOR.phone, "--reason", "七部门旧码")
    tried = await onegrid(environ, "import", str(file), *given, "--dry-run")
    assert (tried[0], "试运行" in tried[1]) == (0, True), tried
    done = await onegrid(environ, "import", str(file), *given, "--json")
    assert (done[0], json.loads(done[1])["version"]) == (0, 2)
    listed = await onegrid(environ, "list", "--department", "yingji", "--json")
    assert [row["place"] for row in json.loads(listed[1])["rows"]] == [EAST, WEST]
    shown = await onegrid(environ, "show", "xiaofang", "XF-1", "--json")
    document = json.loads(shown[1])
    assert (document["answer"], [one["code"] for one in document["grids"]]) == ("one", [GRIDS[1]])
    drawn = await onegrid(environ, "show", "yingji", "yj-1", "--at", "2020-01-01")
    assert (drawn[0], drawn[1].count(GRIDS[3]), "several" in drawn[1]) == (0, 1, True), drawn
    file.write_text(FILE.replace("xiaofang,XF-1", "fire,XF-1"))
    refused = await onegrid(environ, "import", str(file), *given)
    assert (refused[0], "1 faults; nothing was written" in refused[1]) == (1, True), refused
    told = await onegrid(environ, "import", str(file), *given, "--json")
    assert (told[0], [one["fault"] for one in json.loads(told[1])["faults"]]) == (1, ["department_unknown"])


async def onegrid(environ: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the command in 80 columns."""
    ran = await shell(environ | {"COLUMNS": "80"}, "crosswalk", *arguments)
    return ran.status, ran.out, ran.err


@pytest.mark.parametrize(
    "arguments",
    [["import", "nowhere.csv", "--as", "1", "--reason", "x"], ["show", "xiaofang"], ["show", "a", "b", "--at", "now"]],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["crosswalk", *arguments]) == 2
    assert capsys.readouterr().out == ""
