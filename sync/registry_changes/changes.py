"""What operations make of the registry: labels that begin, grids that end, and the steps between them. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import shapely
from msgspec import Struct
from msgspec.structs import replace

from schemas.registry_change import Merge, Move, Operation, begun_by, codes_given_by, predecessors_of, verb_of
from sync.lineage import Step
from sync.registry import GridLabel
from sync.registry_checks import Place, read_code
from sync.registry_outlines import Outline, normal_form


class Standing(NamedTuple):
    """The registry as it stands: current grids by code, codes that were given up (each with the code that its grid
    bears now, None where it has ended), and divisions by code."""

    version: int
    grids: Mapping[str, GridLabel]
    given_up: Mapping[str, str | None]
    divisions: Mapping[str, Place]


class Change(Struct, frozen=True):
    """An operation at its place in the plan, `operations[3]`, with the grids that it is about.

    `codes`: those that it gives, of 15 digits, in the order of `codes_given_by`.
    """

    operation: Operation
    place: str
    before: tuple[GridLabel, ...]
    codes: tuple[str, ...]


class Changed(NamedTuple):
    """What the operations make of the registry. `begun` grids have new ids, `relabelled` ones keep theirs."""

    begun: list[GridLabel]
    relabelled: list[GridLabel]
    ended: list[GridLabel]
    steps: list[Step]

    @property
    def labels(self) -> list[GridLabel]:
        """Every label that begins."""
        return [*self.begun, *self.relabelled]


def resolve(operation: Operation, place: str, grids: Mapping[str, GridLabel]) -> Change:
    """An operation whose codes are sound. Raises KeyError for a code that no current grid bears."""
    before = tuple(grids[read_code(one.code).code] for one in predecessors_of(operation))
    codes = tuple(read_code(one.code).code for one in codes_given_by(operation))
    return Change(operation, place, before, codes)


def apply_changes(
    changes: Sequence[Change], outlines: Mapping[str, Outline], version: int, new_id: Callable[[str], UUID]
) -> Changed:
    """Apply sound changes, whose outlines are all there, as registry version `version`.

    `outlines`: those of the plan by code; `new_id` gives the id of a grid that begins, by its code.
    """
    changed = Changed([], [], [], [])
    for change in changes:
        _apply(change, outlines, version, new_id, changed)
    return changed


def provisional_id(code: str) -> UUID:
    """An id for a grid that is only planned: its code as a number, which no drawn id is."""
    return UUID(int=int(code))


def successors_of(steps: Sequence[Step]) -> dict[UUID, tuple[UUID, ...]]:
    """Per grid that ends the grids that take its place; none for one that is retired."""
    return {grid_id: step.successors for step in steps if step.ends for grid_id in step.predecessors}


def outline_of(change: Change, code: str, outlines: Mapping[str, Outline]) -> Outline | None:
    """The outline of a grid that begins: as it is drawn, and of a merged one else that of all that it is made of.

    None where it is not drawn, or where what is merged is not one piece.
    """
    drawn = outlines.get(code)
    return drawn if drawn or not isinstance(change.operation, Merge) else _joined(change.before)


def _apply(
    change: Change,
    outlines: Mapping[str, Outline],
    version: int,
    new_id: Callable[[str], UUID],
    changed: Changed,
) -> None:
    verb, before = verb_of(change.operation), tuple(label.id for label in change.before)
    begun = list(_begun(change, outlines, new_id))
    changed.begun.extend(begun)
    match verb:
        case "split" | "merge" | "retire" | "new":
            changed.ended.extend(change.before)
            changed.steps.append(Step(version, verb, before, tuple(label.id for label in begun)))
        case "renumber" | "redraw" | "move":
            changed.relabelled.extend(_relabelled(change, outlines))
            changed.steps.extend(Step(version, verb, (one,), (one,)) for one in before)


def _begun(change: Change, outlines: Mapping[str, Outline], new_id: Callable[[str], UUID]) -> list[GridLabel]:
    begun: list[GridLabel] = []
    for one in begun_by(change.operation):
        code = read_code(one.label.code)
        outline = outline_of(change, code.code, outlines)
        assert outline is not None
        begun.append(
            GridLabel(new_id(code.code), code.code, code.community_code, code.kind, one.label.name.strip(), outline)
        )
    return begun


def _relabelled(change: Change, outlines: Mapping[str, Outline]) -> list[GridLabel]:
    """The same grids under another code, or within another outline."""
    if not change.codes:
        return [replace(label, outline=outlines[label.code]) for label in change.before]
    code, (label,) = read_code(change.codes[0]), change.before
    name = change.operation.name if isinstance(change.operation, Move) else None
    return [
        replace(label, code=code.code, community=code.community_code, kind=code.kind, name=(name or label.name).strip())
    ]


def _joined(labels: Sequence[GridLabel]) -> Outline | None:
    """One outline around several, where they make one piece."""
    shapes = [shapely.Polygon(label.outline[0], label.outline[1:]) for label in labels]
    if not all(shape.is_valid for shape in shapes):
        return None
    joined = shapely.union_all(shapes)
    if not isinstance(joined, shapely.Polygon):
        return None
    rings = (joined.exterior, *joined.interiors)
    return normal_form([[(float(x), float(y)) for x, y in ring.coords] for ring in rings])
