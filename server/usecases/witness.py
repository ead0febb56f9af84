"""The witness: what the database had come to, written down where a restore of the database does not reach.

A small object in the object store says in which cluster and timeline the database was, how far its log had come, and
how many positions and numbers it had handed out. Whoever finds the database to be less than that, or another one,
begins a new epoch. It is signed, so that nobody who can write to the store can hide a restore; it holds no personal
value.

Positions and numbers only grow and are never taken back by a crash, so they tell a database that went back however it
was put there. Log positions also tell what was lost of other acts; a database service that hides them does without.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from msgspec import Raw, Struct

from server.db import epochs
from server.db.database import Connection, Database, Transaction
from server.sealing import Keyring
from server.storage.objects import ObjectMissing, ObjectStore, ObjectTooLarge
from server.usecases.epochs import Cause, begin_epoch

log = structlog.get_logger()

_LARGEST = 16_384
_MEDIA_TYPE = "application/json"


class Life(Struct, frozen=True, kw_only=True):
    """How far the database has come. `database` is its object id, which no copy shares; `lsn` is in bytes."""

    epoch: str
    seq: int
    positions: int
    numbers: int
    database: int
    system: str | None = None
    timeline: int | None = None
    lsn: int | None = None


class _Signed(Struct, frozen=True):
    """The object: a `Life` and when it was written, as they were signed."""

    life: Raw
    at: datetime
    mac: str


async def face_witness(database: Database, objects: ObjectStore, keyring: Keyring) -> Cause | None:
    """Compare the database with the witness, begin an epoch where it went back, and write the witness anew.

    One process at a time; the witness is written before the epoch is committed, so that a server that comes next finds
    both. Returns why an epoch began. Raises StoreUnavailable.
    """
    return await database.write(lambda tx: _face(tx, objects, keyring))


async def _face(tx: Transaction, objects: ObjectStore, keyring: Keyring) -> Cause | None:
    await epochs.lock_witness(tx.connection)
    life = await read_life(tx.connection)
    found = await read_witness(objects, keyring)
    said = found[0] if isinstance(found, tuple) else found
    cause = await _gone_back(tx.connection, said, life)
    if cause is not None:
        log.warning("epoch_begins", cause=cause, former=life.epoch)
        await begin_epoch(tx, cause)
        life = await read_life(tx.connection)
    if life != said:
        await _write(objects, keyring, life)
    return cause


async def renew_witness(database: Database, objects: ObjectStore, keyring: Keyring) -> None:
    """Write the witness without comparing: the database has just been restored, and its epoch begun for that."""

    async def work(tx: Transaction) -> None:
        await epochs.lock_witness(tx.connection)
        await _write(objects, keyring, await read_life(tx.connection))

    await database.write(work)


async def read_life(connection: Connection) -> Life:
    """How far the database has come. Inside a transaction."""
    epoch, growth = await epochs.current(connection), await epochs.growth(connection)
    cluster = await epochs.cluster(connection)
    asked: dict[str, Any] = cluster._asdict() if cluster else {}
    return Life(epoch=epoch.id, seq=epoch.seq, **growth._asdict(), **asked)


async def _gone_back(connection: Connection, said: Life | Cause | None, life: Life) -> Cause | None:
    if said is None or isinstance(said, str):
        return said
    if not await epochs.knows(connection, said.epoch):
        return "epoch_unknown"
    return difference(said, life)


def difference(said: Life, life: Life) -> Cause | None:
    """Why the database cannot be what the witness saw; None where it has only grown since."""
    if _differ(said.system, life.system):
        return "other_cluster"
    if _differ(said.timeline, life.timeline):
        return "other_timeline"
    if said.database != life.database:
        return "other_database"
    fell = said.lsn is not None and life.lsn is not None and life.lsn < said.lsn
    return "behind" if fell or life.positions < said.positions or life.numbers < said.numbers else None


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other


async def read_witness(objects: ObjectStore, keyring: Keyring) -> tuple[Life, datetime] | Cause | None:
    """What the witness says and when: nothing where there is none yet, `unreadable` where it was altered."""
    try:
        signed = msgspec.json.decode(await objects.read(witness_key(keyring), _LARGEST), type=_Signed)
        if not hmac.compare_digest(signed.mac, _mac(keyring, signed.life, signed.at)):
            return "unreadable"
        return msgspec.json.decode(signed.life, type=Life), signed.at
    except ObjectMissing:
        return None
    except (msgspec.MsgspecError, UnicodeError, ObjectTooLarge):
        return "unreadable"


async def _write(objects: ObjectStore, keyring: Keyring, life: Life) -> None:
    written, at = Raw(msgspec.json.encode(life)), datetime.now(UTC)
    signed = _Signed(written, at, _mac(keyring, written, at))
    await objects.write(witness_key(keyring), msgspec.json.encode(signed), _MEDIA_TYPE)


def witness_key(keyring: Keyring) -> str:
    """The object's key: another one for every installation, should two ever share a bucket."""
    return f"witness/{keyring.token('witness key', b'').hex()}.json"


def _mac(keyring: Keyring, life: Raw, at: datetime) -> str:
    return keyring.token("witness", bytes(life) + at.isoformat().encode()).hex()
