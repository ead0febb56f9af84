"""What each worker did, written down before anything is sent. It is never corrected by what a server says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from schemas.wire import Operation

Fields = dict[str, Any]
Key = tuple[UUID, int, int]
"""A change's name: device, number of its set, place in the set."""


class Written(Struct, frozen=True):
    """One change as its author made it.

    `fields`: the values in the form that is stored, null for a cleared field. `base`: the version last pulled, 0 if
    none was. `knew`: the last day at whose end the phone had pulled everything, -1 for none.
    """

    device: UUID
    no: int
    index: int
    item: UUID
    type: str
    op: Operation
    fields: Fields
    base: int
    knew: int

    @property
    def key(self) -> Key:
        """The name of the change."""
        return self.device, self.no, self.index


class Ledger:
    """All changes of a run, in the order in which they were written.

    `unreadable`: sets of bytes that nobody can read, with their hash; `void`: sets whose bytes the phone lost or never
    could send, both by device and number. `refused`: sets of copies whose number was used, with their hash.
    """

    def __init__(self) -> None:
        self.changes: list[Written] = []
        self.by_key: dict[Key, Written] = {}
        self.by_item: defaultdict[UUID, list[Written]] = defaultdict(list)
        self.last_no: defaultdict[UUID, int] = defaultdict(int)
        self.unreadable: dict[tuple[UUID, int], str] = {}
        self.refused: set[tuple[UUID, int, str]] = set()
        self.void: set[tuple[UUID, int]] = set()
        self._sent: defaultdict[UUID, list[int]] = defaultdict(list)

    def write(self, change: Written) -> None:
        """Add a change; the sets of a device are numbered 1, 2, 3 …"""
        self.last_no[change.device] = change.no
        self.changes.append(change)
        self.by_key[change.key] = change
        self.by_item[change.item].append(change)

    def write_unreadable(self, device: UUID, no: int, hashed: str) -> None:
        """Add a set of bytes that nobody can read."""
        self.last_no[device] = no
        self.unreadable[device, no] = hashed

    def renumber(self, copy: UUID, device: UUID) -> None:
        """What was written by a copy of a device is, in its order, the first set of the device that it became."""
        moved = [change for change in self.changes if change.device == copy]
        places = {id(change): index for index, change in enumerate(moved)}
        self.changes = [
            structs.replace(change, device=device, no=1, index=places[id(change)]) if id(change) in places else change
            for change in self.changes
        ]
        self.by_key = {change.key: change for change in self.changes}
        self.by_item.clear()
        for change in self.changes:
            self.by_item[change.item].append(change)
        self.last_no.pop(copy, None)
        if moved:
            self.last_no[device] = 1

    def note_sent(self, device: UUID, day: int) -> None:
        """On this day the phone got everything through that it had written until then."""
        days = self._sent[device]
        days += [day] * (self.last_no[device] - len(days))

    @property
    def sets(self) -> int:
        """How many change sets were written."""
        return sum(self.last_no.values())

    def by_type(self) -> dict[str, int]:
        """How many changes were made of each item type."""
        return dict(sorted(Counter(change.type for change in self.changes).items()))

    def overlaps(self) -> int:
        """How many pairs of changes by two phones met: neither phone knew of the other's, and both touch one thing."""
        return sum(1 for changes in self.by_item.values() for _ in self._meetings(changes))

    def _meetings(self, changes: list[Written]) -> Iterator[tuple[Written, Written]]:
        for one, other in combinations(changes, 2):
            apart = one.device != other.device and self._unseen(one, other) and self._unseen(other, one)
            if apart and _touch_one_thing(one, other):
                yield one, other

    def _unseen(self, change: Written, by: Written) -> bool:
        """Whether the author of `by` could not know of `change` when he wrote."""
        days = self._sent[change.device]
        return change.no > len(days) or days[change.no - 1] > by.knew


def _touch_one_thing(one: Written, other: Written) -> bool:
    """A deletion meets an edit of any field; two edits meet in a field that both set differently."""
    if "create" in (one.op, other.op):
        return False
    if "delete" in (one.op, other.op):
        return one.op != other.op
    return any(one.fields[key] != other.fields[key] for key in one.fields.keys() & other.fields.keys())
