"""What is new without asking, compaction, directives."""

from migrations.statements import run_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add what this step needs; nothing stored is rewritten."""
    run_file("0004_live.sql")
