"""What a device remembers: plain values that go to bytes and back."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from msgspec import Struct

from schemas.wire import Change, ChangeOutcome, Cursor, FeedKind, ItemBody, NoticeBody, Receipt

PhotoState = Literal["declared", "uploading", "stored", "verified", "refused"]


class Held(Struct, frozen=True, array_like=True):
    """The membership of one object in one stream: what its latest entry there said, and that entry's hash."""

    kind: FeedKind
    version: int
    rev: str
    touch: int
    hash: int


class StreamState(Struct):
    """One stream as pulled.

    `unconfirmed` is there only while the stream is filled anew: the objects held from before that no entry
    has named yet. When that fill ends they are gone.
    """

    cursor: Cursor = Cursor()
    members: dict[UUID, Held] = {}
    unconfirmed: set[UUID] | None = None


class SealedSet(Struct):
    """A change set whose bytes are made; it stays until its receipt is safe in a backup."""

    no: int
    raw: bytes
    hash: str
    epoch: str | None
    receipt: Receipt | None = None


class Edit(Struct):
    """One change laid over the pulled state until the pulled state shows it or it was refused.

    `no` is None while the change is still in the draft. `outcome` comes with the receipt, `receipted_at` is
    then the serial of the newest request whose answer need not show the change yet.
    """

    change: Change
    photos: list[str] = []
    no: int | None = None
    index: int = 0
    outcome: ChangeOutcome | None = None
    receipted_at: int = 0


class Told(Struct, frozen=True):
    """A change that was not applied, kept with all it held until the worker puts the message away."""

    no: int
    index: int
    change: Change
    outcome: ChangeOutcome


class OwnPhoto(Struct):
    """A photo whose bytes this phone keeps; `wanted` once a receipt told that the server knows of it."""

    sha256: str
    size: int
    items: list[UUID]
    state: PhotoState = "declared"
    wanted: bool = False


class State(Struct):
    """Everything of one device. Only the modules of this package change it."""

    device: UUID
    user: UUID
    catalogue: str
    registry: int
    epoch: str | None = None
    app: str = ""
    # The pulled layer.
    streams: dict[str, StreamState] = {}
    items: dict[UUID, ItemBody] = {}
    notices: dict[UUID, NoticeBody] = {}
    orphans: set[UUID] = set()
    mark: str | None = None
    repairs: int = 0
    # The outbox.
    edits: list[Edit] = []
    outbox: dict[int, SealedSet] = {}
    former: list[SealedSet] = []
    last_no: int = 0
    acknowledged: int = 0
    safe_no: int = 0
    forked: bool = False
    told: list[Told] = []
    photos: dict[str, OwnPhoto] = {}
    # The exchange.
    serial: int = 0
    awaited: int | None = None
