"""Counts that tell one life of the database from another go by milliseconds, and so need 64 bits."""

from migrations.statements import run_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Widen the counts; entries and streams are hashed anew, as their hash now has 8 bytes for each count."""
    run_file("0014_lives.sql")
