"""Checkpoints: how far the sealed trail had come, written down where a hand in the database does not reach.

A small signed object for each epoch, beside the witness, names the newest seal and its hash, which covers everything
before it. Whoever cuts the end of the trail, or writes it anew, makes the two differ. A checkpoint that does not fit is
never lost: it is laid aside before another takes its place, and the trail says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import structlog
from msgspec import Raw, Struct

from schemas.auditing import Break
from server.db import audit, audit_links, epochs
from server.db.audit_links import Seal
from server.db.database import Connection, Transaction
from server.sealing import Keyring, is_signed
from server.services import Services
from server.storage.objects import ObjectMissing, ObjectTooLarge

log = structlog.get_logger()

PURPOSE = "audit"
"""What the installation signs checkpoints and exported trails with."""

LONGEST_UNSEALED = timedelta(minutes=10)
"""What is not sealed, or not in a checkpoint, for longer than this is wrong."""

_LARGEST = 16_384
_MEDIA_TYPE = "application/json"
_MOST = 10_000
_ALWAYS = datetime.max.replace(tzinfo=UTC)


class Checkpoint(Struct, frozen=True, kw_only=True):
    """The newest seal of an epoch at a moment; the hash in hexadecimal."""

    epoch: str
    seal: int
    hash: str
    sealed_at: datetime


class LostSeals(Struct, frozen=True, kw_only=True):
    """Seals of a former epoch that went with the restore that ended it: from which to which."""

    epoch: str
    begins: int
    ends: int


class _Signed(Struct, frozen=True):
    """The object: a `Checkpoint` and when it was written, as they were signed."""

    checkpoint: Raw
    at: datetime
    signature: str


async def keep_checkpoint(services: Services) -> None:
    """Write the checkpoint of the present epoch if a seal came since. Raises StoreUnavailable."""
    async with services.database.read() as connection:
        epoch, seal = await epochs.current(connection), await audit_links.last_seal(connection)
        known = epoch.id in await audit_links.epochs_with_checkpoint(connection)
    if seal is None or seal.epoch != epoch.id:
        return
    key = checkpoint_key(services.keyring, epoch.id)
    said = await _read(services, key)
    if isinstance(said, Checkpoint) and said.seal == seal.no and said.hash == seal.hash.hex():
        return
    wrong = await _judge(services, said, known=known)
    if wrong is not None:
        await _lay_aside(services, key, wrong)
    await _write(services, key, seal)
    await services.database.write(lambda tx: audit_links.note_checkpoint(tx.connection, epoch.id))


async def _judge(services: Services, said: Checkpoint | str | None, *, known: bool) -> str | None:
    if said is None:
        return "missing" if known else None
    if isinstance(said, str):
        return said
    async with services.database.read() as connection:
        return None if await _fits(connection, said) else "differs"


async def _fits(connection: Connection, said: Checkpoint) -> bool:
    seal = await audit_links.find_seal(connection, said.seal)
    return seal is not None and seal.epoch == said.epoch and seal.hash.hex() == said.hash


async def _lay_aside(services: Services, key: str, wrong: str) -> None:
    """Keep the object that does not fit, under a name of its own, and say it on the trail."""
    log.error("audit_checkpoint_wrong", how=wrong)
    at = datetime.now(UTC)
    if wrong != "missing":
        aside = f"{key.removesuffix('.json')}-aside-{at:%Y%m%dT%H%M%S%f}.json"
        await services.objects.write(aside, await services.objects.read(key, _LARGEST), _MEDIA_TYPE)

    async def note(tx: Transaction) -> None:
        await audit.record(tx.connection, None, "audit.checkpoint_wrong", "audit", wrong, None, {"how": wrong})

    await services.database.write(note)


async def _write(services: Services, key: str, seal: Seal) -> None:
    told = Checkpoint(epoch=seal.epoch, seal=seal.no, hash=seal.hash.hex(), sealed_at=seal.sealed_at)
    written, at = Raw(msgspec.json.encode(told)), datetime.now(UTC)
    signature = services.keyring.sign(PURPOSE, _signed_bytes(written, at)).hex()
    await services.objects.write(key, msgspec.json.encode(_Signed(written, at, signature)), _MEDIA_TYPE)


async def _read(services: Services, key: str) -> Checkpoint | str | None:
    """What the object says: nothing where there is none, `altered` where the signature does not fit."""
    try:
        signed = msgspec.json.decode(await services.objects.read(key, _LARGEST), type=_Signed)
        signature, data = bytes.fromhex(signed.signature), _signed_bytes(signed.checkpoint, signed.at)
        if is_signed(services.keyring.public_key(PURPOSE), data, signature):
            return msgspec.json.decode(signed.checkpoint, type=Checkpoint)
    except ObjectMissing:
        return None
    except (msgspec.MsgspecError, ValueError, ObjectTooLarge):
        pass
    return "altered"


def _signed_bytes(checkpoint: Raw, at: datetime) -> bytes:
    return bytes(checkpoint) + at.isoformat().encode()


def checkpoint_key(keyring: Keyring, epoch: str) -> str:
    """The object's key: another one for every installation, should two ever share a bucket."""
    return f"{_prefix(keyring)}{epoch}.json"


def _prefix(keyring: Keyring) -> str:
    return f"audit/{keyring.token('audit key', b'').hex()}/"


async def check_checkpoints(services: Services, connection: Connection) -> tuple[list[Break], list[LostSeals]]:
    """Compare every checkpoint in the object store with the seals of the snapshot. Raises StoreUnavailable."""
    stored = await services.objects.older_than(_prefix(services.keyring), _ALWAYS, _MOST)
    keys, breaks, lost = [one.key for one in stored], list[Break](), list[LostSeals]()
    present, reached = await epochs.current(connection), 0
    for key in keys:
        said = await _read(services, key)
        if said is None:
            continue
        if isinstance(said, str):
            breaks.append(Break(kind="checkpoint_altered", object=key))
        elif not await _fits(connection, said):
            last = await audit_links.last_seal_of(connection, said.epoch)
            if said.epoch != present.id and last < said.seal:
                lost.append(LostSeals(epoch=said.epoch, begins=last + 1, ends=said.seal))
            else:
                breaks.append(_difference(said, last, key))
        elif said.epoch == present.id:
            reached = max(reached, said.seal)
    expected = await audit_links.epochs_with_checkpoint(connection)
    breaks.extend(_missing(services.keyring, expected, keys))
    newest = await audit_links.last_seal(connection)
    if newest is not None and newest.epoch == present.id and not breaks:
        breaks.extend(_behind(newest, reached))
    return breaks, lost


def _behind(newest: Seal, reached: int) -> Iterator[Break]:
    if newest.no > reached and newest.sealed_at < datetime.now(UTC) - LONGEST_UNSEALED:
        yield Break(kind="checkpoint_behind", seal=newest.no, count=newest.no - reached)


def _difference(said: Checkpoint, last: int, key: str) -> Break:
    if last < said.seal:
        return Break(kind="tail_cut", seal=said.seal, count=said.seal - last, object=key)
    return Break(kind="checkpoint_differs", seal=said.seal, object=key)


def _missing(keyring: Keyring, expected: list[str], keys: list[str]) -> Iterator[Break]:
    for epoch in expected:
        if (key := checkpoint_key(keyring, epoch)) not in keys:
            yield Break(kind="checkpoint_missing", object=key)
