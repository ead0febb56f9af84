"""Photos may come in appends, which lie in the store as pieces until they are whole."""

from migrations.statements import run_file

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """How far an upload has come, and the pieces that hold it."""
    run_file("0021_uploads.sql")
