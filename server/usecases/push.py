"""Takes a device's change sets: each is decided and committed as a whole, in order, exactly once.

    lock the device's counter -> replay | decode -> load under locks -> decide (pure) -> store -> receipt

The receipt, the effects and the counter commit together. Whatever cannot be applied is kept, but for what is about an
erased item: of that no byte that could be read is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from traceback import extract_tb
from typing import Any, Literal
from uuid import UUID, uuid5

import asyncpg
import structlog
from msgspec import Struct

from schemas.wire import Change, ChangeSet, Clock, Receipt, Void
from server.db import audit, push
from server.db.database import Outrun, Transaction
from server.errors import CATALOGUE, Problem
from server.metrics import CHANGE_SETS, CHANGES, RECEIPTS_REPLAYED
from server.services import Services
from server.usecases.decided_set import DecidedSet
from server.usecases.loading import Asked, load_context
from server.usecases.raw_sets import keepable, sealed_set
from server.usecases.receipts import whole
from server.usecases.storing import store_decisions
from sync.clocks import estimate_capture
from sync.decide import Dated, Undecoded, decide_set
from sync.framing import Unreadable, decode_change, decode_set, item_named, set_form, set_hash
from sync.upcasting import upcast, version_refusal

log = structlog.get_logger()

_TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # The driver's word for a connection that died between two of its messages.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    Outrun,
    OSError,
)


class EpochOver(Problem):
    """The epoch that the set was to be decided in is not the present one."""

    def __init__(self) -> None:
        super().__init__("not_ready", retry_after=1)


class Arrival(Struct, frozen=True):
    """One change set as it arrived: from which device, under which number, and when."""

    device_id: UUID
    epoch: str
    no: int
    raw: bytes
    clock: Clock
    at: datetime

    @property
    def name(self) -> str:
        """What the set is called wherever it is kept."""
        return f"{self.device_id}/{self.epoch}/{self.no}"


async def push_sets(services: Services, arrivals: Sequence[Arrival]) -> list[Receipt]:
    """Decide the sets in order and answer a receipt for each, up to the first that leaves a gap in the numbers."""
    receipts: list[Receipt] = []
    for arrival in arrivals:
        receipt = await push_set(services, arrival)
        if receipt is None:
            break
        receipts.append(receipt)
    return receipts


async def push_set(services: Services, arrival: Arrival) -> Receipt | None:
    """Decide one set; None where numbers before it are missing.

    An internal error that a retry cannot cure must not wedge the device: the set is quarantined and the counter
    advances. Raises Problem `not_ready` for what a retry can cure, EpochOver among them.
    """
    try:
        return await services.database.write(lambda tx: _push(tx, services, arrival))
    except _TRANSIENT as error:
        raise Problem("not_ready", retry_after=5) from error
    except EpochOver:
        raise
    except Exception as error:
        # The message of an unexpected error may quote a value; its type and place are enough to find it.
        log.error("change_set_failed", no=arrival.no, error=type(error).__name__, where=_where(error))
        return await services.database.write(lambda tx: _push(tx, services, arrival, undecidable="set_internal_error"))


async def _push(
    tx: Transaction, services: Services, arrival: Arrival, undecidable: str | None = None
) -> Receipt | None:
    locked = await push.lock_counter(tx.connection, arrival.device_id, arrival.epoch)
    if locked is None:
        raise EpochOver
    last_no, holder = locked
    if arrival.no > last_no + 1:
        return None
    if arrival.no <= last_no:
        return await _replay(tx, services, arrival)
    if undecidable is not None:
        return await _keep_whole(tx, services, arrival, "quarantined", undecidable)
    try:
        change_set = _read(services, arrival)
    except Unreadable as unreadable:
        return await _keep_whole(tx, services, arrival, "rejected", unreadable.code, unreadable.where)
    if change_set.void is not None:
        return await _keep_void(tx, services, arrival, change_set.void, holder)
    if (code := _whole_refusal(services, change_set, holder)) is not None:
        return await _keep_whole(tx, services, arrival, "quarantined", code)
    return await _decide(tx, services, arrival, change_set, holder)


def _read(services: Services, arrival: Arrival) -> ChangeSet:
    if len(arrival.raw) > services.settings.max_set_bytes:
        raise Unreadable("set_too_large")
    change_set = decode_set(arrival.raw)
    if change_set.no != arrival.no:
        raise Unreadable("set_number_mismatch")
    if change_set.device != arrival.device_id:
        raise Unreadable("set_device_mismatch")
    return change_set


def _whole_refusal(services: Services, change_set: ChangeSet, holder: push.Holder) -> str | None:
    """Why a readable set is kept and not applied.

    That its holder has left is no reason: each change is judged by what he was assigned to when he wrote it.
    """
    if holder.revoked:
        return "device_revoked"
    if change_set.author != holder.user_id:
        return "author_not_holder"
    return version_refusal(change_set.catalogue, services.catalogue)


async def _decide(
    tx: Transaction, services: Services, arrival: Arrival, change_set: ChangeSet, holder: push.Holder
) -> Receipt:
    changes = _changes(services, arrival, change_set, holder.drained_at)
    # What is asked only since its version may be missing from it; all else is decided as for anybody today.
    written = replace(services, catalogue=services.catalogue.as_written(change_set.catalogue))
    readable = [one[0] for one in changes if not isinstance(one, Undecoded)]
    loaded = await load_context(tx, written, _asked(arrival, change_set, holder, readable))
    decisions = decide_set(changes, loaded.context, atomic=change_set.atomic)
    raw = arrival.raw
    if loaded.context.erased or any(isinstance(one, Undecoded) for one in changes):
        raw = await keepable(tx.connection, raw, {place for place, one in enumerate(decisions) if one.held})
    decided = DecidedSet(
        device_id=arrival.device_id,
        author_id=change_set.author,
        epoch=arrival.epoch,
        no=arrival.no,
        catalogue=change_set.catalogue,
        at=arrival.at,
        changes=[None if isinstance(one, Undecoded) else one for one in changes],
        decisions=decisions,
    )
    outcomes = await store_decisions(tx, services, loaded, decided)
    receipt = Receipt(arrival.no, set_hash(arrival.raw), "decided", outcomes)
    traced = all(one.revision is not None and one.carried is None for one in decisions)
    await _keep(tx, services, arrival, receipt, raw, traced=traced)
    return receipt


def _asked(arrival: Arrival, change_set: ChangeSet, holder: push.Holder, changes: Sequence[Change]) -> Asked:
    return Asked(
        changes=changes,
        author_id=change_set.author,
        assignments=holder.assignments,
        device_id=arrival.device_id,
        set_name=f"{arrival.epoch}/{arrival.no}",
        written_registry=change_set.registry,
        now=arrival.at,
    )


def _changes(services: Services, arrival: Arrival, change_set: ChangeSet, drained_at: datetime) -> list[Dated]:
    """The changes in today's words with their estimated capture times."""
    form = set_form(arrival.raw)
    changes: list[Dated] = []
    for raw in change_set.changes:
        try:
            change = decode_change(raw, form)
        except Unreadable as unreadable:
            changes.append(Undecoded(unreadable.code, unreadable.where, item_named(raw, form)))
        else:
            captured_at = estimate_capture(change.capture, arrival.clock, arrival.at, drained_at)
            changes.append((upcast(change, change_set.catalogue, services.catalogue), captured_at))
    return changes


