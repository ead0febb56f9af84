"""Conflicts settled many at once, in runs, and items linked into one; see docs/adr/0031."""

from migrations.statements import run_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """New tables; nothing stored is rewritten."""
    run_file("0013_conflicts.sql")
