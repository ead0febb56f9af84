"""What a field device and the server say to each other on `/v1/exchange`.

Numbers that do not fit into 53 bits (`rev`, `digest`) travel as 16 lower-case hexadecimal digits, hashes as 64.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Hex16 = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Token = Annotated[str, Meta(max_length=64, pattern=r"^[\x21-\x7e]*$")]
Count = Annotated[int, Meta(ge=0, lt=2**53)]
Instant = Annotated[datetime, Meta(tz=True)]
"""A time with its offset: RFC 3339 in JSON, a timestamp (extension -1) in MessagePack."""

Outcome = Literal["applied", "merged", "rebased", "parked", "quarantined", "rejected"]
Operation = Literal["create", "update", "delete"]
FeedKind = Literal["item", "todo", "parked", "notice"]


class Fix(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the phone was: degrees in `crs`, accuracy in metres, and when the fix was made."""

    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    crs: Literal["wgs84", "gcj02", "bd09"]
    accuracy: Annotated[float, Meta(ge=0, le=1_000_000)]
    provider: Token = "gps"
    fixed_at: Instant | None = None


class Capture(Struct, frozen=True):
    """When and where a change was written, by the phone's own clocks.

    `mono` is milliseconds of the monotonic clock since the boot that `boot` names; neither is ever used for order.
    """

    wall: Instant
    mono: Count
    boot: Token
    position: Fix | None = None


class Base(Struct, frozen=True, array_like=True):
    """The revision a change was written against: as last pulled."""

    version: Annotated[int, Meta(ge=1, lt=2**31)]
    rev: Hex16


class Change(Struct, frozen=True):
    """One edit of one item. `fields` holds only what changes; null clears a field."""

    op: Operation
    item: UUID
    type: Annotated[str, Meta(pattern="^[0-9]{4}$")]
    capture: Capture
    base: Base | None = None
    grid: Annotated[str, Meta(pattern="^[0-9]{15}$")] | None = None
    urgency: Literal["critical", "urgent", "normal"] | None = None
    fields: dict[str, Any] = {}


class ChangeSet(Struct, frozen=True):
    """What a device pushes as one atom. Its bytes are made once; the hash is over them."""

    no: Annotated[int, Meta(ge=1, lt=2**53)]
    device: UUID
    holder: UUID
    author: UUID
    catalogue: Token
    registry: Count
    nonce: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{22}$")]
    changes: Annotated[list[Raw], Meta(min_length=1)]
    epoch: Token | None = None


class Cursor(Struct, frozen=True, array_like=True):
    """A position in a stream, and the stream's head when the present fill began."""

    position: Count = 0
    fill: Count = 0


class Clock(Struct, frozen=True):
    """The phone's clocks at the moment of sending, by which captures are dated."""

    wall: Instant
    mono: Count
    boot: Token


class ExchangeRequest(Struct, frozen=True):
    """The header of an exchange; change sets `first`, `first + 1`, … follow it as opaque bytes."""

    device: UUID
    clock: Clock
    catalogue: Token
    registry: Count
    epoch: Token | None = None
    app: Token = ""
    cursors: dict[str, Cursor] = {}
    first: Count = 0
    acknowledged: Count = 0
    unsent: Count = 0
    max_bytes: Annotated[int, Meta(ge=1_000)] | None = None


class PackedExchangeRequest(ExchangeRequest, frozen=True):
    """The MessagePack form: header and change sets in one map."""

    sets: list[bytes] = []


class ChangeOutcome(Struct, frozen=True, omit_defaults=True):
    """What became of one change. `zh` and `en` say it to a person; they never repeat a value."""

    item: str | None
    outcome: Outcome
    version: int | None = None
    rev: str | None = None
    conflict: UUID | None = None
    code: str | None = None
    field: str | None = None
    zh: str | None = None
    en: str | None = None


class Receipt(Struct, frozen=True, omit_defaults=True):
    """The durable answer to a change set; the same however often the set arrives.

    `status`: `decided` (see `outcomes`), `rejected` (unreadable as a whole), `quarantined` (kept whole, not applied),
    `forked` (this number was used for other bytes).
    """

    no: int
    hash: str
    status: Literal["decided", "rejected", "quarantined", "forked"]
    outcomes: list[ChangeOutcome] = []
    code: str | None = None
    zh: str | None = None
    en: str | None = None


class EvidenceState(Struct, frozen=True):
    """A photo of an item and how far its bytes have come."""

    sha256: str
    size: int
    role: Literal["report", "close"]
    state: Literal["declared", "uploading", "stored", "verified", "refused"]


class ReviewView(Struct, frozen=True, omit_defaults=True):
    """The submission's state as every reader of the item sees it; a return has a reason, a note, and notes by field."""

    state: Literal["pending", "approved", "returned"]
    level: int = 0
    version: int = 0
    reason: str | None = None
    note: str | None = None
    notes: dict[str, str] = {}


class CaseView(Struct, frozen=True, omit_defaults=True):
    """The case's state as every reader of the item sees it; times in UTC."""

    state: str
    organisation: UUID | None = None
    accept_by: datetime | None = None
    respond_by: datetime | None = None
    handle_by: datetime | None = None


class ItemBody(Struct, frozen=True, omit_defaults=True):
    """An item as a device holds it. The grid is its opaque id; `code` is the label it bears now."""

    id: UUID
    type: str
    version: int
    rev: str
    touch: int
    grid: UUID | None
    code: str | None
    author: UUID
    urgency: str
    fields: dict[str, Any]
    received_at: datetime
    review: ReviewView | None = None
    case: CaseView | None = None
    evidence: list[EvidenceState] = []


class NoticeBody(Struct, frozen=True, omit_defaults=True):
    """A to-do, a parked change or a notice in one user's own stream."""

    id: UUID
    kind: FeedKind
    item: UUID
    code: str
    version: int
    fields: dict[str, Any] = {}
    notes: dict[str, str] = {}
    note: str | None = None
    reason: str | None = None


class Entry(Struct, frozen=True, omit_defaults=True):
    """One feed entry. Without a body it is an absence: the object is no longer in this stream."""

    position: int
    kind: FeedKind
    id: UUID
    version: int
    rev: str
    touch: int
    item: ItemBody | None = None
    notice: NoticeBody | None = None


class StreamPage(Struct, frozen=True, omit_defaults=True):
    """What a stream holds after the cursor. `digest` is given only where `more` is false.

    `reset`: the cursor could not be used and this page begins again from zero.
    """

    stream: str
    entries: list[Entry]
    cursor: Cursor
    more: bool = False
    digest: str | None = None
    reset: bool = False


class Directive(Struct, frozen=True):
    """Something the server asks of the device itself."""

    id: UUID
    kind: Literal["wipe", "update_app", "upload_log"]


class ExchangeAnswer(Struct, frozen=True, omit_defaults=True):
    """`expected` is the next number the server waits for. `mark` is given when nothing more is to be pulled."""

    epoch: str
    now: datetime
    expected: int
    safe_no: int
    catalogue: str
    registry: int
    receipts: list[Receipt] = []
    gained: list[str] = []
    lost: list[str] = []
    streams: list[StreamPage] = []
    directives: list[Directive] = []
    more: bool = False
    mark: str | None = None
