"""Runs a file of plain SQL, statement by statement."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from alembic import op
from sqlalchemy import text


def run_file(name: str) -> None:
    """Run `sql/<name>`; statements are separated by a semicolon and a blank line, except inside `$$ … $$`."""
    script = resources.files("migrations").joinpath("sql", name).read_text(encoding="utf-8")
    for statement in split(script):
        op.execute(text(statement.replace(":", r"\:")))


def split(script: str) -> Iterator[str]:
    """The statements of `script` without their semicolons; a function's body stays whole."""
    pending = ""
    for part in script.split(";\n\n"):
        pending = f"{pending};\n\n{part}" if pending else part
        if pending.count("$$") % 2 == 0:
            if pending.strip():
                yield pending.strip().rstrip(";")
            pending = ""
    if pending:
        raise ValueError("a $$ is not closed")
