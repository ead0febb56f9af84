"""Which grid became which: by hand, one kind of step after the other."""

from __future__ import annotations

from uuid import UUID

import pytest

from sync.lineage import Carried, CodeValidity, Hop, Lineage, Step
from sync.registry import GridLabel, Registry

A, B, C, D, E, F = (UUID(int=number) for number in range(1, 7))


def code(serial: int, community: str = "341182001001") -> str:
    return f"{community}{serial:03}"


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("new", (A,), (B,)),
        ("new", (), (A, B)),
        ("split", (A,), (B,)),
        ("split", (A,), (A, B)),
        ("split", (A, B), (C, D)),
        ("split", (A,), (B, B)),
        ("merge", (A,), (B,)),
        ("merge", (A, B), (A,)),
        ("merge", (A, A), (B,)),
        ("merge", (A, B), (C, D)),
        ("renumber", (A,), (B,)),
        ("redraw", (A, B), (A, B)),
        ("move", (), ()),
        ("retire", (A,), (B,)),
        ("retire", (), ()),
    ],
)
def test_a_step_has_the_grids_of_its_kind(kind: str, before: tuple[UUID, ...], after: tuple[UUID, ...]) -> None:
    with pytest.raises(ValueError, match=f"no {kind}"):
        Step(2, kind, before, after)  # type: ignore[arg-type]


def test_steps_come_in_the_order_of_versions() -> None:
    with pytest.raises(ValueError, match="earlier"):
        Lineage([Step(3, "retire", (A,)), Step(2, "retire", (B,))])


SPLIT = Step(2, "split", (A,), (B, C))
REDRAWN = Step(3, "redraw", (C,), (C,))
MERGED = Step(4, "merge", (C, D), (E,))
RENUMBERED = Step(5, "renumber", (E,), (E,))
CODES = [
    CodeValidity(code(1), A, 1, 2),
    CodeValidity(code(4), D, 1, 4),
    CodeValidity(code(9), B, 2),
    CodeValidity(code(3), C, 2, 3),
    CodeValidity(code(3), C, 3, 4),
    CodeValidity(code(5), E, 4, 5),
    CodeValidity(code(6), E, 5),
]
SPLIT_HOP = Hop(2, "split", (code(1),), (code(3), code(9)))
REDRAWN_HOP = Hop(3, "redraw", (code(3),), (code(3),))
MERGED_HOP = Hop(4, "merge", (code(3), code(4)), (code(5),))
RENUMBERED_HOP = Hop(5, "renumber", (code(5),), (code(6),))
STORY = Lineage([SPLIT, REDRAWN, MERGED, RENUMBERED], CODES)


@pytest.mark.parametrize(
    ("written", "version", "grids", "path"),
    [
        (code(1), 1, (E, B), (SPLIT_HOP, REDRAWN_HOP, MERGED_HOP, RENUMBERED_HOP)),
        (code(1), 4, (E, B), (SPLIT_HOP, REDRAWN_HOP, MERGED_HOP, RENUMBERED_HOP)),
        (code(3), 2, (E,), (REDRAWN_HOP, MERGED_HOP, RENUMBERED_HOP)),
        (code(3), 3, (E,), (MERGED_HOP, RENUMBERED_HOP)),
        (code(3), 9, (E,), (MERGED_HOP, RENUMBERED_HOP)),
        (code(4), 1, (E,), (MERGED_HOP, RENUMBERED_HOP)),
        (code(5), 4, (E,), (RENUMBERED_HOP,)),
        (code(5), 5, (E,), (RENUMBERED_HOP,)),
        (code(6), 1, (E,), ()),
        (code(6), 5, (E,), ()),
        (code(9), 1, (B,), ()),
    ],
)
def test_a_code_is_carried_by_the_steps_after_it(
    written: str, version: int, grids: tuple[UUID, ...], path: tuple[Hop, ...]
) -> None:
    """What its author knew already is no step; grids come in the order of the codes that they bear now."""
    assert STORY.carry_code(written, version) == Carried(grids, path)


def test_a_code_that_was_never_given_is_carried_nowhere() -> None:
    assert STORY.carry_code(code(7), 1) is None
    assert code(7) not in STORY
    assert code(1) in STORY


def test_what_was_split_and_merged_again_is_one_grid() -> None:
    again = Lineage([Step(2, "split", (A,), (B, C)), Step(3, "merge", (B, C), (D,))])
    assert again.carry(A, 1).grids == (D,)


def test_what_was_retired_became_nothing() -> None:
    retired = Lineage([Step(2, "split", (A,), (B, C)), Step(3, "retire", (B,))])
    assert retired.carry(B, 2) == Carried((), (Hop(3, "retire", ("",)),))
    assert retired.carry(A, 1).grids == (C,)


def test_what_a_grid_came_from() -> None:
    assert STORY.predecessors(E) == {A, C, D}
    assert STORY.predecessors(B) == {A}
    assert STORY.predecessors(A) == frozenset()


def test_the_code_of_a_grid_at_a_version() -> None:
    assert [STORY.code_at(E, version) for version in (1, 4, 5, 9)] == [code(5), code(5), code(6), code(6)]
    assert STORY.code_at(F, 1) is None
    assert STORY.grid_of(code(5)) == E


def label(grid_id: UUID, serial: int) -> GridLabel:
    west = 118.0 + serial / 100
    outline = [[(west, 32.0), (west + 0.01, 32.0), (west + 0.01, 32.01), (west, 32.01)]]
    return GridLabel(grid_id, code(serial), code(serial)[:12], "general", str(serial), outline)


@pytest.mark.parametrize(
    ("written", "answer", "grids"),
    [
        (code(1), "several", (E, B)),
        (code(3), "one", (E,)),
        (code(5), "one", (E,)),
        (code(6), "one", (E,)),
        (code(7), "unknown", ()),
        (code(8), "retired", (E, B)),
    ],
)
def test_an_old_code_stands_for_what_its_grid_became(written: str, answer: str, grids: tuple[UUID, ...]) -> None:
    """8 ended in an import that told no lineage: any grid of its community may be meant."""
    lineage = Lineage([SPLIT, REDRAWN, MERGED, RENUMBERED], [*CODES, CodeValidity(code(8), F, 1, 2)])
    reading = Registry(5, [label(B, 9), label(E, 6)], lineage).read_code(written)
    assert (reading.answer, reading.grids) == (answer, grids)
