"""Documents that are made from code, or promise something that can be checked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from schemas.catalogue import Catalogue, Category, Field, ItemType, Option, PhotoRule, Rule, UrgencyRule
from server.errors import CATALOGUE
from server.errors_page import page
from sync.case_table import NEEDS, TRANSITIONS

ROOT = Path(__file__).parents[2]


def test_the_errors_page_is_the_catalogue_of_errors():
    assert (ROOT / "docs" / "errors.md").read_text() == page()


def test_every_refusal_has_its_words():
    sources = "\n".join(path.read_text() for path in (ROOT / "server").glob("**/*.py"))
    assert set(re.findall(r"\bProblem\(\s*\"(\w+)\"", sources)) <= CATALOGUE.keys()


@pytest.mark.parametrize("part", [Catalogue, Category, ItemType, Field, Option, PhotoRule, UrgencyRule, Rule])
def test_the_page_of_the_catalogue_names_every_member_of_a_part(part):
    section = (ROOT / "docs" / "catalogue.md").read_text().split(f"(`{part.__name__}`)\n")[1].split("\n## ")[0]
    told = [name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)]
    members = [one.encode_name + ("" if one.required else "?") for one in msgspec.structs.fields(part)]
    assert sorted(told) == sorted(members)


def test_the_protocol_tells_every_step_of_a_case():
    head = "| action | leaves | leads to | who | needs |\n|---|---|---|---|---|\n"
    table = (ROOT / "docs" / "protocol.md").read_text().split(head)[1].split("\n\n")[0]
    assert table.splitlines() == [row_of(line) for line in TRANSITIONS]


def row_of(line):
    kept = "the one before" if line.action == "resume" else "the same"
    leads_to = f"`{line.to_state}`" if line.to_state else kept
    who = f"by `case_exits`: `{line.exit_code}`" if line.exit_code else quoted(line.roles)
    needs = [*(NEEDS[need][1] for need in line.needs), *(["a reason"] if line.exit_code else [])]
    return f"| `{line.action}` | {quoted(line.from_states)} | {leads_to} | {who} | {'; '.join(needs)} |"


def quoted(codes):
    return ", ".join(f"`{code}`" for code in codes)


def test_the_example_of_the_protocol_is_a_golden_conversation():
    section = (ROOT / "docs" / "protocol.md").read_text().split("An exchange with a set of three changes")[1]
    header, change_set, answer = map(json.loads, re.findall(r"```json\n(.*?)```", section, re.DOTALL)[:3])
    golden = json.loads((ROOT / "tests" / "protocol" / "golden" / "one_set.json").read_text())["steps"][-1]
    assert [header, change_set] == [json.loads(line) for line in golden["request"]["lines"]]
    assert answer == golden["response"]["json"]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
@pytest.mark.parametrize("heading", ["Run it", "Test it"])
def test_each_readme_has_one_command_line_a_section(name, heading):
    section = (ROOT / name).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 1
    assert len(blocks[0].strip().splitlines()) == 1


def test_both_readmes_give_the_same_commands():
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))
    commands = re.compile(r"```sh\n(.*?)```", re.DOTALL)
    assert commands.findall(english) == commands.findall(chinese)


def test_links_between_documents_lead_somewhere():
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
