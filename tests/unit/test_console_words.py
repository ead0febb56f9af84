"""The console's texts: both languages for every key, every key used, no text in templates or code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from schemas.catalogue import load
from schemas.item_type import ItemType
from server.console.words import WORDS, text
from sync.awaited import AWAITED
from sync.case_table import ANSWERS, TRANSITIONS

CONSOLE = Path(__file__).parents[2] / "server" / "console"
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))
CODE = sorted(CONSOLE.glob("*.py"))
_CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_TERMS = re.compile(
    r"(review|step|op|case|photo|role|flag|unit|crs|action|flash|bulk|search\.by|export\.format|conflict\.(kind|take))\."
)


def _placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words) if name}


def _used() -> Iterator[str]:
    """Whatever templates and code write in quotes that could be a key."""
    for path in (*TEMPLATES, *CODE):
        yield from re.findall(r"""["']([a-z_]+(?:\.[a-z_]+)*)["']""", path.read_text())


@pytest.mark.parametrize("key", WORDS)
def test_every_key_has_both_languages_with_the_same_placeholders(key: str) -> None:
    zh, en = WORDS[key]
    assert zh.strip()
    assert en.strip()
    assert _placeholders(zh) == _placeholders(en)
    if not key.startswith(("language.", "crs.")):
        assert not _CHINESE.search(en), en
    assert text("zh", key, **dict.fromkeys(_placeholders(zh), 1))


def test_no_key_is_left_over() -> None:
    used = set(_used())
    left = [key for key in WORDS if key not in used and not _TERMS.match(key)]
    assert left == []


def test_templates_and_code_hold_no_text_themselves() -> None:
    for path in (*TEMPLATES, *CODE):
        without_docs = re.sub(r'"""[^"]*"""', "", path.read_text())
        assert not _CHINESE.search(without_docs.replace("年", "").replace("月", "").replace("日", "")), path
    for path in TEMPLATES:
        visible = re.sub(r"{[%{#].*?[%}#]}|<[^>]*>", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"[A-Za-z]{2,}", visible), (path, visible)


def test_every_state_step_and_action_of_the_core_has_words() -> None:
    states = {state for line in TRANSITIONS for state in line.from_states}
    states |= {line.to_state for line in TRANSITIONS if line.to_state}
    for key in (
        *(f"case.{state}" for state in states),
        *(f"action.{line.action}" for line in TRANSITIONS),
        *(f"action.{answer}" for answer in ANSWERS),
        *(f"case.waited.{code}" for code in AWAITED),
        *(f"unit.{field.unit}" for item in _types() for field in item.fields if field.unit),
    ):
        assert key in WORDS, key


def _types() -> Iterator[ItemType]:
    for category in load().categories:
        yield from category.items
