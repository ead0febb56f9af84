"""Which grid became which: the lineage of the registry."""

from migrations.statements import run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add an empty table; grids that are there already came from none."""
    run_file("0011_lineage.sql")
