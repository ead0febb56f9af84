"""A change set between deciding and storing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from schemas.wire import Change
from sync.decisions import Decision


class DecidedSet(Struct, frozen=True):
    """A change set and what was decided about each of its changes (None: one that could not be decoded).

    Salvage and forked sets that are released have no number. `notices`: what its author is to be told of it, as rows.
    """

    device_id: UUID
    author_id: UUID
    epoch: str
    no: int | None
    catalogue: str
    at: datetime
    changes: Sequence[tuple[Change, datetime] | None]
    decisions: Sequence[Decision]
    notices: Sequence[dict[str, Any]] = ()

    def place(self, index: int) -> dict[str, Any]:
        """Where change `index` came from."""
        return {"device_id": self.device_id, "epoch": self.epoch, "set_no": self.no, "set_index": index}
