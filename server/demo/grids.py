"""The grids of a community: their number, serials, kinds and names; all of it made up and labelled so.

What stands in a grid's code does not hang on the seed, so that ids stay the same whatever shape a town is given.
"""

from collections.abc import Iterable, Sequence
from itertools import cycle
from random import Random
from typing import Final
from uuid import UUID, uuid5

from msgspec import Struct

from schemas.grid_code import GridKind
from server.demo.divisions import Division, Rings
from server.demo.subdivision import Point, area
from server.made_up import names

SYNTHETIC: Final = "合成 synthetic"
GRID_COUNT: Final = 2088
GRID_NAMESPACE: Final = UUID("5b0f3c1e-6a54-5d0e-9a5c-2f6a4d1c7e01")
"""Grid ids are the version-5 UUIDs of their codes in this namespace."""

_FEWEST: Final = 6
_MOST: Final = 14
_USUAL: Final = 8
_DEDICATED: Final = (("学校", "School"), ("医院", "Hospital"), ("商场", "Mall"), ("公园", "Park"))
_DEDICATED_SHARE: Final = 0.3
_BUILDING_SITE_SHARE: Final = 0.06
_COMPOUNDS: Final = (0, 1, 1, 2, 3)
_MICRO_GRID_SHARE: Final = 0.25
_HOUSES_EACH: Final = 4


class MicroGrid(Struct, frozen=True):
    """A part of a grid without an outline of its own; `serial` is two digits."""

    serial: str
    name: str


class Grid(Struct, frozen=True):
    """A synthetic grid. A temporary one has `days_left`: from the filling in to its last day."""

    id: UUID
    code: str
    community_code: str
    kind: GridKind
    name_zh: str
    name_en: str
    outline: Rings
    compounds: tuple[str, ...] = ()
    micro_grids: tuple[MicroGrid, ...] = ()
    days_left: int | None = None
    label: str = SYNTHETIC


class Cell(Struct, frozen=True):
    """The shape of a grid to be: an open ring in metres in the frame of its town, and the same in degrees."""

    ring: tuple[Point, ...]
    outline: Rings


class _Label(Struct, frozen=True):
    """What a grid is called: the serial, and what follows the community's name."""

    serial: int
    kind: GridKind
    zh: str
    en: str


def grid_counts(communities: Sequence[str]) -> dict[str, int]:
    """How many grids each community has, by code: 6 to 14 each, 2,088 in all for the 229 of the city."""
    rng = Random(GRID_COUNT)
    counts = {code: round(rng.triangular(_FEWEST, _MOST, _USUAL)) for code in communities}
    excess = sum(counts.values()) - GRID_COUNT
    step = -1 if excess > 0 else 1
    for code in cycle(rng.sample(communities, len(communities))):
        if excess == 0:
            return counts
        if _FEWEST <= counts[code] + step <= _MOST:
            counts[code] += step
            excess += step
    return counts


def community_grids(community: Division, cells: Sequence[Cell]) -> list[Grid]:
    """A grid for each cell; serials run west to east in rows from north to south.

    The smallest cells are a school or the like and a building site, where there is one.
    """
    rng = Random(f"grids of {community.code}")
    special = _special_labels(rng)
    by_size = sorted(cells, key=lambda cell: area(cell.ring))
    grids = [_grid(community, label, cell, rng) for label, cell in zip(special, by_size, strict=False)]
    taken = _Compounds(rng)
    for serial, cell in enumerate(_in_reading_order(by_size[len(special) :]), 1):
        label = _Label(serial, "general", f"第{serial}网格", f"grid {serial}")
        grids.append(_grid(community, label, cell, rng, taken.some()))
    return grids


def _special_labels(rng: Random) -> list[_Label]:
    labels: list[_Label] = []
    if rng.random() < _DEDICATED_SHARE:
        zh, en = rng.choice(_DEDICATED)
        labels.append(_Label(901, "dedicated", f"{zh}专属网格", f"{en} grid"))
    if rng.random() < _BUILDING_SITE_SHARE:
        labels.append(_Label(801, "temporary", "工地临时网格", "building site grid"))
    return labels


def _grid(community: Division, label: _Label, cell: Cell, rng: Random, compounds: tuple[str, ...] = ()) -> Grid:
    code = f"{community.code}{label.serial:03}"
    return Grid(
        id=uuid5(GRID_NAMESPACE, code),
        code=code,
        community_code=community.code,
        kind=label.kind,
        name_zh=community.name_zh + label.zh,
        name_en=f"{community.name_en}, {label.en}",
        outline=cell.outline,
        compounds=compounds,
        micro_grids=_micro_grids(rng, compounds) if rng.random() < _MICRO_GRID_SHARE else (),
        days_left=rng.randint(90, 540) if label.kind == "temporary" else None,
    )


class _Compounds:
    """Names residential compounds; no two of a community are called the same."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._taken: set[str] = set()

    def some(self) -> tuple[str, ...]:
        drawn = (names.compound(self._rng) for _ in range(self._rng.choice(_COMPOUNDS)))
        new = tuple(name for name in dict.fromkeys(drawn) if name not in self._taken)
        self._taken.update(new)
        return new


def _micro_grids(rng: Random, compounds: Iterable[str]) -> tuple[MicroGrid, ...]:
    """A few houses of each compound together."""
    named = [
        f"{compound}{first}-{first + _HOUSES_EACH - 1}幢"
        for compound in compounds
        for first in range(1, rng.randint(1, 3) * _HOUSES_EACH, _HOUSES_EACH)
    ]
    return tuple(MicroGrid(f"{serial:02}", name) for serial, name in enumerate(named, 1))


def _in_reading_order(cells: Sequence[Cell]) -> list[Cell]:
    """Rows from north to south, in each row from west to east."""
    southward = sorted(cells, key=lambda cell: -_middle(cell.ring)[1])
    across = round(len(cells) ** 0.5)
    rows = [southward[at : at + across] for at in range(0, len(southward), across)]
    return [cell for row in rows for cell in sorted(row, key=lambda cell: _middle(cell.ring)[0])]


def _middle(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
