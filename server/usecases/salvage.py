"""Salvage: items that a device pulled in a life of the database that is lost, kept as the device still holds them.

Nothing here changes an item. What the history tells already is not kept, nor what another device has brought, nor
anything of an erased item.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec

from schemas.wire import ItemBody
from server.db import erasure, salvage
from server.db.database import Connection, Row, Transaction
from server.sealing import Keyring, Unsealable, seal, unseal
from server.services import Services
from sync.erasing import ids_in
from sync.feed import from_hex, signed64
from sync.framing import set_form

_NAMES = UUID("0a4f3c7e-6f0e-4f7b-8a52-3f1d2b9f64c1")


class Salvaged(NamedTuple):
    """One body as it came; `body` is None where it cannot be read."""

    raw: bytes
    body: ItemBody | None

    @property
    def revision(self) -> salvage.Revision | None:
        """Which revision of which item it is."""
        return self.body and (self.body.id, self.body.version, signed64(from_hex(self.body.rev)))

    @property
    def id(self) -> UUID:
        """The same for whichever device brings it."""
        named = str(self.revision) if self.body else sha256(self.raw).hexdigest()
        return uuid5(_NAMES, named)


async def keep_salvage(
    services: Services, device_id: UUID, epoch: str, bodies: Sequence[msgspec.Raw], at: datetime
) -> int:
    """Keep what a device brought, before anything is answered; returns how much of it stood nowhere yet.

    A revoked device's is kept like any other: it may be the only copy.
    """
    if not bodies:
        return 0
    brought = {one.id: one for one in (_read(bytes(body)) for body in bodies)}
    return await services.database.write(
        lambda tx: _keep(tx, services.keyring, device_id, epoch, list(brought.values()), at)
    )


def _read(raw: bytes) -> Salvaged:
    decode = msgspec.json.decode if set_form(raw) == "json" else msgspec.msgpack.decode
    try:
        body = decode(raw, type=ItemBody)
        readable = 0 < body.version < 2**31 and 0 <= from_hex(body.rev) < 2**64
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError, OverflowError):
        return Salvaged(raw, None)
    return Salvaged(raw, body if readable else None)


async def _keep(
    tx: Transaction, keyring: Keyring, device_id: UUID, epoch: str, brought: Sequence[Salvaged], at: datetime
) -> int:
    revisions = [one.revision for one in brought if one.revision]
    named = {one.id: {one.body.id} if one.body else ids_in(one.raw) for one in brought}
    erased = await erasure.erased_among(tx.connection, sorted(set[UUID]().union(*named.values())))
    unknown = await salvage.unknown(tx.connection, revisions)
    kept = [one for one in brought if not named[one.id] & erased and (one.revision is None or one.revision in unknown)]
    return await salvage.insert(tx.connection, [_row(keyring, device_id, epoch, one, at) for one in kept])


def _row(keyring: Keyring, device_id: UUID, epoch: str, one: Salvaged, at: datetime) -> dict[str, Any]:
    owner = _owner(one.id)
    key = keyring.new_key(owner)
    item, version, rev = one.revision or (None, None, None)
    return {
        "id": one.id,
        "device_id": device_id,
        "epoch": epoch,
        "item_id": item,
        "item_version": version,
        "item_rev": rev,
        "author_id": one.body and one.body.author,
        "code": "item_salvaged" if one.body else "salvage_unreadable",
        "sealed": seal(key.secret, owner, one.raw),
        "wrapped": key.wrapped,
        "received_at": at,
    }


async def list_salvaged(services: Services, after: UUID | None, limit: int) -> list[Row]:
    """id, device_id, epoch, item_id, item_version, item_rev, author_id, code, received_at of what is held."""
    async with services.database.read() as connection:
        return await salvage.held(connection, after, limit)


async def open_salvaged(connection: Connection, keyring: Keyring, salvage_id: UUID) -> bytes | None:
    """A body as the device brought it; None if there is none, or none that may be opened."""
    row = await salvage.sealed(connection, salvage_id)
    return _open(keyring, row) if row else None


async def cut_salvage(connection: Connection, keyring: Keyring, item_ids: Set[UUID]) -> int:
    """Destroy what is held of these items, which are erased and locked; returns how much it was."""
    unreadable = [
        row["id"]
        async for row in salvage.unreadable(connection)
        if (raw := _open(keyring, row)) is None or ids_in(raw) & item_ids
    ]
    return await salvage.destroy(connection, sorted(item_ids), unreadable)


def _open(keyring: Keyring, row: Row) -> bytes | None:
    owner = _owner(row["id"])
    try:
        return unseal(keyring.open_key(owner, row["wrapped"]), owner, row["sealed"])
    except Unsealable:
        return None


def _owner(salvage_id: UUID) -> bytes:
    return f"salvage/{salvage_id}".encode()
