"""Documents that are made from code, or promise something that can be checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.errors_page import page

ROOT = Path(__file__).parents[2]


def test_the_errors_page_is_the_catalogue_of_errors():
    assert (ROOT / "docs" / "errors.md").read_text() == page()


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
