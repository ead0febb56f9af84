"""The chains of the audit trail as the database holds them: links, seals, and since when there are checkpoints."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from schemas.auditing import AuditRow, ChainLink, SetRow
from server.db.database import Connection, Row
from server.db.named import sql

# Any constant will do that no other lock of this program has.
_LOCK = 0x6F6E6561
_AT_A_TIME = 1000


class Seal(NamedTuple):
    """What was linked at one time; the hashes are 32 bytes."""

    no: int
    epoch: str
    sealed_at: datetime
    links: int
    links_hash: bytes
    hash: bytes


class LinkFound(NamedTuple):
    """A link with its seal's number, and its row or change set if that is there."""

    link: ChainLink
    seal_no: int
    row: AuditRow | SetRow | None


class TrailFilter(Struct, frozen=True, kw_only=True):
    """Which rows: half-open span of time, actor, device, and action (`item` also means `item.export`)."""

    begins: datetime | None = None
    ends: datetime | None = None
    actor: UUID | None = None
    device: UUID | None = None
    action: str | None = None


async def lock_sealing(connection: Connection) -> None:
    """Until the transaction ends nobody else links or seals."""
    await connection.execute(sql("lock_sealing"), _LOCK)


async def linked_long_ago(connection: Connection) -> int:
    """The id up to which hardly any row can come to be seen any more; the nightly look finds those."""
    return int(await connection.fetchval(sql("linked_long_ago")) or 0)


async def unsealed(connection: Connection, after: int, limit: int) -> list[AuditRow]:
    """Rows without a link and with a greater id, in the order of ids."""
    return [row_of(row) for row in await connection.fetch(sql("unsealed_rows"), after, limit)]


async def unsealed_sets(connection: Connection, limit: int) -> list[SetRow]:
    """Change sets without a link, each device's in order of their numbers."""
    return [_set_of(row) for row in await connection.fetch(_with_revisions("unsealed_sets"), limit)]


async def heads(connection: Connection, chains: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """The last number and hash of each chain that has begun."""
    rows = await connection.fetch(sql("heads_of_chains"), chains)
    return {row["chain"]: (row["seq"], row["hash"]) for row in rows}


async def last_seal(connection: Connection) -> Seal | None:
    """The newest."""
    row = await connection.fetchrow(sql("last_seal"))
    return Seal(*row.values()) if row else None


async def find_seal(connection: Connection, no: int) -> Seal | None:
    """The one of this number."""
    row = await connection.fetchrow(sql("find_seal"), no)
    return Seal(*row.values()) if row else None


async def last_seal_of(connection: Connection, epoch: str) -> int:
    """The number of the newest of an epoch, 0 if it has none."""
    return int(await connection.fetchval(sql("last_seal_of"), epoch) or 0)


async def insert(connection: Connection, seal: Seal, links: Sequence[ChainLink]) -> None:
    """Store a seal with its links."""
    last = max((one.audit_id for one in links if one.audit_id is not None), default=None)
    await connection.execute(sql("insert_seal"), *seal, last)
    await connection.execute(
        sql("insert_links"),
        seal.no,
        *([getattr(one, name) for one in links] for name in _LINK),
    )


_LINK = ("chain", "seq", "audit_id", "device_id", "epoch", "set_no", "row_hash", "hash")


async def note_checkpoint(connection: Connection, epoch: str) -> None:
    """Remember that this epoch has a checkpoint in the object store."""
    await connection.execute(sql("note_checkpoint"), epoch)


async def epochs_with_checkpoint(connection: Connection) -> list[str]:
    """The epochs of which a checkpoint must be in the object store."""
    return [row["epoch"] for row in await connection.fetch(sql("epochs_with_checkpoint"))]


async def count_links(connection: Connection) -> int:
    """How many there are."""
    return int(await connection.fetchval(sql("count_links")) or 0)


async def every_seal(connection: Connection) -> AsyncGenerator[Seal]:
    """All seals in order, read a part at a time. Inside a transaction."""
    async for row in connection.cursor(sql("every_seal"), prefetch=_AT_A_TIME):
        yield Seal(*row.values())


async def every_link(connection: Connection) -> AsyncGenerator[LinkFound]:
    """All links by seal and row, read a part at a time. Inside a transaction."""
    async for row in connection.cursor(_with_revisions("every_link"), prefetch=_AT_A_TIME):
        yield LinkFound(_link_of(row), row["seal_no"], _entry_of(row))


async def sets_without_link(connection: Connection, before: datetime, limit: int) -> list[Row]:
    """device_id, set_no of change sets from before that moment that have no link."""
    return await connection.fetch(sql("sets_without_link"), before, limit)


async def rows_without_link(connection: Connection, before: datetime, limit: int) -> list[Row]:
    """id, actor_id, subject_kind and subject_id of rows from before that moment that have no link."""
    return await connection.fetch(sql("rows_without_link"), before, limit)


async def waiting(connection: Connection) -> Row:
    """number of rows that are to be linked next, and at: the oldest one's time."""
    row = await connection.fetchrow(sql("waiting_rows"), await linked_long_ago(connection))
    assert row is not None
    return row


async def exported(connection: Connection, wish: TrailFilter) -> AsyncGenerator[Row]:
    """The chains of the rows asked for, from the first to the last of them; those not asked for without their rows.

    Columns: of the link chain, seq, row_hash, hash, previous; of the row all, null where it was not asked for.
    """
    asked = (wish.begins, wish.ends, wish.actor, str(wish.device) if wish.device else None, wish.action)
    async for row in connection.cursor(sql("exported_trail"), *asked, prefetch=_AT_A_TIME):
        yield row


def _with_revisions(name: str) -> str:
    return sql(name).replace("{revisions_of_set}", sql("revisions_of_set"))


def _link_of(row: Row) -> ChainLink:
    return ChainLink(**{name: row[name] for name in _LINK})


def _entry_of(row: Row) -> AuditRow | SetRow | None:
    if row["id"] is not None:
        return row_of(row)
    return _set_of(row) if row["set_hash"] is not None else None


def _set_of(row: Row) -> SetRow:
    changes = row["changes"] or []
    return SetRow(
        device_id=row["device_id"],
        epoch=row["epoch"],
        set_no=row["set_no"],
        set_hash=row["set_hash"],
        received_at=row["received_at"],
        changes=changes,
    )


def row_of(row: Row) -> AuditRow:
    """The row of the trail in a row of a query."""
    return AuditRow(**{name: row[name] for name in AuditRow.__struct_fields__})
