"""The lineage of grids: which grid became which, at which registry version, and what codes meant meanwhile. No I/O.

A grid's id never comes back once the grid has ended, and a code is given to one grid alone. So what a code means needs
no version; the version at which something was written says only which steps its author did not know of yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

StepKind = Literal["new", "split", "merge", "renumber", "redraw", "move", "retire"]

_MANY: Final = 1_000_000
_SHAPES: Final[dict[StepKind, tuple[range, range]]] = {
    "new": (range(1), range(1, 2)),
    "split": (range(1, 2), range(2, _MANY)),
    "merge": (range(2, _MANY), range(1, 2)),
    "renumber": (range(1, 2), range(1, 2)),
    "redraw": (range(1, 2), range(1, 2)),
    "move": (range(1, 2), range(1, 2)),
    "retire": (range(1, 2), range(1)),
}
"""Of each kind, how many predecessors and successors it has."""

_KEEPING: Final[frozenset[StepKind]] = frozenset({"renumber", "redraw", "move"})
"""The kinds that change a grid's code, outline or community; the grid itself stays, under its id."""


class Step(Struct, frozen=True):
    """What happened to grids with a registry version. Raises ValueError for what its kind cannot be.

    `split` and `merge` end their predecessors and begin their successors; `renumber`, `redraw` and `move` (to another
    community, and so to another code) name one grid on both sides; `retire` has no successor, `new` no predecessor.
    """

    version: int
    kind: StepKind
    predecessors: tuple[UUID, ...] = ()
    successors: tuple[UUID, ...] = ()

    def __post_init__(self) -> None:
        before, after = frozenset(self.predecessors), frozenset(self.successors)
        shape = _SHAPES[self.kind]
        fits = len(self.predecessors) in shape[0] and len(self.successors) in shape[1]
        distinct = len(before) == len(self.predecessors) and len(after) == len(self.successors)
        if not (fits and distinct and (before == after if self.kind in _KEEPING else not before & after)):
            raise ValueError(f"no {self.kind} has these predecessors and successors")

    @property
    def ends(self) -> bool:
        """Whether its predecessors are no grids any more."""
        return bool(self.predecessors) and self.kind not in _KEEPING


class Hop(Struct, frozen=True, omit_defaults=True):
    """A step as people know it: the codes that its grids bore before it, and those after it, each in order.

    A `redraw` with another code after it tells of a piece of ground: both grids go on, and that one has it since.
    """

    version: int
    kind: StepKind
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def ends(self) -> bool:
        """Whether its predecessors are no grids any more."""
        return bool(self.before) and self.kind not in _KEEPING


class CodeValidity(Struct, frozen=True):
    """A code that a grid bears or bore; `to_version` is the first registry version without it, None while it stands."""

    code: str
    grid_id: UUID
    from_version: int
    to_version: int | None = None


class Carried(Struct, frozen=True):
    """What became of a grid: the grids of today, in the order of their codes, by the steps in the order of versions.

    Without grids it has ended: retired, or in a way that no step tells.
    """

    grids: tuple[UUID, ...]
    path: tuple[Hop, ...] = ()


