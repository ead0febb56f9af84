"""The first schema."""

from migrations.statements import run_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of the first release."""
    run_file("0001_initial.sql")
