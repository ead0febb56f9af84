"""Plans of registry changes, the items that they move, and which registry a device has."""

from migrations.statements import run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add empty tables; of a device nothing is known until it says it."""
    run_file("0012_plans.sql")
