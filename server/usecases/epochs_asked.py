"""The epochs of this database, and beginning one because somebody knows what the witness cannot."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from server.db import epochs
from server.errors import Problem
from server.services import Services
from server.storage.objects import StoreUnavailable
from server.usecases.epochs import begin_epoch
from server.usecases.reasons import checked_reason
from server.usecases.sessions import Caller
from server.usecases.witness import renew_witness

_ROLES = frozenset({"administrator", "security_administrator"})


class EpochLine(Struct, frozen=True, kw_only=True):
    """One epoch: when and why it began."""

    seq: int
    id: str
    began_at: datetime
    reason: str


async def list_epochs(services: Services) -> list[EpochLine]:
    """All of them, the present one last."""
    async with services.database.read() as connection:
        return [EpochLine(**one._asdict()) for one in await epochs.every(connection)]


async def ask_for_epoch(services: Services, caller: Caller, reason: str) -> EpochLine:
    """Begin an epoch on a running installation: every device compares what it holds at its next exchange.

    Raises Problem: forbidden, reason_needed, not_ready where the object store does not answer, and then nothing began.
    """
    if caller.revoked or not _ROLES & caller.roles:
        raise Problem("forbidden")
    why = checked_reason(reason)
    try:
        await services.objects.health()
    except StoreUnavailable as error:
        raise Problem("not_ready") from error
    begun = await services.database.write(lambda tx: begin_epoch(tx, "asked", why, by=caller.user_id))
    await renew_witness(services.database, services.objects, services.keyring)
    return EpochLine(**begun._asdict())
