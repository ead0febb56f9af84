"""The registry at the size of the city, search, and erasure."""

from migrations.statements import run_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and tables; nothing stored is rewritten."""
    run_file("0003_city.sql")
