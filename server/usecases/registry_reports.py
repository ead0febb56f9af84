"""What a plan of registry changes tells, before anything happens and when all of it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct, field

from sync.registry_changes.checks import Uncovered
from sync.registry_faults import Fault

Counts = Counter[tuple[UUID, UUID | None, str]]
"""Numbers of items by grid, the grid that they go to (None: a person is to tell it), and type."""


class ItemCount(Struct, frozen=True, kw_only=True):
    """How many items of a type go from the grid of one code to that of another; without `to` a person is to tell it."""

    from_: str = field(name="from")
    to: str | None
    type: str
    items: int


class Followed(Struct, frozen=True, kw_only=True):
    """What becomes of items: how many were looked at, how many have another grid then, and how many none."""

    looked: int
    moved: int
    unplaced: int
    counts: list[ItemCount]


class GridChange(Struct, frozen=True, kw_only=True):
    """One step between grids, by their codes before and after."""

    kind: str
    before: list[str]
    after: list[str]


class PostChange(Struct, frozen=True, kw_only=True):
    """A post in a grid that ends, and the grids in which its holder goes on; `named`: the plan says who takes over.

    Where it goes on nowhere, or in several places without having been named, somebody may want to decide.
    """

    user: UUID
    name: str
    role: str
    grid: str
    goes_on: list[str]
    named: bool


class DeviceBehind(Struct, frozen=True, kw_only=True):
    """A device that works in the grids concerned and has an older registry, or never said which it has."""

    device: UUID
    name: str
    user_name: str
    registry: int | None
    last_exchange_at: datetime | None
    unsent: int


class Forecast(Struct, frozen=True, kw_only=True):
    """Conflicts to expect: items without a successor, conflicts open already on what moves, change sets still on
    phones of the grids concerned."""

    unplaced: int
    already_open: int
    unsent: int


class PlanReport(Struct, frozen=True, kw_only=True):
    """What a plan would do; with `faults` it would do nothing, and only these are told.

    `registry`: the version that it is held against. `uncovered`: ground of retired grids that no other takes over.
    `unplaced_items`: the first of those without a successor. `unstaffed`: codes of grids that begin with nobody in
    them. `bytes`: about how much phones will be sent again.
    """

    registry: int
    faults: list[Fault]
    changes: list[GridChange] = []
    uncovered: list[Uncovered] = []
    items: Followed | None = None
    unplaced_items: list[UUID] = []
    posts: list[PostChange] = []
    unstaffed: list[str] = []
    behind: list[DeviceBehind] = []
    bytes: int = 0
    conflicts: Forecast | None = None


class Difference(Struct, frozen=True, kw_only=True):
    """Where it came otherwise than planned: items that changed meanwhile, or came and went."""

    from_: str = field(name="from")
    to: str | None
    type: str
    predicted: int
    actual: int


class ApplyReport(Struct, frozen=True, kw_only=True):
    """What was done. `version`: the registry version, None with the faults that kept it from being one.

    Without `actual` the items are still being moved, and a job goes on with it.
    """

    version: int | None
    faults: list[Fault]
    predicted: Followed | None = None
    actual: Followed | None = None
    differences: list[Difference] = []


def followed(counts: Counts, looked: int, codes: Mapping[UUID, str]) -> Followed:
    """Counts by the codes of the grids, in the order of codes; items that stay are not among them."""
    rows = [
        ItemCount(from_=codes[one], to=codes[other] if other else None, type=kind, items=number)
        for (one, other, kind), number in counts.items()
    ]
    rows.sort(key=lambda row: (row.from_, row.to or "", row.type))
    return Followed(
        looked=looked,
        moved=sum(row.items for row in rows if row.to),
        unplaced=sum(row.items for row in rows if not row.to),
        counts=rows,
    )


def differences(predicted: Followed, actual: Followed) -> list[Difference]:
    """Where the two do not agree."""
    one, other = _by_place(predicted.counts), _by_place(actual.counts)
    return [
        Difference(from_=key[0], to=key[1] or None, type=key[2], predicted=one[key], actual=other[key])
        for key in sorted(one.keys() | other.keys())
        if one[key] != other[key]
    ]


def _by_place(counts: Iterable[ItemCount]) -> Counter[tuple[str, str, str]]:
    return Counter({(row.from_, row.to or "", row.type): row.items for row in counts})
