"""What a push writes costs less; see docs/adr/0026."""

from migrations.statements import run_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Drop an index that no query reads, and say how sealed bytes are to be stored; nothing stored is rewritten."""
    run_file("0009_push.sql")
