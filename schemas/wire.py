"""What a field device and the server say to each other on `/v1/exchange`.

Numbers that do not fit into 53 bits (`rev`, `digest`) travel as 16 lower-case hexadecimal digits, hashes as 64. In a
MessagePack answer ids are 16 bytes and `Bits64` 8, and what binaries an item's `fields` hold says `sync.packing`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Hex16 = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
TYPE_CODE, GRID_CODE, TOKEN = "^[0-9]{4}$", "^[0-9]{15}$", r"^[\x21-\x7e]*$"
"""How codes and tokens are spelled. Those of a change, the same few all the time, `sync.framing` checks."""

Token = Annotated[str, Meta(max_length=64, pattern=TOKEN)]
Count = Annotated[int, Meta(ge=0, lt=2**53)]
Instant = Annotated[datetime, Meta(tz=True)]
"""A time with its offset: RFC 3339 in JSON, a timestamp (extension -1) in MessagePack."""


class Bits64(str):
    """The `rev` of an entry or the `digest` of a page: 16 lower-case hexadecimal digits, in MessagePack 8 bytes."""

    __slots__ = ()


Outcome = Literal["applied", "merged", "rebased", "parked", "quarantined", "rejected"]
Operation = Literal["create", "update", "delete", "transition"]
FeedKind = Literal["item", "todo", "parked", "notice"]


class Fix(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where the phone was: degrees in `crs`, accuracy in metres, and when the fix was made."""

    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    crs: Literal["wgs84", "gcj02", "bd09"]
    accuracy: Annotated[float, Meta(ge=0, le=1_000_000)]
    provider: Annotated[str, Meta(max_length=64, extra_json_schema={"pattern": TOKEN})] = "gps"
    fixed_at: Instant | None = None


class Capture(Struct, frozen=True, omit_defaults=True, gc=False):
    """When and where a change was written, by the phone's own clocks.

    `mono` is milliseconds of the monotonic clock since the boot that `boot` names; neither is ever used for order.
    """

    wall: Instant
    mono: Count
    boot: Annotated[str, Meta(max_length=64, extra_json_schema={"pattern": TOKEN})]
    position: Fix | None = None


class Base(Struct, frozen=True, array_like=True, gc=False):
    """The revision a change was written against: as last pulled."""

    version: Annotated[int, Meta(ge=1, lt=2**31)]
    rev: Hex16


class LegacyCode(Struct, frozen=True):
    """A grid by the code that a department gave it before the unified ones; the crosswalk says what it stands for.

    `department` is a department of the catalogue. Full-width letters and digits, case and outer blanks make no
    difference.
    """

    department: Annotated[str, Meta(pattern="^[a-z]{1,20}$")]
    code: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Transition(Struct, frozen=True, forbid_unknown_fields=True, rename={"leaves": "from"}):
    """A step of an item's case, taken on the spot: the action, and the state of the case that it leaves."""

    action: Annotated[str, Meta(pattern="^[a-z_]{1,40}$")]
    leaves: Annotated[str, Meta(pattern="^[a-z_]{1,40}$")]
    note: Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00]*$")] | None = None


class Change(Struct, frozen=True, omit_defaults=True, gc=False):
    """One edit of one item. `fields` holds only what changes; null clears a field.

    `grid` is the unified code of the grid that its author chose, `legacy` what stood for it on an old list or plate.
    `transition` is there for the operation of that name, and may bring fields with it, such as photos from after.
    """

    op: Operation
    item: UUID
    type: Annotated[str, Meta(extra_json_schema={"pattern": TYPE_CODE})]
    capture: Capture
    base: Base | None = None
    grid: Annotated[str, Meta(extra_json_schema={"pattern": GRID_CODE})] | None = None
    urgency: Literal["critical", "urgent", "normal"] | None = None
    fields: dict[str, Any] = {}
    legacy: LegacyCode | None = None
    transition: Transition | None = None


Void = Literal["lost", "too_large"]
"""Why a set comes without its changes: the device lost its bytes, or no server would take so many."""


class ChangeSet(Struct, frozen=True, omit_defaults=True):
    """What a device pushes as one atom. Its bytes are made once; the hash is over them.

    `atomic`: one rejected change rejects them all, one parked change parks them all. `void`: the number is used up and
    there is nothing to apply; `changes` is then empty, and only then.
    """

    no: Annotated[int, Meta(ge=1, lt=2**53)]
    device: UUID
    holder: UUID
    author: UUID
    catalogue: Token
    registry: Count
    nonce: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{22}$")]
    changes: list[Raw]
    epoch: Token | None = None
    atomic: bool = False
    void: Void | None = None


class Cursor(Struct, frozen=True, array_like=True):
    """A position in a stream, and the stream's head when the present fill began."""

    position: Count = 0
    fill: Count = 0


class Clock(Struct, frozen=True):
    """The phone's clocks at the moment of sending, by which captures are dated."""

    wall: Instant
    mono: Count
    boot: Token


class Repair(Struct, frozen=True, omit_defaults=True):
    """How a device compares a stream with the server's, in bytes that grow with the difference.

    `buckets`: 256 digests of 8 bytes, one for the memberships whose id ends in each byte. `finer`: by such a byte, 16
    digests, one for each upper half of the byte before it. `want`: the hashes of entries whose bodies it lacks.
    `bytes` are base64 in JSON.
    """

    buckets: Annotated[bytes, Meta(min_length=2048, max_length=2048)] | None = None
    finer: dict[Annotated[int, Meta(ge=0, le=255)], Annotated[bytes, Meta(min_length=128, max_length=128)]] = {}
    want: Annotated[list[Hex16], Meta(max_length=1_000)] = []


