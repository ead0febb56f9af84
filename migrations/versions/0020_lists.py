"""Lists find what they show by indexes, however much there is."""

from migrations.statements import run_file

revision = "0020"
down_revision = "0018"


def upgrade() -> None:
    """Indexes of time for photos, conflicts and the quarantine; of what is open for photos, reviews and cases."""
    run_file("0020_lists.sql")
