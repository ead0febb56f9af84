"""Discarding what the quarantine holds: its bytes are erased for good, the row stays and says that it was.

Of a set of several changes only the one that is discarded is cut out, and the rest is sealed anew under another key.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from server.db import audit, erasure, quarantine
from server.db.database import Row, Transaction
from server.errors import Problem
from server.services import Services
from server.usecases.quarantine_access import find_row, raw_bytes, set_name, stored_bytes
from server.usecases.quarantine_views import QuarantineLine, line_of
from server.usecases.raw_sets import sealed_set
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from sync.erasing import without
from sync.framing import decode_set


class Discarded(Struct, frozen=True, kw_only=True):
    """What was discarded, or would be. `seal`: a keyed hash of the bytes that are gone, to compare with a copy."""

    line: QuarantineLine
    seal: str | None
    dry_run: bool


class _DryRun(Exception):
    def __init__(self, done: Discarded) -> None:
        super().__init__()
        self.done = done


async def discard(
    services: Services, caller: Caller, ids: tuple[UUID, UUID], reason: str, *, dry_run: bool = False
) -> Discarded:
    """Erase the bytes of one row. Raises Problem: forbidden, not_found, reason_needed, quarantine_settled."""
    why = checked_reason(reason)

    async def work(tx: Transaction) -> Discarded:
        done = await _discard(tx, services, caller, ids, why, dry_run=dry_run)
        if dry_run:
            raise _DryRun(done)
        return done

    try:
        return await services.database.write(work)
    except _DryRun as tried:
        return tried.done


async def _discard(
    tx: Transaction, services: Services, caller: Caller, ids: tuple[UUID, UUID], reason: str, *, dry_run: bool
) -> Discarded:
    row = await find_row(tx.connection, caller, ids)
    if await quarantine.lock(tx.connection, row["id"]) != "held":
        raise Problem("quarantine_settled")
    raw = await raw_bytes(tx.connection, services.keyring, row)
    seal = services.keyring.token("discarded", raw).hex() if raw is not None else None
    await quarantine.settle(tx.connection, row["id"], "discarded")
    if row["outcome"] != "salvaged":
        await _cut(tx, services, row, raw)
    detail = {"device": str(row["device_id"]), "no": row["set_no"], "index": row["set_index"], "seal": seal}
    await audit.record(
        tx.connection,
        caller.user_id,
        "quarantine.discarded",
        "quarantine",
        str(row["id"]),
        reason,
        detail | {"code": row["code"]},
        caller.request_id,
    )
    return Discarded(line=line_of({**row, "state": "discarded"}), seal=seal, dry_run=dry_run)


async def _cut(tx: Transaction, services: Services, row: Row, raw: bytes | None) -> None:
    """Leave of the set what is not discarded."""
    stored = await stored_bytes(tx.connection, row)
    if stored is None:
        return
    left = _left(row, raw)
    place = {"device_id": row["device_id"], "epoch": row["epoch"], "no": row["set_no"], "hash": stored["hash"]}
    rows: list[dict[str, Any]] = [place | sealed_set(services.keyring, set_name(row), left)]
    sets, forks = (rows, []) if row["outcome"] != "forked" else ([], rows)
    await erasure.reseal_sets(tx.connection, sets, forks)


def _left(row: Row, raw: bytes | None) -> bytes | None:
    if raw is None or row["set_index"] is None:
        return None
    others = set(range(len(decode_set(raw).changes))) - {row["set_index"]}
    return without(raw, frozenset(), others)
