"""Named SQL: each statement stands in `queries/*.sql` under a line `-- name: …` and is fetched by that name."""

from __future__ import annotations

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def _read_all() -> dict[str, str]:
    statements: dict[str, str] = {}
    for file in sorted(resources.files("server.db").joinpath("queries").iterdir(), key=lambda f: f.name):
        parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in statements:
                raise ValueError(f"two statements are named {name}")
            statements[name] = text.strip()
    return statements


_STATEMENTS = _read_all()


def sql(name: str) -> str:
    """The text of the statement with this name; KeyError if there is none."""
    return _STATEMENTS[name]


def inner(name: str) -> str:
    """The same to be put into another statement, in parentheses: without its end and what follows it."""
    return sql(name).partition(";")[0]
