"""Epochs: when a database turns out to have gone back, another one begins, and every device compares what it holds."""

from __future__ import annotations

import secrets
from typing import Any, Literal
from uuid import UUID

from server.db import audit, epochs
from server.db.database import Transaction
from server.metrics import EPOCHS

Cause = Literal[
    "restored", "asked", "epoch_unknown", "other_cluster", "other_timeline", "other_database", "behind", "unreadable"
]
"""Why an epoch begins; but for the first two, the witness told it (`server.usecases.witness`)."""


async def begin_epoch(
    tx: Transaction,
    cause: Cause,
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
    by: UUID | None = None,
) -> epochs.Epoch:
    """Begin an epoch in this transaction, audited; `by`: who asked for it.

    Numbers of devices and their receipts go on in it, cursors do not. No change set is decided between this and the
    commit; servers that run meanwhile see the epoch in their next exchange.
    """
    former = await epochs.current(tx.connection)
    await epochs.begin(tx.connection, secrets.token_urlsafe(9), cause)
    begun = await epochs.current(tx.connection)
    told = {"cause": cause, "follows": former.id} | (detail or {})
    await audit.record(tx.connection, by, "epoch.begun", "epoch", begun.id, reason, told)

    async def count() -> None:
        EPOCHS.labels(cause).inc()

    tx.after_commit(count)
    return begun
