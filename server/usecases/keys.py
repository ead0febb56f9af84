"""The master key: what it is called and how old it is, and putting another one in its place.

The root secret behind all keys stays; only what wraps it changes, so nothing else is written (docs/adr/0012).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from server.db import audit, installation
from server.db.database import Transaction
from server.db.installation import Root
from server.errors import Problem
from server.sealing import MasterKey
from server.services import Services
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller

ROLE = "security_administrator"


class KeyInUse(Struct, frozen=True, kw_only=True):
    """The master key in use, by its fingerprint; `unfinished`: the next one is known and not yet the only one."""

    fingerprint: str
    since: datetime
    days: int
    unfinished: bool


class Rotated(Struct, frozen=True, kw_only=True):
    """What a rotation did; `finished`: an earlier one had come this far, and nothing was left to do."""

    fingerprint: str
    previous: str | None
    since: datetime
    finished: bool


async def master_key_in_use(services: Services) -> KeyInUse:
    """What may be told of the master key."""
    async with services.database.read() as connection:
        root = await installation.read_root(connection, installation.master_keys(services.settings))
    assert root is not None
    return KeyInUse(
        fingerprint=root.master.fingerprint(),
        since=root.since,
        days=(datetime.now(UTC) - root.since).days,
        unfinished=bool(services.settings.master_key_next),
    )


async def rotate_master_key(services: Services, caller: Caller, next_key: Callable[[], bytes], reason: str) -> Rotated:
    """Wrap the root by another master key, which `next_key` gives once it is known that the caller may do so.

    That key must be kept before `next_key` returns: from the commit on it is the only one that opens the root. Raises
    Problem: forbidden, reason_needed, next_key_needed.
    """
    if ROLE not in caller.roles or caller.revoked:
        raise Problem("forbidden")
    why = checked_reason(reason)
    new = MasterKey(next_key())
    return await services.database.write(lambda tx: _rotate(tx, services, caller, new, why))


async def _rotate(tx: Transaction, services: Services, caller: Caller, new: MasterKey, reason: str) -> Rotated:
    known = [*installation.master_keys(services.settings), new]
    root = await installation.read_root(tx.connection, known, lock=True)
    if root is None:
        raise Problem("master_key_changed")
    if root.master == new:
        return Rotated(fingerprint=new.fingerprint(), previous=None, since=root.since, finished=True)
    now = datetime.now(UTC)
    await installation.change_master_key(tx.connection, root.secret, new, now)
    previous = await _record(tx, caller, root, new, reason)
    return Rotated(fingerprint=new.fingerprint(), previous=previous, since=now, finished=False)


async def _record(tx: Transaction, caller: Caller, root: Root, new: MasterKey, reason: str) -> str:
    previous = root.master.fingerprint()
    await audit.record(
        tx.connection,
        caller.user_id,
        "master_key.rotated",
        "installation",
        new.fingerprint(),
        reason,
        {"previous": previous},
        caller.request_id,
    )
    return previous
