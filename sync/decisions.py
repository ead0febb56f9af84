"""What a change set is decided by, and what becomes of it: the records around `sync.decide`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from msgspec import Struct

from schemas.forms import CompiledCatalogue, Fault
from schemas.wire import Outcome
from sync.access import Assignment
from sync.case_photos import CasePhotos
from sync.case_state import CaseState
from sync.items import Fields, ItemState, Past
from sync.merge import Overlap
from sync.placing import UnsettledCode
from sync.registry import Registry

PLACING_KINDS = frozenset({"code", "territory"})
"""The kinds of conflict in which nothing but an item's grid is to be told: no code told it, or no successor has it."""


class HeldPlace(Struct, frozen=True, kw_only=True):
    """Where an item belongs that is taken in and held, so that until it is settled its author alone sees it.

    `grid`: the one it gets then; None where that follows from what it refers to. `candidates` and `counties` say who
    may settle it, as they do of a code (`UnsettledCode`).
    """

    grid: UUID | None = None
    candidates: tuple[UUID, ...] = ()
    counties: tuple[str, ...] = ()


class Waiting(Struct, frozen=True):
    """What a held item waits in: the group that is settled together with it, and where it may belong."""

    group: UUID
    place: HeldPlace


class Before(NamedTuple):
    """The grid that an item lay in before a registry version took it elsewhere, and as which version of the item."""

    registry: int
    version: int
    grid_id: UUID


def grid_at(former: Sequence[Before], registry: int, base: int | None = None) -> UUID | None:
    """The grid of an item as somebody saw it, where a later registry version took it elsewhere; None where none did.

    `former` begins with the oldest. He saw it by a registry version, or as an earlier version of the item (`base`).
    """
    if not former:
        return None
    unseen = (one for one in former if one.registry > registry or (base is not None and one.version > base))
    return next((one.grid_id for one in unseen), None)


class Reference(Struct, frozen=True, gc=False):
    """What is known of an item that a change refers to. `waiting`: it is held itself. `former`: see `grid_at`."""

    type: str
    grid_id: UUID | None
    deleted: bool = False
    waiting: Waiting | None = None
    former: tuple[Before, ...] = ()


class OpenConflict(Struct, frozen=True):
    """A conflict of an item that nobody has settled yet, by the device whose edit is parked in it.

    `op`: what the parked change is; a creation's is the item itself. `atomic`: it is settled with the rest of its set.
    """

    id: UUID
    kind: str
    device_id: UUID | None
    fields: frozenset[str]
    op: str = "update"
    atomic: bool = False

    @property
    def holds_item(self) -> bool:
        """Whether the item itself waits, not an edit of it."""
        return self.kind in PLACING_KINDS or (self.op == "create" and self.kind != "duplicate")


class CaseFacts(Struct, frozen=True):
    """The case of an item that a change takes a step of, and what the step may need.

    `review_approved`: as the item stood before the set, whose own edits begin the review anew.
    """

    case: CaseState
    review_approved: bool
    photos: CasePhotos


class Link(Struct, frozen=True):
    """The item to which a loser belongs, and that one's version when the two were linked."""

    winner: UUID
    version: int


class SetContext(Struct, frozen=True):
    """All that a change set is decided by. `secrets` holds a key for every item named, new ones included.

    `erased`: the items of which nothing is left; they are in none of the others. `cases`: of the items of which a step
    is taken. `referrers`: by item that is to be deleted, the live items that refer to it. `lease`: how old what a phone
    wrote may be. `written_registry`: the registry version that the set was written by. `released`: a person lets it go
    on from the quarantine, so its author's authority is not asked. `links`: by loser, of the items that are named or
    referred to; winners that are changed are among `items`. `former`: by item, where the registry took it from of late.
    """

    catalogue: CompiledCatalogue
    registry: Registry
    author_id: UUID
    device_id: UUID
    assignments: Sequence[Assignment]
    now: datetime
    today: date
    items: Mapping[UUID, ItemState]
    past: Mapping[UUID, Sequence[Past]]
    secrets: Mapping[UUID, bytes]
    references: Mapping[UUID, Reference]
    open_conflicts: Mapping[UUID, Sequence[OpenConflict]]
    set_name: str
    written_registry: int
    erased: frozenset[UUID] = frozenset()
    cases: Mapping[UUID, CaseFacts] = {}
    referrers: Mapping[UUID, frozenset[UUID]] = {}
    lease: timedelta = timedelta(days=30)
    released: bool = False
    links: Mapping[UUID, Link] = {}
    former: Mapping[UUID, tuple[Before, ...]] = {}

    def id_of(self, index: int, what: str) -> UUID:
        """The id of what change `index` leaves behind; the same however often the set is decided."""
        return uuid5(self.device_id, f"{self.set_name}/{index} {what}")


class Revision(Struct, frozen=True, gc=False):
    """A new revision: the item before and after, and the fields it changed (null: cleared).

    `rebased`: the registry changed the territory: the item lies in another grid than the one it was written in.
    """

    op: str
    before: ItemState | None
    after: ItemState
    fields: Fields
    base_version: int | None
    captured_at: datetime
    derivation: dict[str, Any] | None = None
    rebased: bool = False


class Step(Struct, frozen=True):
    """A step of a case that waits: the state it leaves, the one that was found, and the code of why it waits.

    `roles`: in which its author took it, by what he was when he did. `since`: see `sync.case_state.since`, of the case
    that was found.
    """

    action: str
    leaves: str
    found: str
    code: str
    note: str | None = None
    roles: tuple[str, ...] = ()
    since: datetime | None = None


class Move(Struct, frozen=True):
    """A step of a case that was taken; `carried`: by who wrote of a loser."""

    action: str
    before: CaseState
    after: CaseState
    note: str | None = None
    carried: bool = False


class Conflict(Struct, frozen=True, kw_only=True):
    """What a person must settle. `overlaps` is by field; for a deletion it holds the fields of the edit, if any.

    `op`: what the parked change is. `claim`: of an item that is held, the code from which no grid can be told (kind
    `code`), or where it belongs. `group`: what is settled together. `step`: of an operation `transition`.
    `linked_from`: the loser that its author wrote of.
    """

    id: UUID
    kind: str
    op: str
    overlaps: dict[str, Overlap]
    base_version: int | None
    server_version: int
    base_unknown: bool = False
    claim: UnsettledCode | HeldPlace | None = None
    group: UUID | None = None
    step: Step | None = None
    linked_from: UUID | None = None


class Decision(Struct, frozen=True, gc=False):
    """What becomes of one change.

    `joined`: the open conflict that takes up the overlapping fields. `placed`: the open conflict about the item's grid
    that the revision ends, because it tells the grid. `withdrawn`: the one about the item itself that its deletion
    ends. `within`: the one about the item itself that decides about this change too. `move`: the step of its case.
    `carried`: the loser that the change names, where `item_id` is the winner; `seen`: its author's phone has that one.
    `field`: the member of a change that could not be read.
    """

    item_id: UUID | None
    outcome: Outcome
    code: str | None = None
    fault: Fault | None = None
    revision: Revision | None = None
    conflict: Conflict | None = None
    joined: UUID | None = None
    joined_fields: Fields = {}
    placed: UUID | None = None
    current: ItemState | None = None
    withdrawn: UUID | None = None
    within: UUID | None = None
    move: Move | None = None
    carried: UUID | None = None
    seen: bool = True
    field: str | None = None

    @property
    def held(self) -> bool:
        """Whether the quarantine holds the change; what is about an erased item is not kept at all."""
        return self.outcome in ("quarantined", "rejected") and self.code != "item_erased"
