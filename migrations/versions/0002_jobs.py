"""The job queue's tables."""

from migrations.statements import run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create what the queue library expects."""
    run_file("0002_jobs.sql")
