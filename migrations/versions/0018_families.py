"""What was linked is found from either side."""

from migrations.statements import run_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """An index of links by their winner."""
    run_file("0018_families.sql")
