"""Reading a city from outside, for checks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from server.db.database import Connection, Row
from server.db.named import sql


async def epoch_and_time(connection: Connection) -> tuple[str, datetime]:
    """The current epoch, and the database's clock."""
    (row,) = await connection.fetch(sql("inspect_epoch"))
    return row["id"], row["at"]


async def items(
    connection: Connection, ids: Iterable[UUID], grids: Iterable[UUID], authors: Iterable[UUID]
) -> list[Row]:
    """Heads with their wrapped keys, deleted ones included: the items named, of these grids, or by these people."""
    return await connection.fetch(sql("inspect_items"), list(ids), list(grids), list(authors))


async def revisions(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """The whole history of these items, by item and version."""
    return await connection.fetch(sql("inspect_revisions"), list(ids))


async def conflicts(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """All conflicts of these items, settled ones included."""
    return await connection.fetch(sql("inspect_conflicts"), list(ids))


async def quarantine(connection: Connection, devices: Iterable[UUID], epoch: str) -> list[Row]:
    """What is held of these devices: device_id, set_no, set_index (None: the whole set)."""
    return await connection.fetch(sql("inspect_quarantine"), list(devices), epoch)


async def sets(connection: Connection, devices: Iterable[UUID], epoch: str) -> list[Row]:
    """The change sets that have receipts: device_id, no, hash, status."""
    return await connection.fetch(sql("inspect_sets"), list(devices), epoch)


async def forked_sets(connection: Connection, devices: Iterable[UUID], epoch: str) -> list[Row]:
    """The sets whose number was used for other bytes: device_id, no, hash."""
    return await connection.fetch(sql("inspect_forked_sets"), list(devices), epoch)


async def lonely_duplicates(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """Those of these items that are said to be duplicates while no other live item has the same strong key: item_id."""
    return await connection.fetch(sql("inspect_lonely_duplicates"), list(ids))


async def raw_sets(connection: Connection, devices: Iterable[UUID], epoch: str) -> list[Row]:
    """The bytes of the sets of which something is in quarantine: device_id, no, epoch, sealed, wrapped."""
    return await connection.fetch(sql("inspect_raw_sets"), list(devices), epoch)


async def assignments(connection: Connection, users: Iterable[UUID]) -> list[Row]:
    """What these people are assigned to now."""
    return await connection.fetch(sql("inspect_assignments"), list(users))


async def digests(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Digests (signed) of those streams that exist."""
    return {row["key"]: row["digest"] for row in await connection.fetch(sql("inspect_streams"), list(keys))}


async def notices(connection: Connection, users: Iterable[UUID]) -> list[Row]:
    """The open notices of these people: user_id, id, version."""
    return await connection.fetch(sql("inspect_notices"), list(users))
