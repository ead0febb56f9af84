"""What is known from outside: what the workers wrote, and what the database was told and must still know."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from tests.machine.ground import Land

Place = tuple[str, UUID | None]
"""A role and its grid."""
SetKey = tuple[UUID, int, str]
"""A change set: device, number, hash."""


class Broken(AssertionError):
    """An invariant fell; the text begins with its name."""


def holds(invariant: str, condition: object, what: str, *more: Any) -> None:
    """Raises Broken unless the condition is true."""
    if not condition:
        raise Broken(f"{invariant}: {what}" + "".join(f" | {one}" for one in more))


@dataclass
class Written:
    """One value that a worker wrote: a token found nowhere else; of a deletion there is none.

    `phone` is the number of the phone in the city, `device` and `no` are its change set once that was sealed. `excused`
    says why it need not have arrived.
    """

    phone: int
    item: UUID
    op: str
    name: str
    token: str | None
    no: int | None = None
    device: UUID | None = None
    life: int = 0
    excused: str | None = None


class Act(NamedTuple):
    """What an office did, as the audit trail must tell it."""

    action: str
    subject: str
    actor: UUID | None


@dataclass
class Told:
    """What the present life of the database was told; a restore takes it back to what it was at the backup.

    `links`: by loser the item that it was made one with; `linked`: those that were undone too.
    `rebased`: the item and version of every outcome of that name.
    """

    posts: dict[UUID, set[Place]] = field(default_factory=dict)
    left: set[UUID] = field(default_factory=set)
    revoked: set[UUID] = field(default_factory=set)
    acts: list[Act] = field(default_factory=list)
    receipts: dict[SetKey, bytes] = field(default_factory=dict)
    epochs: int = 1
    land: Land = field(default_factory=Land.of_the_beginning)
    links: dict[UUID, UUID] = field(default_factory=dict)
    linked: dict[UUID, set[UUID]] = field(default_factory=dict)
    rebased: set[tuple[UUID, int]] = field(default_factory=set)

    def ever_stood_for(self, item: UUID) -> set[UUID]:
        """The items that stood for this one at any time."""
        found: set[UUID] = set()
        ahead = [item]
        while ahead:
            more = self.linked.get(ahead.pop(), set()) - found
            found |= more
            ahead += more
        return found

    def way_of(self, item: UUID) -> list[UUID]:
        """This item, and those that it was made one with, in their order."""
        way = [item]
        while way[-1] in self.links:
            way.append(self.links[way[-1]])
        return way

    def copy(self) -> Told:
        """As it is now."""
        return deepcopy(self)


@dataclass
class Counts:
    """How often each thing happened."""

    rules: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    exchanges: int = 0

    def add(self, other: Counts) -> None:
        """Those of another episode as well."""
        for name in ("rules", "outcomes", "statuses", "kinds"):
            getattr(self, name).update(getattr(other, name))
        self.checks += other.checks
        self.exchanges += other.exchanges
