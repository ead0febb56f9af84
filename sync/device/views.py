"""What a device hands out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from schemas.wire import CaseView, Directive, EvidenceState, ExchangeRequest, ReviewView


class NotVisibleError(LookupError):
    """The item to be edited is not on this device, or was deleted on it."""


class Outgoing(Struct, frozen=True):
    """What to send: `serial` goes back with the answer; the sets follow the header as bytes."""

    serial: int
    request: ExchangeRequest
    sets: list[bytes]


class Applied(Struct, frozen=True):
    """What an answer did. `again`: there is more to pull or to push, so exchange at once.

    `stale`: it did not answer the last request, so only its receipts were used. `released`: keys of the
    photos whose bytes the phone may delete. `repaired`: streams that are compared from now on because their
    digest disagreed. `directives`: those that were not handed out before. `wiped`: the device has forgotten
    everything, and the app does the same.
    """

    stale: bool = False
    receipts: int = 0
    entries: int = 0
    gained: list[str] = []
    lost: list[str] = []
    repaired: list[str] = []
    released: list[str] = []
    new_epoch: bool = False
    again: bool = False
    directives: list[Directive] = []
    wiped: bool = False


class VisibleItem(Struct, frozen=True):
    """An item as the worker sees it: pulled state with the edits over it. `version` 0: not pulled yet.

    `unsent`: an edit of it has no receipt.
    """

    id: UUID
    type: str
    version: int
    code: str | None
    urgency: str | None
    fields: dict[str, Any]
    unsent: bool
    received_at: datetime | None = None
    review: ReviewView | None = None
    case: CaseView | None = None
    evidence: list[EvidenceState] = []
