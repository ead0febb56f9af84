"""Lineages longer and wider than those that are walked through one by one: whatever happened, a few things hold."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sync.lineage import CodeValidity, Lineage, Step, StepKind

KINDS: tuple[StepKind, ...] = ("new", "split", "merge", "renumber", "redraw", "move", "retire")


class Story:
    """Steps that can be taken, and who is there at the end; codes are numbered like grids.

    A version may have several steps, but no grid is in two of them: what is there between has no label.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._last = 0
        self.version = 1
        self.steps: list[Step] = []
        self.validities: list[CodeValidity] = []
        self.current: dict[UUID, CodeValidity] = {}
        self._untouched: set[UUID] = set()
        self._begin(draw(st.integers(1, 6)))
        for _ in range(draw(st.integers(0, 12))):
            if more := draw(st.integers(0 if self.steps else 1, 2)):
                self.version += more
                self._untouched = set(self.current)
            self._step()
        self.validities.extend(self.current.values())

    def _step(self) -> None:
        kind = self._draw(st.sampled_from(KINDS))
        least = {"new": 0, "merge": 2}.get(kind, 1)
        if len(self._untouched) < least:
            return
        most = 3 if kind == "merge" else least
        picked = self._draw(st.permutations(sorted(self._untouched)))[: self._draw(st.integers(least, most))]
        before = tuple(picked)
        self._untouched -= set(before)
        if kind in ("renumber", "redraw", "move"):
            self.steps.append(Step(self.version, kind, before, before))
            if kind != "redraw":
                self._end(before)
                self._last += 1
                self._give(before[0])
            return
        after = self._begin({"split": 2, "retire": 0}.get(kind, 1))
        self._end(before)
        self.steps.append(Step(self.version, kind, before, after))

    def _begin(self, grids: int) -> tuple[UUID, ...]:
        begun: list[UUID] = []
        for _ in range(grids):
            self._last += 1
            begun.append(UUID(int=self._last))
            self._give(begun[-1])
        return tuple(begun)

    def _give(self, grid_id: UUID) -> None:
        self.current[grid_id] = CodeValidity(f"341182001{self._last:06}", grid_id, self.version)

    def _end(self, grids: tuple[UUID, ...]) -> None:
        for grid_id in grids:
            one = self.current.pop(grid_id)
            self.validities.append(CodeValidity(one.code, grid_id, one.from_version, self.version))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    return Story(draw)


@given(stories())
def test_every_code_goes_on_meaning_grids_of_today(story: Story) -> None:
    lineage = Lineage(story.steps, story.validities)
    for one in story.validities:
        for version in range(1, story.version + 1):
            carried = lineage.carry_code(one.code, version)
            assert carried is not None
            assert set(carried.grids) <= story.current.keys()
            assert [hop.version for hop in carried.path] == sorted(hop.version for hop in carried.path)
            assert carried.grids or any(hop.kind == "retire" for hop in carried.path)


@given(stories())
def test_what_a_grid_became_and_what_it_came_from_say_the_same(story: Story) -> None:
    lineage = Lineage(story.steps, story.validities)
    ever = {one.grid_id for one in story.validities}
    for grid_id in story.current:
        became_it = {one for one in ever if grid_id in lineage.carry(one, 0).grids}
        assert became_it - {grid_id} == lineage.predecessors(grid_id)


@given(stories())
def test_who_knew_all_is_told_no_step_of_a_grid_that_stands(story: Story) -> None:
    lineage = Lineage(story.steps, story.validities)
    for grid_id, one in story.current.items():
        carried = lineage.carry_code(one.code, story.version)
        assert carried is not None
        assert (carried.grids, carried.path) == ((grid_id,), ())


@given(stories(), st.integers(1, 30))
def test_a_path_leads_on_from_the_code_that_was_written(story: Story, version: int) -> None:
    """Each hop begins at something that was written or that an earlier hop led to."""
    lineage = Lineage(story.steps, story.validities)
    for one in story.validities:
        carried = lineage.carry_code(one.code, version)
        assert carried is not None
        reached = {code for code, grid in lineage.codes if grid == one.grid_id}
        for hop in carried.path:
            assert reached & set(hop.before)
            reached |= set(hop.after)
