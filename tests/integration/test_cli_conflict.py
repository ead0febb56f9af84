"""`onegrid conflict` as a person runs it: its output, its exit status."""

from __future__ import annotations

import json
from unicodedata import east_asian_width
from uuid import UUID

import asyncpg
import pytest

from server.cli import run
from server.services import Services
from tests.integration.conflict_scene import Scene
from tests.integration.terminal import Terminal, onegrid
from tests.integration.town import ADMINISTRATOR, CHIEF_EAST, COMMUNITY_EAST, WORKER_EAST, Citizen

__all__ = ["onegrid"]

pytestmark = pytest.mark.long

PERSONAL = ("张三", "张山", "13800001234", "13900005678", "11010519491231002X")
WHY = ("--reason", "已电话核实")


@pytest.fixture
async def scene(services: Services, small_town: None, truth: asyncpg.Connection) -> Scene:
    return await Scene.open(services, truth)


@pytest.fixture
async def item(scene: Scene) -> UUID:
    return await scene.register()


@pytest.fixture
async def conflict(scene: Scene, item: UUID) -> UUID:
    """The chief calls a resident 张三丰, the worker, offline, 张山."""
    return await scene.two_edits(item, {"name": "张三丰"}, {"name": "张山"})


def width(line: str) -> int:
    """Columns that a line takes in a terminal."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in line)


async def test_a_list_names_fields_and_no_values(onegrid: Terminal, conflict: UUID, item: UUID) -> None:
    shown, listed = await onegrid("list"), await onegrid("list", "--json")
    assert (shown.status, listed.status) == (0, 0)
    assert str(conflict)[:8] in shown.out
    assert "姓名" in shown.out
    assert [one["id"] for one in listed.document["conflicts"]] == [str(conflict)]
    assert listed.document["conflicts"][0]["fields"] == [{"key": "name", "zh": "姓名", "en": "Name"}]
    assert not any(value in shown.out + listed.out for value in PERSONAL)


async def test_showing_masks_what_is_personal_and_says_what_differs(onegrid: Terminal, conflict: UUID) -> None:
    shown = await onegrid("show", str(conflict))
    assert shown.status == 0
    assert "张*" in shown.out
    assert not any(value in shown.out for value in PERSONAL)
    assert shown.out.count("* 张*") == 2, "both sides differ from the base"
    assert max(map(width, shown.out.splitlines())) <= 80
    document = (await onegrid("show", str(conflict), "--json")).document
    assert (document["fields"][0]["base"], document["fields"][0]["masked"]) == ("张*", True)
    assert not any(value in json.dumps(document, ensure_ascii=False) for value in PERSONAL)


async def test_revealing_needs_a_reason_and_is_audited(
    onegrid: Terminal, conflict: UUID, truth: asyncpg.Connection
) -> None:
    refused = await onegrid("show", str(conflict), "--reveal")
    assert (refused.status, refused.out) == (2, "")
    assert "--reason" in refused.err
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'conflict.reveal'") == 0
    revealed = await onegrid("show", str(conflict), "--reveal", *WHY)
    assert revealed.status == 0
    assert all(value in revealed.out for value in ("张三", "* 张三丰", "* 张山"))
    row = await truth.fetchrow("SELECT * FROM audit WHERE action = 'conflict.reveal'")
    assert (row["actor_id"], row["subject_id"], row["reason"]) == (COMMUNITY_EAST.id, str(conflict), "已电话核实")


async def test_settling_undoing_and_settling_again(onegrid: Terminal, scene: Scene, conflict: UUID, item: UUID) -> None:
    begin = str(conflict)[:6]
    first = await onegrid("resolve", begin, "--take", "incoming", *WHY, "--json")
    assert (first.status, first.document["state"], first.document["version"]) == (0, "resolved", 3)
    assert (await scene.item(item)).fields["name"] == "张山"
    assert "张" not in first.out
    undone = await onegrid("undo", begin, *WHY, by=CHIEF_EAST)
    assert undone.status == 0
    assert "重新打开 open again" in undone.out
    assert (await scene.item(item)).fields["name"] == "张三丰"
    again = await onegrid("resolve", begin, "--take", "merge", "--set", "name=张三风", *WHY)
    assert again.status == 0
    assert (await scene.item(item)).fields["name"] == "张三风"
    settled = await onegrid("show", begin)
    assert "原因 / reason: 已电话核实" in settled.out
    assert (await onegrid("list")).out.strip() == "没有冲突 / No conflicts."


async def test_a_dry_run_changes_nothing(onegrid: Terminal, scene: Scene, conflict: UUID) -> None:
    whole = await scene.everything()
    tried = await onegrid("resolve", str(conflict), "--take", "merge", "--field", "name=incoming", *WHY, "--dry-run")
    assert tried.status == 0
    assert "将会 / would be" in tried.out
    assert await scene.everything() == whole


async def test_typed_values_are_those_of_the_form(onegrid: Terminal, scene: Scene, conflict: UUID, item: UUID) -> None:
    typed = ("--set", "relation=配偶", "--set", "living_here=否", "--set", "phone=", "--field", "name=server")
    assert (await onegrid("resolve", str(conflict), "--take", "merge", *typed, *WHY)).status == 0
    fields = (await scene.item(item)).fields
    assert (fields["relation"], fields["living_here"], "phone" in fields) == ("spouse", False, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["resolve", "1a2b3c", "--take", "server"],
        ["resolve", "1a2b3c", "--take", "server", "--reason", " "],
        ["resolve", "1a2b3", "--take", "server", *WHY],
        ["resolve", "zzzzzz", "--take", "server", *WHY],
        ["resolve", "1a2b3c", "--take", "ours", *WHY],
        ["resolve", "1a2b3c", *WHY],
        ["resolve", "1a2b3c", "--take", "merge", *WHY],
        ["resolve", "1a2b3c", "--take", "server", "--field", "name=server", *WHY],
        ["resolve", "1a2b3c", "--take", "merge", "--field", "name=mine", *WHY],
        ["resolve", "1a2b3c", "--take", "merge", "--field", "name=server", "--set", "name=x", *WHY],
        ["undo", "1a2b3c"],
        ["list", "--older-than", "yesterday"],
        ["list", "--division", "东社区"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_a_sentence_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conflict", *arguments, "--as", COMMUNITY_EAST.phone]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert "Error: " in written.err


async def test_a_value_that_cannot_be_is_wrong_usage(onegrid: Terminal, conflict: UUID) -> None:
    answer = await onegrid("resolve", str(conflict), "--take", "merge", "--set", "living_here=vielleicht", *WHY)
    assert (answer.status, answer.out) == (2, "")
    assert "living_here" in answer.err


@pytest.mark.parametrize("who", [ADMINISTRATOR, WORKER_EAST])
async def test_who_may_not_is_refused_with_the_roles_that_may(
    onegrid: Terminal, scene: Scene, conflict: UUID, who: Citizen
) -> None:
    whole = await scene.everything()
    for arguments in (["list"], ["show", str(conflict)], ["resolve", str(conflict), "--take", "server", *WHY]):
        answer = await onegrid(*arguments, by=who)
        assert (answer.status, answer.out) == (1, "")
        assert "网格长" in answer.err
        assert "Grid chief" in answer.err
    assert await scene.everything() == whole


async def test_a_refusal_is_one_document_with_json(onegrid: Terminal, conflict: UUID) -> None:
    nobody = await onegrid("list", "--json", by=Citizen("community", "13811112222"))
    assert (nobody.status, nobody.document["error"]["code"]) == (1, "not_found")
    strange = await onegrid("resolve", "00000000", "--take", "server", *WHY, "--json")
    assert (strange.status, strange.document["error"]["code"]) == (1, "not_found")
    faulty = await onegrid("resolve", str(conflict), "--take", "merge", "--set", "name=", *WHY, "--json")
    assert (faulty.status, faulty.document["error"]["code"], faulty.document["error"]["field"]) == (
        1,
        "resolution_invalid",
        "name",
    )
    early = await onegrid("undo", str(conflict), *WHY, "--json")
    assert (early.status, early.document["error"]["code"]) == (1, "conflict_open")


async def test_deletions_are_shown_as_such(onegrid: Terminal, scene: Scene, item: UUID) -> None:
    conflict = await scene.two_edits(item, None, {"phone": "13900005678"})
    shown = await onegrid("show", str(conflict))
    assert "改/删 update/delete" in shown.out
    assert "删除 deleted" in shown.out
    assert "139****5678" in shown.out
    restored = await onegrid("resolve", str(conflict), "--take", "incoming", *WHY)
    assert "事项已恢复 / the item is restored" in restored.out


async def test_names_cannot_steer_the_terminal(onegrid: Terminal, truth: asyncpg.Connection, conflict: UUID) -> None:
    """Neither escape sequences nor the markup of what draws the table."""
    await truth.execute("UPDATE users SET name = $2 WHERE id = $1", WORKER_EAST.id, "\x1b[2J[red]甲[/red]")
    shown = await onegrid("show", str(conflict))
    assert shown.status == 0
    assert "\x1b" not in shown.out
    assert "[red]甲" in shown.out


async def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["list"], ["show"], ["resolve"], ["undo"]):
        assert run(["conflict", *command, "--help"]) == 0
        text = capsys.readouterr().out
        assert "例 / Example" in text
        assert "onegrid conflict" in text
