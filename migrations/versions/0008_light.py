"""What every push writes carries no foreign keys; see docs/adr/0025."""

from migrations.statements import run_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Drop constraints; nothing stored is rewritten."""
    run_file("0008_light.sql")
