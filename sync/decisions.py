"""What a change set is decided by, and what becomes of it: the records around `sync.decide`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid5

from msgspec import Struct

from schemas.forms import CompiledCatalogue, Fault
from schemas.wire import Outcome
from sync.access import Assignment
from sync.items import Fields, ItemState, Past
from sync.merge import Overlap
from sync.registry import Registry


class Reference(Struct, frozen=True):
    """What is known of an item that a change refers to."""

    type: str
    grid_id: UUID | None


class OpenConflict(Struct, frozen=True):
    """A conflict of an item that nobody has settled yet, by the device whose edit is parked in it."""

    id: UUID
    kind: str
    device_id: UUID | None
    fields: frozenset[str]


class SetContext(Struct, frozen=True):
    """All that a change set is decided by. `secrets` holds a key for every item named, new ones included."""

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

    def id_of(self, index: int, what: str) -> UUID:
        """The id of what change `index` leaves behind; the same however often the set is decided."""
        return uuid5(self.device_id, f"{self.set_name}/{index} {what}")


class Revision(Struct, frozen=True):
    """A new revision: the item before and after, and the fields it changed (null: cleared)."""

    op: str
    before: ItemState | None
    after: ItemState
    fields: Fields
    base_version: int | None
    captured_at: datetime
    derivation: dict[str, Any] | None = None


class Conflict(Struct, frozen=True):
    """What a person must settle. `overlaps` is by field; for a deletion it holds the fields of the edit, if any."""

    id: UUID
    kind: str
    overlaps: dict[str, Overlap]
    base_version: int | None
    server_version: int


class Decision(Struct, frozen=True):
    """What becomes of one change. `joined`: the open conflict that takes up the overlapping fields."""

    item_id: UUID | None
    outcome: Outcome
    code: str | None = None
    fault: Fault | None = None
    revision: Revision | None = None
    conflict: Conflict | None = None
    joined: UUID | None = None
    joined_fields: Fields = {}
    current: ItemState | None = None