async def _replay(tx: Transaction, services: Services, arrival: Arrival) -> Receipt:
    """A number that was decided before: the same bytes get the same receipt, other bytes are kept beside it."""
    stored = await push.stored_set(tx.connection, arrival.device_id, arrival.no)
    assert stored is not None
    if stored["hash"].hex() == set_hash(arrival.raw):
        RECEIPTS_REPLAYED.inc()
        return whole(stored, arrival.no)
    raw = await keepable(tx.connection, arrival.raw)
    # Also where nothing may be kept of it: by this row the phone proves that it is a copy.
    await push.insert_forked_set(tx.connection, _sealed(services, arrival, raw))
    if raw is not None:
        await push.insert_quarantine(tx.connection, [_held(arrival, "forked", "set_forked")])
    return _undecided(arrival, "forked", "set_forked")


async def _keep_whole(
    tx: Transaction,
    services: Services,
    arrival: Arrival,
    status: Literal["rejected", "quarantined"],
    code: str,
    field: str | None = None,
) -> Receipt:
    """Keep a set that is not decided change by change, and advance, so that it blocks nothing after it."""
    raw = await keepable(tx.connection, arrival.raw)
    if raw is not None:
        await push.insert_quarantine(tx.connection, [_held(arrival, status, code)])
    receipt = _undecided(arrival, status, code, field)
    await _keep(tx, services, arrival, receipt, raw)
    return receipt


async def _keep_void(tx: Transaction, services: Services, arrival: Arrival, why: Void, holder: push.Holder) -> Receipt:
    """A number whose changes nobody has: used up, with nothing applied, and on record so that somebody may ask."""
    detail = {"no": arrival.no, "epoch": arrival.epoch, "why": why}
    await audit.record(tx.connection, holder.user_id, "change_set.void", "device", str(arrival.device_id), None, detail)
    receipt = _undecided(arrival, "void", f"set_void_{why}")
    await _keep(tx, services, arrival, receipt, arrival.raw)
    return receipt


async def _keep(
    tx: Transaction, services: Services, arrival: Arrival, receipt: Receipt, raw: bytes | None, *, traced: bool = False
) -> None:
    row = _sealed(services, arrival, raw) | {"size": len(arrival.raw), "receipt": receipt, "traced": traced}
    await push.keep_change_set(tx.connection, row)

    async def count() -> None:
        CHANGE_SETS.labels(receipt.status).inc()
        for outcome, times in Counter(one.outcome for one in receipt.outcomes).items():
            CHANGES.labels(outcome).inc(times)

    tx.after_commit(count)


def _sealed(services: Services, arrival: Arrival, raw: bytes | None) -> dict[str, Any]:
    """The bytes as they came, or what may be kept of them, under a key of their own."""
    return {
        "device_id": arrival.device_id,
        "epoch": arrival.epoch,
        "no": arrival.no,
        "hash": bytes.fromhex(set_hash(arrival.raw)),
        "received_at": arrival.at,
        **sealed_set(services.keyring, arrival.name, raw),
    }


def _held(arrival: Arrival, outcome: str, code: str) -> dict[str, Any]:
    return {
        "id": uuid5(arrival.device_id, f"{arrival.name} {outcome} {set_hash(arrival.raw)}"),
        "device_id": arrival.device_id,
        "epoch": arrival.epoch,
        "set_no": arrival.no,
        "outcome": outcome,
        "code": code,
        "received_at": arrival.at,
    }


def _undecided(
    arrival: Arrival,
    status: Literal["rejected", "quarantined", "void", "forked"],
    code: str,
    field: str | None = None,
) -> Receipt:
    words = CATALOGUE[code]
    return Receipt(arrival.no, set_hash(arrival.raw), status, [], code, words.zh, words.en, field)


def _where(error: Exception) -> str:
    last = extract_tb(error.__traceback__)[-1]
    return f"{last.name}:{last.lineno}"
