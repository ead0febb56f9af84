"""Epochs: when a database turns out to have gone back, another one begins, and every device compares what it holds."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from server.db import audit, epochs, uploads
from server.db.database import Transaction
from server.metrics import EPOCHS

Cause = Literal[
    "restored", "asked", "epoch_unknown", "other_cluster", "other_timeline", "other_database", "behind", "unreadable"
]
"""Why an epoch begins; but for the first two, the witness told it (`server.usecases.witness`)."""


UPLOADS_END_AFTER = timedelta(minutes=30)
"""In a new epoch, where nothing more comes of them."""


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
    # The photo of an upload that is open here may be in the store whole, and its phone have let go of it. Where nothing
    # more comes, the upload ends, and the photo is looked for there (`adopting`).
    await uploads.let_uploads_end(tx.connection, datetime.now(UTC) + UPLOADS_END_AFTER)
    told = {"cause": cause, "follows": former.id} | (detail or {})
    await audit.record(tx.connection, by, "epoch.begun", "epoch", begun.id, reason, told)

    async def count() -> None:
        EPOCHS.labels(cause).inc()

    tx.after_commit(count)
    return begun
