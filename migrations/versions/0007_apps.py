"""Older apps, forked devices, clocks."""

from migrations.statements import run_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add what this step needs; nothing stored is rewritten."""
    run_file("0007_apps.sql")
