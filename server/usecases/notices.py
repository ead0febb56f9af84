"""The end of notices that ask for nothing (`sync.feed.ENDS_WHEN_SEEN`): nothing that happens to their items ends them.

Each ends once its reader has put it away, on whichever of his phones, or by itself after the time for which streams
remember what has left them: an app may not know how to put it away, and who has left reads nothing any more. A phone
that was silent for so long compares its streams anyway. All others end with what they are about: a return with the
correction, a parked change or a duplicate with its conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from schemas.wire import PutAway
from server.db import notices
from server.db.database import Transaction
from server.services import Services
from server.usecases.feeding import write_feed, writes_for_notices
from sync.feed import ENDS_WHEN_SEEN

_BATCH = 500


async def put_away(tx: Transaction, device_id: UUID, seen: Sequence[PutAway]) -> None:
    """The holder of a device has put these away; what is not his, or asks for something, stays as it is."""
    ended = await notices.put_away(tx.connection, device_id, seen, ENDS_WHEN_SEEN)
    await write_feed(tx, writes_for_notices(ended))


async def lapse(services: Services, now: datetime | None = None) -> int:
    """End those that nobody has put away for so long; returns how many there were."""
    before = (now or datetime.now(UTC)) - timedelta(days=services.settings.absence_days)
    ended, last = 0, _BATCH
    while last == _BATCH:
        last = await services.database.write(partial(_lapse, before=before))
        ended += last
    return ended


async def _lapse(tx: Transaction, before: datetime) -> int:
    ended = await notices.lapse(tx.connection, ENDS_WHEN_SEEN, before, _BATCH)
    await write_feed(tx, writes_for_notices(ended))
    return len(ended)
