"""The registry as the core sees it: current grids by id, by code and by place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from uuid import UUID

from msgspec import Struct

from sync.crosswalk import Crosswalk, CrosswalkRow, Reading
from sync.former_ground import FormerGround
from sync.grid_index import GridIndex, Rings
from sync.lineage import Lineage


class GridLabel(Struct, frozen=True):
    """A current grid: its opaque id, the code it bears, and its outline in WGS-84."""

    id: UUID
    code: str
    community: str
    kind: str
    name: str
    outline: Rings


class Registry:
    """One registry version. Immutable."""

    def __init__(
        self,
        version: int,
        labels: Sequence[GridLabel],
        lineage: Lineage | None = None,
        crosswalk_rows: Iterable[CrosswalkRow] = (),
        ground: FormerGround | None = None,
        published: Sequence[tuple[int, datetime]] = (),
    ) -> None:
        """Index the current grids of this version, what they came from, and the legacy codes.

        `ground`: how it was divided before. `published`: every version with its time, in their order.
        """
        ordered = sorted(labels, key=lambda label: label.code)
        self.version = version
        self.labels = {label.id: label for label in ordered}
        self.by_code = {label.code: label.id for label in ordered}
        self.index = GridIndex([(label.id, label.code, label.outline) for label in ordered])
        self.lineage = lineage or Lineage()
        self.ground = ground or FormerGround()
        self._versions = [number for number, _ in published]
        # Times are those at which the publishing transactions began, which may overtake one another by a little.
        self._times = list(accumulate((at for _, at in published), max))
        self.crosswalk = Crosswalk(crosswalk_rows, [(label.id, label.community) for label in ordered], self.lineage)

    def read_code(self, code: str, version: int | None = None) -> Reading:
        """What a unified code stands for that was written at a registry version, by default this: grids of today.

        Of a grid that ended without a successor, or in a way that no step tells, the grids of its community are given.
        """
        written = self.version if version is None else version
        if code in self.by_code and written >= self.version:
            return Reading("one", (self.by_code[code],))
        carried = self.lineage.carry_code(code, written)
        if carried is None:
            return Reading("one", (self.by_code[code],)) if code in self.by_code else Reading("unknown")
        became = tuple(grid_id for grid_id in carried.grids if grid_id in self.labels)
        if became:
            return Reading("one" if len(became) == 1 else "several", became, carried.path)
        of_community = (label.id for label in self.labels.values() if label.community == code[:12])
        return Reading("retired", tuple(of_community), carried.path)

    def known(self, written: int, captured_at: datetime, oldest: datetime) -> int:
        """The registry version by which the ground of a change is judged: the one that its set was written by.

        Nobody knew what was published after the capture, though his set may have been sealed later; and what was
        replaced before `oldest`, when the offline lease begins, may no longer be pleaded.
        """
        if not self._versions:
            return written
        return max(min(written, self.in_force(captured_at)), self.in_force(oldest))

    def only_since(self, moment: datetime) -> int | None:
        """The version that has been in force all the time since an instant; None where there were several."""
        alone = self._versions and self.in_force(moment) == self._versions[-1]
        return self._versions[-1] if alone else None

    def in_force(self, moment: datetime) -> int:
        """The newest registry version at an instant; before the first one, the first. 0 where no times are known."""
        return self._versions[max(bisect_right(self._times, moment) - 1, 0)] if self._versions else 0

    def current(self, grid_id: UUID | None) -> UUID | None:
        """The id if it is that of a grid of this version: the very object that `index` and `by_code` tell."""
        label = self.labels.get(grid_id) if grid_id else None
        return label.id if label else None

    def code(self, grid_id: UUID | None) -> str | None:
        """The code that a grid bears now."""
        label = self.labels.get(grid_id) if grid_id else None
        return label.code if label else None

    def community(self, grid_id: UUID | None) -> str | None:
        """The 12-digit code of the community that a grid lies in."""
        label = self.labels.get(grid_id) if grid_id else None
        return label.community if label else None
