"""Further conflict kinds, references and duplicate claims."""

from migrations.statements import run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add what this step needs; nothing stored is rewritten."""
    run_file("0006_kinds.sql")
