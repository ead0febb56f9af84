"""${message}"""

from migrations.statements import run_file

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Run the statements that stand beside this file."""
    run_file("${up_revision}.sql")
