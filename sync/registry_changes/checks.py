"""Whether a plan of registry changes may be applied: every fault of it, before anything happens.

Codes and shapes of the operations first; where these are sound, the ground of every grid that begins or changes, beside
the grids that stay; last, ground that had a grid and would have none. What is found wrong early is told once and not
as what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import shapely
from msgspec import Struct
from msgspec.structs import replace

from schemas.grid_code import GridCode, GridCodeError
from schemas.registry_change import (
    Merge,
    Move,
    Operation,
    Redraw,
    Renumber,
    Retire,
    Split,
    begun_by,
    codes_given_by,
    predecessors_of,
)
from sync.registry_cells import MOST_CHARACTERS, UnfitCell, read_text
from sync.registry_changes.changes import Change, Changed, Standing, apply_changes, outline_of, provisional_id, resolve
from sync.registry_checks import Candidate, Registered, check_grids, read_code
from sync.registry_faults import Fault, code_fault, fault
from sync.registry_geometry import Patch, gaps, mended, polygons
from sync.registry_outlines import Outline


class PlanLines(Struct, frozen=True):
    """The line of every place of a plan's file, `operations[3].into[0].code`, counted from 1."""

    lines: Mapping[str, int]

    def of(self, place: str) -> int | None:
        """The line of a place, or of the nearest around it that has one."""
        while place and place not in self.lines:
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        return self.lines.get(place)


class Uncovered(NamedTuple):
    """Ground of a grid that would have none: the code of the grid, square metres, and a point in it."""

    code: str
    area_m2: float
    lon: float
    lat: float


class Checked(NamedTuple):
    """A plan that was checked. Only without `faults` are `changes` all of it.

    `uncovered`: ground of retired grids that no other takes over; it is meant so, and told.
    """

    changes: list[Change]
    faults: list[Fault]
    uncovered: list[Uncovered]


def check_plan(
    operations: Sequence[Operation],
    outlines: Mapping[str, Outline],
    standing: Standing,
    prefixes: tuple[str, ...],
    lines: PlanLines,
) -> Checked:
    """Every fault of a plan. `prefixes`: divisions that whoever applies it may publish in."""
    check = _Check(standing, lines, outlines)
    changes = [change for at, one in enumerate(operations) if (change := check.operation(one, f"operations[{at}]"))]
    check.unused_outlines()
    if check.faults:
        return Checked(changes, check.faults, [])
    changed = apply_changes(changes, outlines, standing.version + 1, provisional_id)
    places = _places_of_labels(changes)
    faults = [*_area_faults(changes, prefixes, lines), *_ground_faults(changed, places, standing, prefixes, lines)]
    if faults:
        return Checked(changes, faults, [])
    lost = list(lost_ground(changed, standing))
    retired = {label.code for one in changes if isinstance(one.operation, Retire) for label in one.before}
    holes = [_hole(one, places, lines) for one in lost if one.code not in retired]
    return Checked(changes, holes, [one for one in lost if one.code in retired])


class _Check:
    """What was found in the operations so far; each grid and each code may be named once."""

    def __init__(self, standing: Standing, lines: PlanLines, outlines: Mapping[str, Outline]) -> None:
        self.faults: list[Fault] = []
        self._standing = standing
        self._lines = lines
        self._outlines = outlines
        self._named: dict[str, str] = {}
        self._given: dict[str, str] = {}
        self._drawn: set[str] = set()

    def operation(self, operation: Operation, place: str) -> Change | None:
        """The change that an operation makes; None, with its faults, where it is not sound."""
        known = len(self.faults)
        before = [self._grid(one.code, f"{place}.{one.place}") for one in predecessors_of(operation)]
        after = [self._code(one.code, f"{place}.{one.place}") for one in codes_given_by(operation)]
        self._names(operation, place)
        sound = [code for code in before if code], [code for code in after if code]
        for name, where, code in _misshapen(operation, *sound):
            self._fault(name, f"{place}.{where}", code)
        self._note_outlines(operation, *sound)
        if len(self.faults) > known:
            return None
        change = resolve(operation, place, self._standing.grids)
        self._missing_outlines(change)
        return change

    def unused_outlines(self) -> None:
        """Outlines that no operation asks for."""
        for code in self._outlines.keys() - self._drawn:
            self._fault("outline_unused", "outlines", code)

    def _fault(self, name: str, place: str, code: str, /, **facts: object) -> None:
        self.faults.append(fault(name, self._lines.of(place), code, place, **facts))

    def _read(self, text: str, place: str) -> GridCode | None:
        try:
            return read_code(text)
        except GridCodeError as error:
            self.faults.append(replace(code_fault(error, self._lines.of(place) or 0, text), field=place))
            return None

    def _grid(self, text: str, place: str) -> GridCode | None:
        """A grid that an operation is about: it is current, and named by no other operation."""
        code = self._read(text, place)
        if code is None:
            return None
        if code.code in self._standing.grids:
            if (other := self._named.setdefault(code.code, place)) != place:
                self._fault("grid_twice", place, code.code, other=other)
            return code
        bears = self._standing.given_up.get(code.code)
        if bears:
            self._fault("grid_renumbered", place, code.code, other=bears)
        else:
            name = "grid_ended" if code.code in self._standing.given_up else "grid_unknown"
            self._fault(name, place, code.code)
        return None

    def _code(self, text: str, place: str) -> GridCode | None:
        """A code that an operation gives: no grid bears it, none ever did, and no other operation gives it."""
        code = self._read(text, place)
        if code is None:
            return None
        if code.code in self._standing.grids:
            self._fault("code_in_use", place, code.code)
        elif code.code in self._standing.given_up:
            self._fault("code_used", place, code.code)
        if (other := self._given.setdefault(code.code, place)) != place:
            self._fault("code_twice", place, code.code, other=other)
        return code

    def _names(self, operation: Operation, place: str) -> None:
        named = [(f"{place}.{one.place}", one.label) for one in begun_by(operation)]
        texts = [(f"{where}.name", label.code, label.name) for where, label in named]
        texts += [(f"{where}.compounds", label.code, text) for where, label in named for text in label.compounds or ()]
        if isinstance(operation, Move) and operation.name is not None:
            texts.append((f"{place}.name", operation.move, operation.name))
        for where, code, text in texts:
            try:
                read_text(text)
            except UnfitCell:
                self._fault("text_invalid", where, code, most=MOST_CHARACTERS)

    def _note_outlines(self, operation: Operation, before: list[GridCode], after: list[GridCode]) -> None:
        if isinstance(operation, Redraw):
            self._drawn.update(code.code for code in before)
        elif not isinstance(operation, Renumber | Move):
            self._drawn.update(code.code for code in after)

    def _missing_outlines(self, change: Change) -> None:
        operation = change.operation
        if isinstance(operation, Redraw):
            for at, label in enumerate(change.before):
                if label.code not in self._outlines:
                    self._fault("outline_missing", f"{change.place}.redraw[{at}]", label.code)
        for one, code in zip(begun_by(operation), change.codes, strict=False):
            if outline_of(change, code, self._outlines) is None:
                name = "merge_apart" if isinstance(operation, Merge) else "outline_missing"
                self._fault(name, f"{change.place}.{one.place}.code", code)


