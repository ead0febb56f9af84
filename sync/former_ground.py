"""Ground as it was divided at earlier registry versions: which grid held a position then, and what became of it since.

Lineage tells what became of grids; where a border moves between two grids that both go on, only ground tells what their
teams knew. So every outline that a grid no longer has is kept with the versions at which it stood. No I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct

from sync.grid_index import GridIndex, Located, Rings
from sync.lineage import Hop, Lineage
from sync.territory import Fix, Sighting


class OutlineSpan(Struct, frozen=True):
    """A label's time: `to_version` is the first registry version without it, None while it stands.

    `outline` may be left out of one that stands. `same`: its grid had this very outline in the label before.
    """

    grid_id: UUID
    from_version: int
    to_version: int | None = None
    outline: Rings | None = None
    same: bool = False


class _Former(NamedTuple):
    """An outline that a grid had from one registry version up to, without, another."""

    grid_id: UUID
    outline: Rings
    from_version: int
    to_version: int


class FormerlyReached(NamedTuple):
    """A former outline that an accuracy circle touches, see `sync.grid_index.Reached`."""

    former: _Former
    inside: bool
    clear: bool


class FormerGround:
    """Every outline that a grid no longer has, and since when the others stand. Immutable, like `GridIndex`."""

    def __init__(self, spans: Iterable[OutlineSpan] = ()) -> None:
        """Index them; spans of a grid come in the order of versions."""
        of_grid: defaultdict[UUID, list[OutlineSpan]] = defaultdict(list)
        for span in spans:
            of_grid[span.grid_id].append(span)
        self._since: dict[UUID, int] = {}
        self._former: list[_Former] = []
        for grid_id, held in of_grid.items():
            self._take(grid_id, held)
        # The same ground is asked about many times over: what became of it is put together once.
        self._paths: Final[dict[tuple[object, ...], tuple[Hop, ...]]] = {}
        changed = (*(one.to_version for one in self._former), *self._since.values())
        self._newest: Final = max(changed, default=0)
        # Outlines of several versions overlap; each is known by its place in the list, which is that of its number.
        places = [(UUID(int=at), f"{at:09}", one.outline) for at, one in enumerate(self._former)]
        self._index: Final = GridIndex(places)

    def _take(self, grid_id: UUID, held: list[OutlineSpan]) -> None:
        begun = held[0].from_version
        for span, later in zip(held, [*held[1:], None], strict=True):
            if later is not None and later.same:
                continue
            if span.to_version is None:
                self._since[grid_id] = begun
            elif span.outline:
                self._former.append(_Former(grid_id, span.outline, begun, span.to_version))
            begun = later.from_version if later else begun

    def changed_since(self, version: int) -> bool:
        """Whether an outline began or ended after a registry version."""
        return self._newest > version

    def stands_since(self, grid_id: UUID, version: int) -> bool:
        """Whether a current grid had the outline of today at a registry version."""
        return self._since.get(grid_id, 0) <= version

    def reached(self, fix: Fix) -> list[FormerlyReached]:
        """Every former outline that a position with its accuracy touches."""
        found = self._index.reached(*fix.wgs84, fix.accuracy_m)
        return [FormerlyReached(self._former[at], inside, clear) for at, inside, clear in found]

    def locate(self, reached: list[FormerlyReached], version: int, now: Located) -> Located:
        """`GridIndex.locate` as of a registry version. `now`: where the position lies today, as accurately."""
        near = [one for one in reached if one.former.from_version <= version < one.former.to_version]
        inside = [one for one in near if one.inside]
        if len(inside) == 1 and inside[0].clear:
            return Located(inside[0].former.grid_id, False)
        standing = [grid_id for grid_id in _touched(now) if self.stands_since(grid_id, version)]
        if not near and now.grid_id is not None:
            return now if standing else Located(None, False)
        touched = (*(one.former.grid_id for one in near), *standing)
        return Located(None, bool(touched), tuple(dict.fromkeys(touched)))

    def path(
        self, reached: list[FormerlyReached], from_grid: UUID, since: int, now: UUID, lineage: Lineage
    ) -> tuple[Hop, ...]:
        """What became of the ground at a position after a registry version: from the grid that had it to today's.

        A grid that goes on and no longer has this ground is told as `redraw`: `before` is its code, `after` that of the
        grid that has it since. Nothing where the ground was another grid's then.
        """
        held = [(one.former.from_version, one.former.grid_id) for one in reached if one.inside]
        held = sorted([*held, (self._since.get(now, 0), now)])
        asked = from_grid, since, *held
        known = self._paths.get(asked)
        if known is None:
            known = self._paths[asked] = self._told(held, from_grid, since, lineage)
        return known

    def _told(self, held: list[tuple[int, UUID]], from_grid: UUID, since: int, lineage: Lineage) -> tuple[Hop, ...]:
        """The path, by who had the ground from which version on."""
        if max((one for one in held if one[0] <= since), default=(0, None))[1] != from_grid:
            return ()
        passed = [later for one, later in pairwise(held) if one[1] != later[1] and later[0] > since]
        owners = [(since, from_grid), *passed]
        hops: list[Hop] = []
        for (begun, owner), (version, taker) in pairwise(owners):
            hops += _left(owner, taker, begun, version, lineage)
        return (*hops, *_own_steps(owners[-1][1], owners[-1][0], lineage))


def _left(grid_id: UUID, taker: UUID, since: int, version: int, lineage: Lineage) -> list[Hop]:
    """How ground left a grid at a version, after what the grid itself went through while it had it."""
    own = [hop for hop in _own_steps(grid_id, since, lineage) if hop.version <= version]
    if any(hop.ends for hop in own):
        return own
    before, after = lineage.code_at(grid_id, version - 1) or "", lineage.code_at(taker, version) or ""
    return [*own, Hop(version, "redraw", (before,), (after,))]


def _own_steps(grid_id: UUID, since: int, lineage: Lineage) -> list[Hop]:
    """What a grid went through; that a border was moved elsewhere does not concern this ground."""
    return [hop for hop in lineage.carry(grid_id, since).path if hop.kind != "redraw"]


def _touched(located: Located) -> tuple[UUID, ...]:
    return (located.grid_id,) if located.grid_id is not None else located.candidates


class Then:
    """The ground as of a registry version, asked like a `Sighting`; what it was asked last it remembers."""

    def __init__(self, ground: FormerGround, lineage: Lineage, version: int, sighting: Sighting) -> None:
        self._ground = ground
        self._lineage = lineage
        self._version = version
        self._sighting = sighting
        self._asked: tuple[Fix, list[FormerlyReached]] | None = None

    def __contains__(self, grid_id: object) -> bool:
        return isinstance(grid_id, UUID) and self._lineage.stood(grid_id, self._version)

    def locate(self, fix: Fix) -> Located:
        """Where a position lay: for most where it lies, in a grid whose outline is what it was."""
        now = self._sighting.locate(fix)
        if now.grid_id is not None and self._ground.stands_since(now.grid_id, self._version):
            return now
        return self._ground.locate(self._formerly(fix), self._version, now)

    def path(self, fix: Fix, from_grid: UUID, now: UUID) -> tuple[Hop, ...]:
        """What became of the ground at a position since, see `FormerGround.path`."""
        return self._ground.path(self._formerly(fix), from_grid, self._version, now, self._lineage)

    def _formerly(self, fix: Fix) -> list[FormerlyReached]:
        if self._asked is None or self._asked[0] is not fix:
            self._asked = fix, self._ground.reached(fix)
        return self._asked[1]
