"""Receipts as they are kept: whole until the device has them, then without what can be made again.

    stored whole -> acknowledged by the device -> cut down by a job -> whole again where the set is sent once more

What a receipt says in words, it says by a code whose words stand in the catalogue of errors; its number and hash stand
beside it. All of that goes. Words that were made for one form, with its labels and limits, stand nowhere else and stay.
The bytes of the sets are not touched.
"""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from schemas.wire import ChangeOutcome, Receipt
from server.db import receipts
from server.db.database import Row, Transaction
from server.errors import CATALOGUE
from server.metrics import PRUNED
from server.services import Services

Said = TypeVar("Said", Receipt, ChangeOutcome)

_DEVICES = 200
_BATCH = 500
"""Receipts cut down in one transaction, under the lock of one device's counter."""


async def prune(services: Services) -> int:
    """Cut down every receipt that its device has acknowledged; returns how many there were.

    A device that is pushing just now is passed over, and found by the next run.
    """
    pruned = 0
    async with services.database.read() as connection:
        due = await receipts.counters_to_prune(connection, _DEVICES)
    while due:
        for counter in due:
            pruned += await _prune_device(services, counter)
        async with services.database.read() as connection:
            due = await receipts.counters_to_prune(connection, _DEVICES, after=due[-1])
    PRUNED.inc(pruned)
    return pruned


async def _prune_device(services: Services, counter: receipts.CounterKey) -> int:
    pruned = 0
    while (done := await services.database.write(partial(_batch, counter=counter))) is not None:
        pruned += done
    return pruned


async def _batch(tx: Transaction, counter: receipts.CounterKey) -> int | None:
    """None where there is nothing left to do, or somebody else holds the counter."""
    rows = await receipts.lock_receipts_to_prune(tx.connection, counter, _BATCH)
    if rows is None:
        return None
    cut = [{"no": row["no"], "receipt": cut_down(row["receipt"])} for row in rows]
    await receipts.store_pruned(tx.connection, counter, cut, finished=len(rows) < _BATCH)
    return len(cut)


def cut_down(stored: dict[str, Any]) -> dict[str, Any]:
    """A receipt without number and hash, and without words that its codes stand for."""
    kept = {key: value for key, value in stored.items() if key not in ("no", "hash")}
    if "outcomes" in kept:
        kept["outcomes"] = [_wordless(outcome) for outcome in kept["outcomes"]]
    return _wordless(kept)


def whole(row: Row, no: int) -> Receipt:
    """The receipt of a stored set (hash, receipt), as it was given first."""
    stored = {"no": no, "hash": row["hash"].hex()} | row["receipt"]
    receipt = _with_words(msgspec.convert(stored, Receipt))
    return replace(receipt, outcomes=[_with_words(outcome) for outcome in receipt.outcomes])


def _wordless(said: dict[str, Any]) -> dict[str, Any]:
    words = CATALOGUE.get(said.get("code", ""))
    if words is None or (said.get("zh"), said.get("en")) != (words.zh, words.en):
        return said
    return {key: value for key, value in said.items() if key not in ("zh", "en")}


def _with_words(said: Said) -> Said:
    if said.code is None or said.zh is not None or said.code not in CATALOGUE:
        return said
    words = CATALOGUE[said.code]
    return replace(said, zh=words.zh, en=words.en)