def _misshapen(operation: Operation, before: list[GridCode], after: list[GridCode]) -> Iterator[tuple[str, str, str]]:
    """What an operation cannot be, by name, place in it, and code."""
    match operation:
        case Split(into=into) if len(into) < 2:
            yield "split_too_few", "into", operation.split
        case Merge(merge=merged) if len(merged) < 2:
            yield "merge_too_few", "merge", operation.into.code
        case Merge() if len({code.county for code in (*before, *after)}) > 1:
            yield "merge_counties", "merge", operation.into.code
        case Redraw(redraw=()):
            yield "redraw_empty", "redraw", ""
        case Renumber() if before and after and before[0].community_code != after[0].community_code:
            yield "renumber_moves", "to", after[0].code
        case Move() if before and after and before[0].community_code == after[0].community_code:
            yield "move_stays", "to", after[0].code
        case _:
            pass


def _places_of_labels(changes: Sequence[Change]) -> dict[str, str]:
    """Per code of a label that begins or of a grid that is named, its place in the plan."""
    places: dict[str, str] = {}
    for change in changes:
        named = zip(predecessors_of(change.operation), change.before, strict=True)
        places |= {label.code: f"{change.place}.{one.place}" for one, label in named}
        given = zip(codes_given_by(change.operation), change.codes, strict=True)
        places |= {code: f"{change.place}.{one.place}" for one, code in given}
    return places


def _area_faults(changes: Sequence[Change], prefixes: tuple[str, ...], lines: PlanLines) -> Iterator[Fault]:
    """Grids that end or change outside of where one may publish; what begins there is told with its ground."""
    for change in changes:
        for one, label in zip(predecessors_of(change.operation), change.before, strict=True):
            if not label.code.startswith(prefixes) and not isinstance(change.operation, Redraw):
                place = f"{change.place}.{one.place}"
                yield fault("out_of_area", lines.of(place), label.code, place)


def _ground_faults(
    changed: Changed, places: Mapping[str, str], standing: Standing, prefixes: tuple[str, ...], lines: PlanLines
) -> Iterator[Fault]:
    """What is wrong with the labels and outlines that begin, beside the grids that stay."""
    labels = changed.labels
    gone = {*(label.id for label in changed.ended), *(label.id for label in changed.relabelled)}
    staying = {code: label.outline for code, label in standing.grids.items() if label.id not in gone}
    rows = [Candidate(row=row, code=label.code, outline=label.outline) for row, label in enumerate(labels)]
    for found in check_grids(rows, standing.divisions, Registered(staying, {}), prefixes):
        # A hole of the community may be an old one; what this plan uncovers is looked for by itself.
        if found.fault != "hole" and found.row is not None:
            place = places[labels[found.row].code]
            yield replace(found, row=lines.of(place), field=place)


def lost_ground(changed: Changed, standing: Standing) -> Iterator[Uncovered]:
    """Ground that has a grid and would have none, by grids that end or change."""
    touched = {label.id for label in (*changed.ended, *changed.relabelled)}
    before = [label for label in standing.grids.values() if label.id in touched]
    after = [label.outline for label in standing.grids.values() if label.id not in touched]
    every = mended(polygons([*after, *(label.outline for label in changed.labels)]))
    tree = shapely.STRtree(every)
    for label, whole in zip(before, mended(polygons([label.outline for label in before])), strict=True):
        near = every[tree.query(whole)]
        yield from (_uncovered(label.code, patch) for patch in gaps(whole, near, near[:0]))


def _uncovered(code: str, patch: Patch) -> Uncovered:
    return Uncovered(code, round(patch.area_m2, 1), *patch.place)


def _hole(one: Uncovered, places: Mapping[str, str], lines: PlanLines) -> Fault:
    place, at = places[one.code], f"{one.lon:.6f},{one.lat:.6f}"
    return fault("ground_lost", lines.of(place), one.code, place, area=f"{one.area_m2:,.0f}", place=at)
