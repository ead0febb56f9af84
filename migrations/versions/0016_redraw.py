"""What came out of a grid is looked up by the grid: conflicts follow the lineage, see docs/adr/0035."""

from migrations.statements import run_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """An index; nothing stored is rewritten."""
    run_file("0016_redraw.sql")
