"""What is true of the whole installation: its master key, its epoch, its schema."""

from importlib import resources

from server.db.database import Connection
from server.db.named import sql


async def claim(connection: Connection, master_key_check: bytes, first_epoch: str) -> bool:
    """Whether this master key is the one in use; the first key and the first epoch are taken as they come.

    The row stays locked until the commit, so that of several servers starting at once one alone begins the epoch.
    """
    matches = bool(await connection.fetchval(sql("claim_installation"), master_key_check))
    if matches:
        await connection.execute(sql("begin_first_epoch"), first_epoch)
    return matches


async def schema_is_current(connection: Connection) -> bool:
    """Whether the database has exactly the schema of this program."""
    return await connection.fetchval(sql("schema_revision")) == head_revision()


def head_revision() -> str:
    """The newest migration. Their files begin with their numbers; reading names spares loading Alembic."""
    folder = resources.files("migrations.versions")
    return max(file.name.split("_")[0] for file in folder.iterdir() if file.name[:1].isdigit())
