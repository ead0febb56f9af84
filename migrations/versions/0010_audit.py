"""The audit trail is chained, sealed and only ever added to; see docs/adr/0032. Devices say their catalogue."""

from migrations.statements import run_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the links, seals and triggers; rows that are there already are linked by the job like new ones."""
    run_file("0010_audit.sql")
