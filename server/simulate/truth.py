"""What a server is found to hold, whichever way it was looked at; the checks know nothing else."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from sync.device import Device

Fields = dict[str, Any]
Entry = tuple[int, int, int]
"""(version, rev, touch)."""


class Head(Struct, frozen=True):
    """An item as it is now; `fields` holds only keys with a value."""

    version: int
    deleted: bool
    fields: Fields


class Revision(Struct, frozen=True):
    """One revision of an item. `op` is `unknown` where only its number shows that it exists.

    `device`, `no`, `index`: the change that made it; None where a person at a desk did.
    """

    version: int
    op: str
    fields: Fields
    device: UUID | None = None
    no: int | None = None
    index: int | None = None


class Held(Struct, frozen=True):
    """Incoming values kept in a conflict, by the change that brought them."""

    device: UUID | None
    no: int | None
    index: int | None
    fields: Fields


class Truth(Struct):
    """Everything that the ledger is held against.

    `quarantine`: changes (device, no, index; index -1: the whole set) whose bytes are kept, with how many rows say so.
    `void`: sets that are on record as void. `unreadable`: sets whose kept bytes, which nobody can read, have this hash.
    `refused`: sets that are kept beside others of their number, with their hash; `alone`: items with an open conflict
    about a duplicate that no other live item is. Neither is seen by those who look through phones.
    `strangers`: items of the run's workers that are not in the ledger. `extra_sets`: sets that no phone wrote.
    `as_written`: the revisions hold what was written, for what merging made of it could not be seen.
    """

    heads: dict[UUID, Head] = field(default_factory=dict)
    revisions: defaultdict[UUID, list[Revision]] = field(default_factory=lambda: defaultdict(list))
    conflicts: defaultdict[UUID, list[Held]] = field(default_factory=lambda: defaultdict(list))
    quarantine: defaultdict[tuple[UUID, int, int], int] = field(default_factory=lambda: defaultdict(int))
    void: set[tuple[UUID, int]] = field(default_factory=set)
    unreadable: dict[tuple[UUID, int], str] = field(default_factory=dict)
    refused: set[tuple[UUID, int, str]] = field(default_factory=set)
    alone: list[UUID] = field(default_factory=list)
    strangers: list[UUID] = field(default_factory=list)
    extra_sets: list[tuple[UUID, int]] = field(default_factory=list)
    as_written: bool = False


class Holding(Struct):
    """What a phone holds, or should hold: entries by stream and object, bodies by item, digests by stream."""

    streams: dict[str, dict[UUID, Entry]]
    bodies: dict[UUID, Fields]
    digests: dict[str, str]


def holding_of(device: Device) -> Holding:
    """What a device holds; it has no edits on top that the pulled layer does not show."""
    streams = device.memberships()
    return Holding(
        {key: {one: (held.version, int(held.rev, 16), held.touch) for one, held in members.items()}
         for key, members in streams.items()},
        {item.id: item.fields for item in device.items()},
        {key: device.digest(key) for key in streams},
    )  # fmt: skip
