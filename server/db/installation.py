"""What is true of the whole installation: its root secret and master key, its epoch, its schema."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources

from server.db.database import Connection, Row
from server.db.named import sql
from server.sealing import MasterKey
from server.settings import Settings


class KeysMissing(Exception):
    """The database was restored from a backup, and the keys that go with it were not."""


@dataclass(frozen=True)
class Root:
    """The root secret, the master key that wraps it, and since when."""

    secret: bytes = field(repr=False)
    master: MasterKey
    since: datetime


def master_keys(settings: Settings) -> list[MasterKey]:
    """The keys that may be in use: around a rotation there are two of them."""
    return [MasterKey(key) for key in (settings.master_key, settings.master_key_next) if key]


async def claim(connection: Connection, masters: Sequence[MasterKey], first_epoch: str) -> Root | None:
    """The root secret, if one of these master keys is the one in use.

    An empty database takes the first of them, a fresh root and the first epoch. One from before there were roots keeps
    its master key as its root, so that nothing it has sealed changes. The row stays locked until the commit, so that
    of several servers starting at once one alone begins. Raises Unsealable if the wrapped root was altered, KeysMissing
    if the database has none although it was used.
    """
    check, root = masters[0].check_value(), masters[0].wrap_root(secrets.token_bytes(32))
    row = await connection.fetchrow(sql("claim_installation"), check, root)
    if row is None:
        raise KeysMissing
    claimed = _opened(row, masters)
    if claimed is None:
        return None
    if row["root_wrapped"] is None:
        await connection.execute(sql("wrap_root"), claimed.master.wrap_root(claimed.secret))
    await connection.execute(sql("begin_first_epoch"), first_epoch)
    return claimed


async def read_root(connection: Connection, masters: Sequence[MasterKey], *, lock: bool = False) -> Root | None:
    """The root secret of a claimed installation, if one of these master keys opens it.

    `lock`: keep others from changing the key until the transaction ends. Raises Unsealable as `claim` does.
    """
    row = await connection.fetchrow(sql("lock_root" if lock else "read_root"))
    return _opened(row, masters) if row else None


async def change_master_key(connection: Connection, root: bytes, master: MasterKey, at: datetime) -> None:
    """Wrap the root by another master key; the row is to be locked."""
    await connection.execute(sql("change_master_key"), master.check_value(), master.wrap_root(root), at)


def _opened(row: Row, masters: Sequence[MasterKey]) -> Root | None:
    for master in masters:
        if hmac.compare_digest(master.check_value(), row["master_key_check"]):
            wrapped = row["root_wrapped"]
            root = master.secret if wrapped is None else master.open_root(wrapped)
            return Root(root, master, row["master_key_since"])
    return None


async def schema_of(connection: Connection) -> str:
    """The number of the database's newest migration. Raises UndefinedTableError if it has no schema at all."""
    return str(await connection.fetchval(sql("schema_revision")))


async def schema_is_current(connection: Connection) -> bool:
    """Whether the database has exactly the schema of this program."""
    return await schema_of(connection) == head_revision()


def head_revision() -> str:
    """The newest migration. Their files begin with their numbers; reading names spares loading Alembic."""
    folder = resources.files("migrations.versions")
    return max(file.name.split("_")[0] for file in folder.iterdir() if file.name[:1].isdigit())
