"""What a device remembers: plain values that go to bytes and back."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from msgspec import Struct

from schemas.wire import Change, ChangeOutcome, Cursor, Directive, FeedKind, ItemBody, NoticeBody, Receipt

Revision = tuple[UUID, int, str]
"""Item, version, rev."""

PhotoState = Literal["declared", "uploading", "stored", "verified", "refused"]


class Held(Struct, frozen=True, array_like=True):
    """The membership of one object in one stream: what its latest entry there said, and that entry's hash."""

    kind: FeedKind
    version: int
    rev: str
    touch: int
    hash: int


class Comparison(Struct):
    """How far the comparison of a stream with the server's has come.

    `finer`: buckets whose parts come next. `want`: hashes of entries that are lacking, of which the first `asked` are
    on their way. `rounds`: how many have ended in a row without agreement.
    """

    finer: list[int] = []
    want: list[int] = []
    asked: int = 0
    rounds: int = 0


class StreamState(Struct):
    """One stream as pulled.

    `cursor` is None where none is of this epoch. `unconfirmed` is there while the stream is filled anew or compared:
    the objects held from before that the server has not named; when that has ended they are gone. `refilled`: it was
    filled anew because comparing did not help, and has not agreed since.
    """

    cursor: Cursor | None = Cursor()
    members: dict[UUID, Held] = {}
    unconfirmed: set[UUID] | None = None
    comparison: Comparison | None = None
    refilled: bool = False


class SealedSet(Struct):
    """A change set whose bytes are made; it stays until its receipt is safe in a backup.

    `raw` is empty where the bytes are lost.
    """

    no: int
    raw: bytes
    hash: str
    epoch: str | None
    receipt: Receipt | None = None
    void: bool = False


class Edit(Struct):
    """One change laid over the pulled state until the pulled state shows it or it was refused.

    `no` is None while the change is still in the draft, and below zero if the set was a former device's. `outcome`
    comes with the receipt, `receipted_at` is then the serial of the newest request whose answer need not show the
    change yet.
    """

    change: Change
    photos: list[str] = []
    no: int | None = None
    index: int = 0
    outcome: ChangeOutcome | None = None
    receipted_at: int = 0


class Told(Struct, frozen=True):
    """A change that was not applied, kept with all it held until the worker puts the message away.

    Of an erased item it holds nothing. `no` is below zero if the set was a former device's.
    """

    no: int
    index: int
    change: Change
    outcome: ChangeOutcome


class OwnPhoto(Struct):
    """A photo whose bytes this phone keeps; `wanted` once a receipt told that the server knows of it.

    `hopeless`: the code for which it can never be taken; the worker has to take another.
    """

    sha256: str
    size: int
    items: list[UUID]
    state: PhotoState = "declared"
    wanted: bool = False
    hopeless: str | None = None


class Order(Struct):
    """A directive, and whether it was carried out; it goes once the server knows that."""

    directive: Directive
    done: bool = False


class State(Struct):
    """Everything of one device. Only the modules of this package change it."""

    device: UUID
    user: UUID
    catalogue: str
    registry: int
    epoch: str | None = None
    app: str = ""
    ticket: str | None = None
    # The pulled layer.
    streams: dict[str, StreamState] = {}
    items: dict[UUID, ItemBody] = {}
    notices: dict[UUID, NoticeBody] = {}
    # Those that the worker has put away, at the version that he saw: out of his sight, and told to the server.
    put_away: dict[UUID, int] = {}
    orphans: set[UUID] = set()
    mark: str | None = None
    repairs: int = 0
    withheld: str | None = None
    # What is held since before this epoch, and neither confirmed nor replaced; what of it was or is to be uploaded.
    former_items: set[UUID] = set()
    salvaged: set[UUID] = set()
    salvage: list[ItemBody] = []
    # The outbox.
    edits: list[Edit] = []
    outbox: dict[int, SealedSet] = {}
    former: list[SealedSet] = []
    last_no: int = 0
    acknowledged: int = 0
    safe_no: int = 0
    # Another copy used this device's numbers; and whether a set was answered so, which is what proves it.
    forked: bool = False
    refused: bool = False
    told: list[Told] = []
    erased: set[UUID] = set()
    photos: dict[str, OwnPhoto] = {}
    # What the server asks of the device itself.
    orders: list[Order] = []
    obeyed: list[UUID] = []
    wiped: bool = False
    # The exchange: what the awaited answer will acknowledge.
    serial: int = 0
    awaited: int | None = None
    carried_salvage: list[Revision] = []
    carried_done: list[UUID] = []
