"""Epochs that follow one another, backups, salvage."""

from migrations.statements import run_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what this step needs; nothing stored is rewritten."""
    run_file("0005_restore.sql")