class PutAway(Struct, frozen=True, array_like=True):
    """A notice that its reader has put away, and the version of it that he saw."""

    notice: UUID
    version: Count


class ExchangeRequest(Struct, frozen=True, omit_defaults=True):
    """The header of an exchange; change sets `first`, `first + 1`, … follow it as opaque bytes.

    `repairs`: by stream, see `Repair`. `salvage`: items that the device holds and the server's new epoch does not, each
    an `ItemBody` as it was pulled. `done`: the directives that the device has carried out. `put_away`: the notices that
    it still holds and that ask for nothing more.
    """

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
    repairs: dict[str, Repair] = {}
    salvage: Annotated[list[Raw], Meta(max_length=200)] = []
    done: Annotated[list[UUID], Meta(max_length=100)] = []
    put_away: Annotated[list[PutAway], Meta(max_length=100)] = []


class PackedExchangeRequest(ExchangeRequest, frozen=True, omit_defaults=True):
    """The MessagePack form: header and change sets in one map."""

    sets: list[bytes] = []


class ChangeOutcome(Struct, frozen=True, omit_defaults=True, gc=False):
    """What became of one change. `zh` and `en` say it to a person; they never repeat a value.

    `field`: the key of a field of the form; of a change that cannot be read its member, by names (`$.capture.mono`).
    `linked`: the item that the named one was made one with, and to which the change went; version and rev are of it.
    """

    item: str | None
    outcome: Outcome
    version: int | None = None
    rev: str | None = None
    conflict: UUID | None = None
    code: str | None = None
    field: str | None = None
    zh: str | None = None
    en: str | None = None
    linked: UUID | None = None


class Receipt(Struct, frozen=True, omit_defaults=True):
    """The durable answer to a change set; the same however often the set arrives.

    `status`: `decided` (see `outcomes`), `rejected` (unreadable as a whole), `quarantined` (kept whole, not applied),
    `void` (the device sent the number without its changes), `forked` (this number was used for other bytes). `field`:
    the member of a set that is wrong or missing, as a path of names.
    """

    no: int
    hash: str
    status: Literal["decided", "rejected", "quarantined", "void", "forked"]
    outcomes: list[ChangeOutcome] = []
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    field: str | None = None


PhotoState = Literal["declared", "uploading", "stored", "verified", "refused"]


class EvidenceState(Struct, frozen=True):
    """A photo of an item and how far its bytes have come."""

    sha256: str
    size: int
    role: Literal["report", "close"]
    state: PhotoState


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
    """An item as devices hold it and offices read it. The grid is its opaque id; `code` is the label it bears now."""

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


class EntryItem(Struct, frozen=True, omit_defaults=True, gc=False):
    """What an entry tells of an item; with the entry's own id, version, rev and touch it is an `ItemBody`.

    `photos`: the states of the photos that the form lists, in its order; left out while all are `declared`. `evidence`:
    photos of the item that its form does not list.
    """

    type: str
    urgency: str
    fields: dict[str, Any]
    received_at: datetime
    grid: UUID | None
    code: str | None
    author: UUID
    case: CaseView | None = None
    review: ReviewView | None = None
    photos: list[PhotoState] = []
    evidence: list[EvidenceState] = []


class NoticeBody(Struct, frozen=True, omit_defaults=True):
    """A to-do, a parked change or a notice in one user's own stream.

    `reason`: the code of a return's reason, the fault of a code that tells no grid, or what a step of a case lacked.
    """

    id: UUID
    kind: FeedKind
    item: UUID
    code: str
    version: int
    fields: dict[str, Any] = {}
    notes: dict[str, str] = {}
    note: str | None = None
    reason: str | None = None


class Entry(Struct, frozen=True, omit_defaults=True, gc=False):
    """One feed entry. Without a body it is an absence: the object is no longer in this stream.

    `erased`: it is nowhere any more, and the device forgets all that it has of it.
    """

    position: int
    kind: FeedKind
    id: UUID
    version: int
    rev: Bits64
    touch: int
    item: EntryItem | None = None
    notice: NoticeBody | None = None
    erased: bool = False


class Repaired(Struct, frozen=True, omit_defaults=True):
    """The server's side of a comparison, as of the page's head.

    `finer`: buckets that differ and hold much, as the 16 digests within them. `hashes`: buckets that differ, as the
    8-byte hashes of all their entries one after the other; the key is the bucket, or for a part of one
    `256 + 16 * bucket + part`. `entries`: those that the device wanted, as far as they are there and fit.
    """

    finer: dict[int, bytes] = {}
    hashes: dict[int, bytes] = {}
    entries: list[Entry] = []


class StreamPage(Struct, frozen=True, omit_defaults=True):
    """What a stream holds after the cursor. `digest` is given only where `more` is false.

    `reset`: the cursor could not be used; `cursor` is the head, and what the device holds is to be compared with
    `digest` and repaired where it differs.
    """

    stream: str
    entries: list[Entry]
    cursor: Cursor
    more: bool = False
    digest: Bits64 | None = None
    reset: bool = False
    repaired: Repaired | None = None


class Directive(Struct, frozen=True):
    """Something the server asks of the device itself."""

    id: UUID
    kind: Literal["wipe", "update_app"]


class ExchangeAnswer(Struct, frozen=True, omit_defaults=True):
    """`expected` is the next number the server waits for. `mark` is given when nothing more is to be pulled.

    `withheld`: the code of why no streams are given although sets are taken.
    """

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
    withheld: str | None = None
