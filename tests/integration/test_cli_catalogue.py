"""`onegrid catalogue publish` as a person at a terminal runs it, and what other commands then tell by it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from server.services import Services
from tests.builders import ADMINISTRATOR, CADRE, WORKER, enrol, photo
from tests.integration.catalogue_scene import (
    PUBLISHER,
    Document,
    build,
    edition,
    field_of,
    type_of,
    without_field,
    written,
)
from tests.integration.terminal import Ran, shell

pytestmark = pytest.mark.long

AS = ("--as", PUBLISHER.phone)


@pytest.fixture(autouse=True)
async def city(services: Services) -> None:
    await build(services)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "next.json"


def renamed(version: str) -> Document:
    """The same forms in other words, and a field less."""
    raw = without_field(edition(version), "0105", "owner_unit")
    type_of(raw, "0105")["name_zh"] = "公共设施新名"
    field_of(raw, "0105", "name")["label_zh"] = "设施新称"
    next(role for role in raw["roles"] if role["code"] == "administrator")["zh"] = "管理员新称"
    return raw


def keep(file: Path, content: bytes) -> None:
    file.write_bytes(content)


async def at_terminal(environ: dict[str, str], typed: str, *arguments: str) -> Ran:
    """What is typed at a terminal; what is written goes elsewhere."""
    keyboard, terminal = os.openpty()
    os.write(keyboard, typed.encode())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", *arguments),
        env=environ | {"PYTHONIOENCODING": "utf-8"},
        stdin=terminal,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    os.close(keyboard)
    os.close(terminal)
    assert process.returncode is not None
    return Ran(process.returncode, out, err.decode())


def refused(ended: Ran, status: int, code: str) -> None:
    assert ended.status == status, ended
    assert json.loads(ended.out)["error"]["code"] == code


async def test_a_dry_run_then_the_publication(environ: dict[str, str], truth: asyncpg.Connection, file: Path) -> None:
    keep(file, written(renamed("2025.1")))
    tried = await shell(environ, "catalogue", "publish", str(file), *AS, "--dry-run", "--json")
    assert tried.status == 0, tried.err
    assert (json.loads(tried.out)["published"], json.loads(tried.out)["version"]) == (False, "2025.1")
    assert await truth.fetchval("SELECT count(*) FROM catalogue") == 0
    done = await shell(environ, "catalogue", "publish", str(file), *AS, "--reason", "年度目录", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["published"], told["before"], told["faults"]) == (True, "2024.2", [])
    assert await truth.fetchval("SELECT reason FROM audit WHERE action = 'catalogue.published'") == "年度目录"
    shown = await shell(environ, "catalogue", "show", "--json")
    assert json.loads(shown.out)["version"] == "2025.1"
    assert json.loads(shown.out)["accepted"] == ["2024.1", "2024.2", "2025.1"]
    whole = await shell(environ, "catalogue", "show", "--document")
    assert whole.out.encode() == written(renamed("2025.1"))
    compared = await shell(environ, "catalogue", "diff", "2024.2", "2025.1", "--json")
    assert compared.status == 0, compared.err
    assert {one["field"] for one in json.loads(compared.out)["differences"] if "field" in one} == {"owner_unit", "name"}
    again = await shell(environ, "catalogue", "publish", "2025.1", *AS, "--reason", "再次", "--json")
    assert again.status == 1
    assert [one["code"] for one in json.loads(again.out)["faults"]] == ["catalogue_version_taken"]


async def test_people_are_told_in_both_languages(environ: dict[str, str], file: Path) -> None:
    keep(file, written(renamed("2025.1")))
    tried = await shell(environ, "catalogue", "publish", str(file), *AS, "--dry-run")
    assert (tried.status, "未发布 not published" in tried.out) == (0, True)
    assert "旧值另存" in tried.out
    assert "手机 phones" in tried.out
    keep(file, written(renamed("2024.2")))
    told = await shell(environ, "catalogue", "publish", str(file), *AS, "--reason", "年度目录")
    assert told.status == 1
    assert all(word in told.out for word in ("catalogue_version_taken", "该版本已存在", "未发布 not published"))


async def test_wrong_usage_and_refusals(environ: dict[str, str], file: Path) -> None:
    keep(file, written(renamed("2025.1")))
    publish = ("catalogue", "publish")
    assert (await shell(environ, *publish, str(file))).status == 2
    assert (await shell(environ, *publish, "nowhere.json", *AS, "--dry-run")).status == 2
    assert (await shell(environ, *publish, "1999.1", *AS, "--dry-run")).status == 2
    refused(await shell(environ, *publish, str(file), *AS, "--json"), 1, "reason_needed")
    by_county = ("--as", ADMINISTRATOR.phone, "--reason", "年度目录", "--json")
    refused(await shell(environ, *publish, str(file), *by_county), 1, "forbidden")
    keep(file, b"no json")
    faulty = await shell(environ, *publish, str(file), *AS, "--dry-run", "--json")
    assert (faulty.status, [one["code"] for one in json.loads(faulty.out)["faults"]]) == (1, ["catalogue_faulty"])
    about = await shell(environ, *publish, "--help")
    assert "没有撤销" in about.out
    assert "There is no undo" in about.out


async def test_at_a_terminal_it_is_shown_first_and_the_reason_asked_for(
    environ: dict[str, str], truth: asyncpg.Connection, file: Path
) -> None:
    keep(file, written(renamed("2025.1")))
    ended = await at_terminal(environ, "年度目录\n", "catalogue", "publish", str(file), *AS)
    assert ended.status == 0, ended.err
    assert ended.err.index("2024.2 → 2025.1") < ended.err.index("原因 / why")
    assert "已发布 published: 2025.1" in ended.out
    assert await truth.fetchval("SELECT reason FROM audit WHERE action = 'catalogue.published'") == "年度目录"
    keep(file, written(renamed("2025.1")))
    again = await at_terminal(environ, "", "catalogue", "publish", str(file), *AS)
    assert (again.status, "原因 / why" in again.err) == (1, False)


async def test_other_commands_speak_by_the_published_one(
    environ: dict[str, str], services: Services, file: Path
) -> None:
    phone = await enrol(services, WORKER)
    item = await phone.report("0105", photos=[photo(1)])
    keep(file, written(renamed("2025.1")))
    assert (await shell(environ, "catalogue", "publish", str(file), *AS, "--reason", "年度目录")).status == 0
    by = ("--as", CADRE.phone)
    for arguments, words in (
        (("item", "show", str(item), *by), ("公共设施新名", "设施新称")),
        (("item", "list", *by), ("公共设施新名",)),
        (("item", "explain", str(item), *by), ("公共设施新名",)),
        (("retention", "show"), ("公共设施新名",)),
        (("user", "show", PUBLISHER.phone, *AS), ("管理员新称",)),
    ):
        ended = await shell(environ, *arguments)
        assert ended.status == 0, ended.err
        assert all(word in ended.out.replace("\n", "") for word in words), (arguments, ended.out)
