"""The master key: what it is called and how old it is, and putting another one in its place.

The root secret behind all keys stays; only what wraps it changes, and the key files beside the backups
(docs/adr/0012, 0018).

    check -> keep the new key -> key files under it -> wrap the root by it, audit

The key files come first: whoever is interrupted between the two knows both keys, and does it again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from server.db import audit, backups, installation
from server.db.database import Transaction
from server.db.installation import Root
from server.errors import Problem
from server.sealing import MasterKey
from server.services import Services
from server.usecases.backup_keys import rewrap_keys
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
    """What a rotation did; `finished`: an earlier one had come this far, and nothing was left to do.

    `unopened`: key files beside the backups that no known master key opens; they stayed as they were.
    """

    fingerprint: str
    previous: str | None
    since: datetime
    finished: bool
    unopened: list[str] = []


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


async def rotate_master_key(
    services: Services, caller: Caller, next_key: Callable[[], bytes], reason: str, folder: Path
) -> Rotated:
    """Wrap the root by another master key, which `next_key` gives once it is known that the caller may do so.

    That key must be kept before `next_key` returns: from the commit on it is the only one that opens the root.
    `folder`: of the backups, whose key files are put under it too. Raises Problem: forbidden, reason_needed,
    next_key_needed, backup_running.
    """
    if ROLE not in caller.roles or caller.revoked:
        raise Problem("forbidden")
    why = checked_reason(reason)
    try:
        async with backups.alone(services.settings.database_url):
            new = MasterKey(next_key())
            await _check_known(services, new)
            unopened = await rewrap_keys(services, folder, new)
            rotated = await services.database.write(lambda tx: _rotate(tx, services, caller, new, why))
    except backups.BackupRunning as error:
        raise Problem("backup_running") from error
    return structs.replace(rotated, unopened=unopened)


async def _check_known(services: Services, new: MasterKey) -> None:
    """Raises Problem master_key_changed where the key in use is not known here, before any file is touched."""
    async with services.database.read() as connection:
        if await installation.read_root(connection, [*installation.master_keys(services.settings), new]) is None:
            raise Problem("master_key_changed")


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