class Lineage:
    """Every step, and every code that was ever given. Immutable."""

    def __init__(self, steps: Iterable[Step] = (), validities: Iterable[CodeValidity] = ()) -> None:
        """Index them. Steps come in the order in which they were taken; their versions never fall."""
        self._steps: Final = tuple(steps)
        if any(later.version < step.version for step, later in pairwise(self._steps)):
            raise ValueError("a step of an earlier registry version comes later")
        self._origin: Final = {
            grid_id: step for step in self._steps if step.kind not in _KEEPING for grid_id in step.successors
        }
        self._borne: Final[dict[UUID, list[CodeValidity]]] = defaultdict(list)
        self._given: Final[dict[str, CodeValidity]] = {}
        for one in sorted(validities, key=lambda validity: validity.from_version):
            self._give(one)
        self._became: Final = self._carry_all()

    def _carry_all(self) -> dict[UUID, Carried]:
        """Every grid of a step, carried: from the newest step back, so that of each successor it is known already."""
        places: dict[UUID, frozenset[int]] = {}
        grids: dict[UUID, frozenset[UUID]] = {}
        for place in reversed(range(len(self._steps))):
            step = self._steps[place]
            path = frozenset({place}).union(*(places.get(one, ()) for one in step.successors))
            became = frozenset[UUID]().union(*(grids.get(one, (one,)) for one in step.successors))
            places |= dict.fromkeys(step.predecessors, path)
            grids |= dict.fromkeys(step.predecessors, became)
        hops = [self._hop(step) for step in self._steps]
        return {
            one: Carried(self._in_order(grids[one]), tuple(hops[place] for place in sorted(path)))
            for one, path in places.items()
        }

    def _hop(self, step: Step) -> Hop:
        before = sorted(self.code_at(grid_id, step.version - 1) or "" for grid_id in step.predecessors)
        after = sorted(self.code_at(grid_id, step.version) or "" for grid_id in step.successors)
        return Hop(step.version, step.kind, tuple(before), tuple(after))

    def _give(self, one: CodeValidity) -> None:
        self._borne[one.grid_id].append(one)
        former = self._given.get(one.code)
        # The same grid may bear a code under several labels, one after the other.
        begin = former.from_version if former else one.from_version
        self._given[one.code] = CodeValidity(one.code, one.grid_id, begin, one.to_version)

    def __contains__(self, code: object) -> bool:
        """Whether a grid bears this code or bore it."""
        return code in self._given

    def grid_of(self, code: str) -> UUID | None:
        """The grid that bears this code or bore it, be it current or not; None for a code that was never given."""
        given = self._given.get(code)
        return given.grid_id if given else None

    def code_at(self, grid_id: UUID, version: int) -> str | None:
        """The code of a grid at a registry version; before its first and after its last version that of those."""
        borne = self._borne.get(grid_id, ())
        begun = (one.code for one in reversed(borne) if one.from_version <= version)
        return next(begun, borne[0].code if borne else None)

    def stood(self, grid_id: UUID, version: int) -> bool:
        """Whether it was a grid at a registry version: it bore a code."""
        borne = self._borne.get(grid_id, ())
        return any(one.from_version <= version and (one.to_version or _MANY) > version for one in borne)

    @property
    def codes(self) -> Iterable[tuple[str, UUID]]:
        """Every code that was ever given, with its grid."""
        return ((code, one.grid_id) for code, one in self._given.items())

    def carry(self, grid_id: UUID, since: int) -> Carried:
        """A grid as it was known at registry version `since`, carried to the newest."""
        carried = self._became.get(grid_id)
        if carried is None:
            return Carried((grid_id,))
        if carried.path[0].version > since:
            return carried
        return Carried(carried.grids, tuple(step for step in carried.path if step.version > since))

    def carry_code(self, code: str, version: int) -> Carried | None:
        """What a code means now that was written at a registry version; None for a code that was never given.

        Who wrote it after it had ended knew the grid as it was when it last bore the code; who wrote it before it
        was given, as it was then.
        """
        given = self._given.get(code)
        if given is None:
            return None
        last = version if given.to_version is None else min(version, given.to_version - 1)
        return self.carry(given.grid_id, max(last, given.from_version))

    def predecessors(self, grid_id: UUID) -> frozenset[UUID]:
        """Every grid that a grid came from, through all steps; itself is not among them."""
        found: set[UUID] = set()
        ahead = [grid_id]
        while ahead:
            origin = self._origin.get(ahead.pop())
            above = set(origin.predecessors) - found if origin else set[UUID]()
            found |= above
            ahead.extend(above)
        return frozenset(found)

    def _in_order(self, grids: Iterable[UUID]) -> tuple[UUID, ...]:
        return tuple(sorted(grids, key=lambda grid: (self._last_code(grid), grid)))

    def _last_code(self, grid_id: UUID) -> str:
        borne: Sequence[CodeValidity] = self._borne.get(grid_id, ())
        return borne[-1].code if borne else ""
