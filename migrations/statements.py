"""Runs a file of plain SQL, statement by statement."""

from __future__ import annotations

from importlib import resources

from alembic import op
from sqlalchemy import text


def run_file(name: str) -> None:
    """Run `sql/<name>`; statements are separated by a semicolon and a blank line."""
    script = resources.files("migrations").joinpath("sql", name).read_text(encoding="utf-8")
    for statement in script.split(";\n\n"):
        if statement.strip():
            op.execute(text(statement.strip().rstrip(";").replace(":", r"\:")))
