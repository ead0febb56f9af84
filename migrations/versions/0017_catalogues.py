"""Catalogues that were published here, beside the one that comes with the program."""

from migrations.statements import run_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """A table of them, empty at first."""
    run_file("0017_catalogues.sql")
