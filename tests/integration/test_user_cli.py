"""`onegrid user` as a person runs it: its output, its exit status."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from server.cli import run
from server.services import Services
from tests import builders
from tests.builders import ADMINISTRATOR, CADRE, CHIEF, COUNTY, GRIDS, STREET, WORKER, grid_id
from tests.integration.terminal import Ran, shell

pytestmark = pytest.mark.long

WHY = ("--reason", "人员调整")
NEWCOMER = "13911112222"
HEADING = "phone,name,role,grid,division,department,valid_from,valid_to"


class Terminal:
    """Runs `onegrid user …` against a test's server, 80 columns wide, as the county's administrator."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = os.environ | environ | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}

    async def __call__(self, *arguments: str, by: str = ADMINISTRATOR.phone) -> Ran:
        return await shell(self.environ, "user", *arguments, "--as", by)


@pytest.fixture
def user(environ: dict[str, str]) -> Terminal:
    return Terminal(environ)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await builders.build_city(services)


async def test_the_life_of_an_account(user: Terminal, truth: asyncpg.Connection) -> None:
    post = ("--role", "grid_worker", "--grid", GRIDS[0], "--from", "2025-01-01")
    made = await user("create", "--name", "王芳", "--phone", NEWCOMER, *post, *WHY)
    assert (made.status, "已完成 / done" in made.out) == (0, True)
    twice = await user("create", "--name", "王芳", "--phone", NEWCOMER, *WHY, "--json")
    assert (twice.status, twice.document["error"]["code"]) == (1, "phone_taken")
    given = await user("assign", NEWCOMER, "--role", "grid_chief", "--grid", GRIDS[1], *WHY, "--json")
    number = given.document["assignment"]
    assert await truth.fetchval("SELECT grid_id FROM assignment WHERE id = $1", number) == grid_id(GRIDS[1])
    person = UUID(given.document["user"])
    shown = await user("show", NEWCOMER)
    assert "139****2222" in shown.out
    assert "网格长 grid_chief" in shown.out
    ended = await user("unassign", NEWCOMER, "--assignment", str(number), *WHY, "--json")
    assert (ended.status, ended.document["assignments"]) == (0, [number])
    planned = await user("leave", NEWCOMER, *WHY, "--dry-run")
    assert "将会 / would be" in planned.out
    assert await truth.fetchval("SELECT left_at FROM users WHERE id = $1", person) is None
    assert (await user("leave", NEWCOMER, *WHY)).status == 0
    history = (await user("show", str(person), "--json")).document["person"]
    assert [one["state"] for one in history["posts"]] == ["ended", "ended"]
    assert history["left_at"] is not None
    everything = [made, twice, given, shown, ended, planned]
    assert not any(NEWCOMER in one.out + one.err for one in everything)


async def test_lists_are_of_the_own_area_masked_and_paged(user: Terminal, truth: asyncpg.Connection) -> None:
    chiefs = (await user("list", "--role", "grid_chief", "--division", STREET, "--json")).document["people"]
    assert len(chiefs) == 3
    assert {post["role"] for one in chiefs for post in one["posts"]} == {"grid_chief"}
    of_grid = (await user("list", "--grid", GRIDS[0])).out
    assert "网格员 grid_worker" in of_grid
    assert WORKER.phone not in of_grid
    first = (await user("list", "--limit", "12", "--json")).document
    second = (await user("list", "--limit", "12", "--cursor", first["next"], "--json")).document
    ids = [one["id"] for one in first["people"] + second["people"]]
    assert len(ids) == len(set(ids)) == await truth.fetchval("SELECT count(*) FROM users")
    assert second["next"] is None
    assert (await user("list", by=CADRE.phone)).status == 1


async def test_showing_a_number_needs_a_reason_and_is_on_record(user: Terminal, truth: asyncpg.Connection) -> None:
    assert (await user("list", "--grid", GRIDS[0], "--reveal")).status == 1
    assert await truth.fetchval("SELECT count(*) FROM audit") == 0
    revealed = await user("list", "--role", "grid_chief", "--grid", GRIDS[0], "--reveal", *WHY)
    assert CHIEF.phone in revealed.out
    rows = await truth.fetch("SELECT subject_id, reason FROM audit WHERE action = 'user.revealed'")
    assert {row["reason"] for row in rows} == {"人员调整"}
    assert str(CHIEF.id) in {row["subject_id"] for row in rows}


async def test_passwords_are_for_a_security_administrator(user: Terminal, truth: asyncpg.Connection) -> None:
    assert (await user("password", CADRE.phone, *WHY, "--json")).document["error"]["code"] == "forbidden"
    await truth.execute(
        "UPDATE assignment SET role = 'security_administrator', division = '341100000000' WHERE user_id = $1",
        builders.AUDITOR.id,
    )
    done = await user("password", CADRE.phone, *WHY, "--json", by=builders.AUDITOR.phone)
    assert len(done.document["password"]) == 12
    assert (await user("unlock", CADRE.phone, *WHY, by=builders.AUDITOR.phone)).status == 0
    stored = await truth.fetchval("SELECT password_hash FROM users WHERE id = $1", CADRE.id)
    assert stored.startswith("$argon2id$")


# Lists of people -------------------------------------------------------------------------------------------


def lines(*rows: str) -> str:
    return "\n".join([HEADING, *rows]) + "\n"


