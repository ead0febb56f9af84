"""What the commands about cases and photos say of themselves: both languages, and examples to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli import COMMANDS, run


@pytest.mark.parametrize(
    "command",
    [
        *("case", "case list", "case show", "case step", "case stats"),
        *("evidence", "evidence list", "evidence show", "evidence owing", "evidence check"),
    ],
)
def test_help_teaches_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "例 / Examples:" in told
    assert f"onegrid {command} " in told


def test_every_command_is_in_both_readmes() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        text = (Path(__file__).parents[2] / name).read_text(encoding="utf-8")
        lacking = [
            one
            for one in COMMANDS
            if f"onegrid {one}" not in text and f"`{one}`" not in text and f"`{one} " not in text
        ]
        assert lacking == [], name
