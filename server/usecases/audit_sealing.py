"""Linking and sealing the audit trail: a job's work, so that nobody who acts waits for a chain.

    lock -> what has no link -> links, chain by chain -> a seal over them -> commit -> checkpoint in the object store

Rows of the trail are linked, and the change sets of devices with the revisions that they made.

One process at a time; a run that was cut off is simply followed by the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from schemas.auditing import AuditRow
from server.db import audit_links, epochs
from server.db.audit_links import Seal
from server.db.database import Transaction
from server.services import Services
from server.usecases.audit_checkpoints import keep_checkpoint
from sync.audit_chain import START, Chains, Entry, chain_of, links_hash, seal_hash

_BATCH = 2000


async def seal_trail(services: Services, *, whole: bool = False) -> int:
    """Seal what is new and write the checkpoint; how many rows and sets were linked.

    `whole`: look over the whole trail. Raises StoreUnavailable once everything is sealed.
    """
    async with services.database.read() as connection:
        last = 0 if whole else await audit_links.linked_long_ago(connection)
    sealed, now = 0, datetime.now(UTC)
    while rows := await services.database.write(partial(_seal_batch, after=last, now=now)):
        sealed, last = sealed + len(rows), rows[-1].id
    while number := await services.database.write(partial(_seal_sets, now=now)):
        sealed += number
    await keep_checkpoint(services)
    return sealed


async def _seal_batch(tx: Transaction, after: int, now: datetime) -> list[AuditRow]:
    await audit_links.lock_sealing(tx.connection)
    rows = await audit_links.unsealed(tx.connection, after, _BATCH)
    if rows:
        await _seal(tx, rows, now)
    return rows


async def _seal_sets(tx: Transaction, now: datetime) -> int:
    await audit_links.lock_sealing(tx.connection)
    sets = await audit_links.unsealed_sets(tx.connection, _BATCH)
    if sets:
        await _seal(tx, sets, now)
    return len(sets)


async def _seal(tx: Transaction, rows: Sequence[Entry], now: datetime) -> None:
    chains = Chains(await audit_links.heads(tx.connection, sorted({chain_of(row) for row in rows})))
    links = [chains.link(row) for row in rows]
    before, epoch = await audit_links.last_seal(tx.connection), await epochs.current(tx.connection)
    no, previous = (before.no + 1, before.hash) if before else (1, START)
    over = links_hash(one.hash for one in links)
    made = seal_hash(previous, no, epoch.id, now, len(links), over)
    await audit_links.insert(tx.connection, Seal(no, epoch.id, now, len(links), over, made), links)
