"""What it costs to carry a change to the registry of today, on made-up grids; the look-up of its position included.

Of every four grids of version 1 one was split, a part of it was merged with the second, and the third and the fourth
have exchanged their grounds since, the third under another code. Every change names a code of version 1; three of four
have a point in one of the four, where there is mostly a clear answer, now and by the registry of version 1, which is
asked as well. Each round settles the same changes, in the order of no place, and makes what would be stored of each.
Only the time of this process's own computing counts; the median of the rounds is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from statistics import median
from time import process_time_ns
from typing import Final, NamedTuple
from uuid import UUID

from schemas.item_type import GridSource
from server.bench.figures import Figure, Figures
from server.bench.territory import Lattice, Load
from sync.former_ground import FormerGround, OutlineSpan
from sync.grid_index import Rings
from sync.lineage import CodeValidity, Lineage, Step
from sync.rebase import Background, Rebase, derivation, read_claim, settle
from sync.registry import GridLabel, Registry
from sync.territory import Fix, Sighting

_SOURCES: Final[tuple[GridSource, ...]] = ("point", "capture", "claimed")
_CAPTURED: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FAMILY: Final = 4
_NEWEST: Final = 3
_WITH_POINT: Final = 0.75
_BACKGROUND: Final = Background(1)


class _Change(NamedTuple):
    """A code as it was written at version 1, and the point of the item."""

    code: str
    fix: Fix | None


def measure(load: Load) -> Figures:
    """Seconds to build the registry with its lineage; microseconds a change: alone, and in sets of 20 changes.

    `rebase.settled` is the part that got a grid, `rebase.rebased` that of which the grid had ended.
    """
    grids = Lattice(load, Random(1)).grids()
    began = process_time_ns()
    registry = _registry(grids)
    built = (process_time_ns() - began) / 1e9
    changes = list(_changes(grids, load, Random(2)))
    settled = [one for at in range(0, len(changes), 20) for one in _settle(changes[at : at + 20], registry)]
    return Figures(
        [
            Figure("rebase.grids", load.grids, "grids"),
            Figure("rebase.build", round(built, 2), "s"),
            Figure("rebase.single", _cost(load, registry, changes, 1), "us/change"),
            Figure("rebase.set_20", _cost(load, registry, changes, 20), "us/change"),
            Figure("rebase.settled", _part(one.territory.grid_id is not None for one in settled), "of all changes"),
            Figure("rebase.rebased", _part(one.rebased for one in settled), "of all changes"),
        ]
    )


def _cost(load: Load, registry: Registry, changes: Sequence[_Change], size: int) -> float:
    rounds: list[int] = []
    for _ in range(load.rounds + 1):
        began = process_time_ns()
        for at in range(0, len(changes), size):
            for one in _settle(changes[at : at + size], registry):
                derivation(one, registry)
        rounds.append(process_time_ns() - began)
    # The first round, in which the index makes ready what it makes at first use, is not counted.
    return round(median(rounds[1:]) / 1000 / len(changes), 2)


def _settle(changes: Sequence[_Change], registry: Registry) -> Iterator[Rebase]:
    """A set: its positions are measured at once, as for a push."""
    sighting = Sighting(registry.index, (one.fix for one in changes if one.fix))
    for change in changes:
        claim = read_claim(change.code, None, 1, _CAPTURED, registry)
        fixes: dict[GridSource, Fix] = {"point": change.fix} if change.fix else {}
        yield settle(
            _SOURCES,
            claim,
            fixes=fixes,
            reference_grid=None,
            registry=registry,
            sighting=sighting,
            background=_BACKGROUND,
        )


def _part(flags: Iterator[bool]) -> float:
    known = list(flags)
    return round(sum(known) / len(known), 3)


# The lineage -----------------------------------------------------------------------------------------------------


def _registry(grids: Sequence[tuple[UUID, str, Rings]]) -> Registry:
    steps: list[Step] = []
    codes: list[CodeValidity] = []
    spans: list[OutlineSpan] = []
    for at in range(0, len(grids) - _FAMILY + 1, _FAMILY):
        _descend(grids[at : at + _FAMILY], steps, codes, spans)
    steps.sort(key=lambda step: step.version)
    labels = [GridLabel(grid_id, code, code[:12], "general", "", outline) for grid_id, code, outline in grids]
    return Registry(_NEWEST, labels, Lineage(steps, codes), ground=FormerGround(spans))


def _descend(
    family: Sequence[tuple[UUID, str, Rings]],
    steps: list[Step],
    codes: list[CodeValidity],
    spans: list[OutlineSpan],
) -> None:
    """Four grids of today and what they came from; former grids have ids beyond those of today."""
    (a, a_code, west), (b, b_code, east), (c, c_code, third), (d, d_code, fourth) = family
    whole, part, beside = (UUID(int=(a.int + 1) << 40 | number) for number in range(3))
    steps.append(Step(2, "split", (whole,), (a, part)))
    steps += [Step(3, "merge", (part, beside), (b,)), Step(3, "renumber", (c,), (c,))]
    steps += [Step(3, "redraw", (one,), (one,)) for one in (c, d)]
    spans += [OutlineSpan(whole, 1, 2, west), OutlineSpan(beside, 1, 3, east), OutlineSpan(a, 2), OutlineSpan(b, 3)]
    spans += [OutlineSpan(c, 1, 3, fourth), OutlineSpan(c, 3), OutlineSpan(d, 1, 3, third), OutlineSpan(d, 3)]
    codes += [CodeValidity(_former(a_code), whole, 1, 2), CodeValidity(a_code, a, 2)]
    codes += [CodeValidity(_former(b_code), beside, 1, 3), CodeValidity(b_code, b, 3)]
    codes += [CodeValidity(_former(c_code), c, 1, 3), CodeValidity(c_code, c, 3)]
    codes += [CodeValidity(_former(d_code), part, 2, 3), CodeValidity(d_code, d, 1)]


def _changes(grids: Sequence[tuple[UUID, str, Rings]], load: Load, rng: Random) -> Iterator[_Change]:
    for _ in range(load.points):
        at = rng.randrange(len(grids) // _FAMILY) * _FAMILY
        place = rng.randrange(_FAMILY)
        code = grids[at + place][1]
        code = code if place == _FAMILY - 1 else _former(code)
        ring = grids[at + rng.randrange(_FAMILY)][2][0]
        yield _Change(code, _fix(ring, load, rng) if rng.random() < _WITH_POINT else None)


def _fix(ring: Sequence[tuple[float, float]], load: Load, rng: Random) -> Fix:
    """Anywhere between the middle of a grid and a corner."""
    lons, lats = zip(*ring, strict=True)
    middle, corner, out = (sum(lons) / len(lons), sum(lats) / len(lats)), rng.choice(ring), rng.random()
    lon, lat = (inner + (outer - inner) * out for inner, outer in zip(middle, corner, strict=True))
    return Fix(lon, lat, "wgs84", rng.random() * load.accuracy_m)


def _former(code: str) -> str:
    """A code that was given up."""
    return f"9{code[1:]}"
