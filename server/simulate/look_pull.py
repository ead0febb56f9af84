"""Looks at a city through a fresh full pull of each worker's scope, where only its address is known.

Such a pull shows heads and no history, so the history is put together from the ledger and the receipts: what a receipt
says counts only as far as the heads bear it out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from uuid import UUID

from schemas.wire import ChangeOutcome, Clock, Receipt
from server.simulate.demo_file import Demo
from server.simulate.ledger import Ledger, Written
from server.simulate.net import Net
from server.simulate.team import Enroller, second_device
from server.simulate.truth import Fields, Head, Held, Holding, Revision, Truth, holding_of
from sync.device import Device

Receipts = Mapping[UUID, Mapping[int, Receipt]]
"""By device and number."""

_TOGETHER = 8
_APPLIED = ("applied", "merged", "rebased")
_KEPT = ("quarantined", "rejected")


async def pull_scopes(net: Net, demo: Demo, users: Iterable[UUID], clock: Clock) -> dict[UUID, Device]:
    """A new phone of each worker, filled to the head."""
    places, enroller = asyncio.Semaphore(_TOGETHER), Enroller(net, demo)

    async def one(user: UUID) -> tuple[UUID, Device]:
        async with places:
            link, device = await second_device(net, enroller, user)
            again = True
            while again:
                outgoing = device.next_request(clock)
                again = device.apply_answer(outgoing.serial, await link.exchange(outgoing)).again
            return user, device

    return dict(await asyncio.gather(*(one(user) for user in users)))


def truth_of(ledger: Ledger, receipts: Receipts, fresh: Iterable[Device], known: set[UUID]) -> Truth:
    """What the fresh phones show of the ledger; `known`: items that were there before the run."""
    truth, parked = Truth(as_written=True), dict[UUID, Fields]()
    for device in fresh:
        for item in device.items():
            truth.heads[item.id] = Head(item.version, False, item.fields)
        parked |= {notice.id: notice.fields for notice in device.parked()}
    _tell_history(truth, ledger, receipts, parked)
    for item, revisions in truth.revisions.items():
        if item not in truth.heads and any(one.op == "delete" for one in revisions):
            truth.heads[item] = Head(max(one.version for one in revisions), True, {})
    _tell_sets(truth, ledger, receipts)
    _add_unexplained(truth)
    truth.strangers = [item for item in truth.heads if item not in ledger.by_item and item not in known]
    return truth


def holdings_of(devices: Mapping[UUID, UUID], fresh: Mapping[UUID, Device]) -> dict[UUID, Holding]:
    """What each device should hold: what the fresh phone of its worker does."""
    return {device: holding_of(fresh[user]) for device, user in devices.items()}


def _tell_history(truth: Truth, ledger: Ledger, receipts: Receipts, parked: Mapping[UUID, Fields]) -> None:
    told: set[UUID] = set()
    for change in ledger.changes:
        receipt = receipts.get(change.device, {}).get(change.no)
        if receipt is None or receipt.status == "void":
            continue
        if receipt.status != "decided":
            truth.quarantine[change.device, change.no, -1] = 1
            continue
        outcome = receipt.outcomes[change.index]
        conflict = outcome.conflict
        if outcome.outcome in _KEPT:
            truth.quarantine[change.key] = 1
        elif conflict is not None and conflict in parked:
            held = parked[conflict]
            _add_revision(truth, change, outcome, {key: v for key, v in change.fields.items() if key not in held})
            if conflict not in told:
                # A later edit that joined it is in the same conflict.
                told.add(conflict)
                truth.conflicts[change.item].append(Held(*change.key, held))
        elif outcome.outcome in _APPLIED:
            _add_revision(truth, change, outcome, change.fields)


def _tell_sets(truth: Truth, ledger: Ledger, receipts: Receipts) -> None:
    """What receipts say of whole sets; of one that nobody can read, that it was kept under this hash."""
    said = [(device, one) for device, by_no in receipts.items() for one in by_no.values()]
    truth.void = {(device, one.no) for device, one in said if one.status == "void"}
    refused = {(device, one.no): one.hash for device, one in said if one.status == "rejected"}
    truth.unreadable = {key: hashed for key, hashed in refused.items() if key in ledger.unreadable}


def _add_revision(truth: Truth, change: Written, outcome: ChangeOutcome, fields: Fields) -> None:
    """A receipt's version. A deletion of what was deleted already names the version that it found."""
    if outcome.version is not None and (fields or (change.op == "delete" and outcome.outcome != "parked")):
        truth.revisions[change.item].append(Revision(outcome.version, change.op, fields, *change.key))


def _add_unexplained(truth: Truth) -> None:
    """A version that no receipt speaks of is known by its number alone."""
    for item, head in truth.heads.items():
        told = {one.version for one in truth.revisions.get(item, ())}
        for version in range(1, head.version + 1) if told else ():
            if version not in told:
                truth.revisions[item].append(Revision(version, "unknown", {}))