async def test_bad_lines_are_told_and_nothing_is_written(
    user: Terminal, truth: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        lines(
            f"{NEWCOMER},王芳,grid_worker,{GRIDS[0]},,,,",
            f"1391111222,李强,grid_worker,{GRIDS[0]},,,,",
            "13911112223,李强,grid_worker,341102001002001,,,,",
            f"{NEWCOMER},王方,grid_chief,{GRIDS[0]},,,,",
            f"{WORKER.phone},别人,grid_worker,{GRIDS[1]},,,,",
            f'13911112224,"赵\n敏",grid_worker,{GRIDS[1]},,,,',
            f"13911112225,孙丽,grid_worker,{GRIDS[1]},,,2025-13-01,",
            f"13911112226,周敏,grid_worker,{GRIDS[1]},,,,,",
        )
    )
    before = await truth.fetchval("SELECT count(*) FROM users")
    ran = await user("import", str(file), *WHY, "--json")
    assert ran.status == 1
    assert [(one["row"], one["code"]) for one in ran.document["bad"]] == [
        (3, "phone_invalid"),
        (4, "grid_unknown"),
        (5, "name_differs"),
        (6, "name_differs"),
        (8, "name_invalid"),
        (9, "date_invalid"),
        (10, "line_cells"),
    ]
    assert all(one["zh"] and one["en"] for one in ran.document["bad"])
    table = await user("import", str(file), *WHY)
    assert "未写入任何内容" in table.out
    assert not any(
        number in ran.out + ran.err + table.out + table.err for number in (NEWCOMER, WORKER.phone, "1391111222")
    )
    assert await truth.fetchval("SELECT count(*) FROM users") == before
    assert await truth.fetchval("SELECT count(*) FROM audit") == 0


async def test_a_spreadsheets_encoding_is_read_and_known_people_get_their_posts(
    user: Terminal, truth: asyncpg.Connection, tmp_path: Path
) -> None:
    name = await truth.fetchval("SELECT name FROM users WHERE id = $1", WORKER.id)
    file = tmp_path / "people.csv"
    text = lines(
        f"{NEWCOMER},王芳,grid_worker,{GRIDS[0]},,,2025/1/1,2099/12/31",
        "",
        f"{NEWCOMER},王芳,grid_chief,{GRIDS[1]},,,,",
        f"{WORKER.phone},{name},grid_worker,{GRIDS[1]},,,,",
        f"13911112223,李强,department_handler,,{COUNTY},shuili,,",
    )
    file.write_bytes(text.encode("gb18030"))
    planned = await user("import", str(file), *WHY, "--dry-run", "--json")
    counts = {key: planned.document[key] for key in ("rows", "new_people", "known_people", "assignments", "bad")}
    assert counts == {"rows": 4, "new_people": 2, "known_people": 1, "assignments": 4, "bad": []}
    assert await truth.fetchval("SELECT count(*) FROM audit") == 0
    done = await user("import", str(file), *WHY)
    assert (done.status, "已导入 / taken in" in done.out) == (0, True)
    assert await truth.fetchval("SELECT count(*) FROM assignment WHERE user_id = $1", WORKER.id) == 2
    assert await truth.fetchval("SELECT array_agg(DISTINCT name ORDER BY name) FROM users WHERE name ~ '[王李]'") == [
        "李强",
        "王芳",
    ]
    again = await user("import", str(file), *WHY, "--json")
    assert [(one["row"], one["code"]) for one in again.document["bad"]] == [
        (row, "assignment_overlaps") for row in (2, 4, 5, 6)
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00phone", b"name,role\n", b"phone,name,colour\n", b'phone,name\n"1'],
)
async def test_a_file_that_is_no_such_list_is_refused_whole(content: bytes, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    assert run(["user", "import", str(file), "--as", ADMINISTRATOR.phone, *WHY, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "import_unreadable"


async def test_six_thousand_people_are_taken_in_within_seconds(
    user: Terminal, truth: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(lines(*(f"1370000{n:04},甲{n},grid_worker,{GRIDS[n % 4]},,,," for n in range(6000))))
    began = time.monotonic()
    ran = await user("import", str(file), *WHY, "--json")
    took = time.monotonic() - began
    assert ran.document["assignments"] == 6000
    assert (
        await truth.fetchval("SELECT count(*) FROM assignment a JOIN users u ON u.id = a.user_id WHERE name ~ '甲'")
        == 6000
    )
    assert took < 20, took


# Usage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--name", "王芳", "--phone", NEWCOMER],
        ["create", "--name", "王芳", "--phone", NEWCOMER, "--grid", GRIDS[0], *WHY],
        ["assign", NEWCOMER, "--role", "grid_worker", "--from", "morgen", *WHY],
        ["unassign", NEWCOMER, "--assignment", "x", *WHY],
        ["list", "--division", "东社区"],
        ["list", "--limit", "0"],
        ["import", "no-such-file.csv", *WHY],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_a_sentence_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["user", *arguments, "--as", ADMINISTRATOR.phone]) == 2
    assert capsys.readouterr().out == ""


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        "",
        "first",
        "create",
        "assign",
        "unassign",
        "leave",
        "list",
        "show",
        "password",
        "unlock",
        "import",
    ):
        assert run(["user", *([command] if command else []), "--help"]) == 0
        text = capsys.readouterr().out
        assert "例 / Example" in text
        assert "onegrid user" in text
