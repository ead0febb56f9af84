"""Every text of the console in both languages, by key; templates and handlers hold none themselves."""

from __future__ import annotations

from typing import Literal

from server.console.words import case, conflict, people, registry, review, search, shell, terms

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

WORDS: dict[str, tuple[str, str]] = {
    **shell.WORDS,
    **review.WORDS,
    **case.WORDS,
    **conflict.WORDS,
    **people.WORDS,
    **registry.WORDS,
    **search.WORDS,
    **terms.WORDS,
}


def text(language: Language, key: str, **values: object) -> str:
    """The words of a key, with its `{placeholders}` filled in. Raises KeyError for an unknown key."""
    zh, en = WORDS[key]
    return (zh if language == "zh" else en).format(**values)
