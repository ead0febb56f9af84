"""A push writes fewer rows; see docs/adr/0033."""

from migrations.statements import run_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Tell the first steps of reviews and cases by views; steps that have rows keep them."""
    run_file("0015_push_rows.sql")
