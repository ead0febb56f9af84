"""The registry as the core sees it: current grids by id, by code and by place."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from sync.territory import GridIndex, Rings


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

    def __init__(self, version: int, labels: Sequence[GridLabel]) -> None:
        """Index the current grids of this version."""
        self.version = version
        self.labels = {label.id: label for label in labels}
        self.by_code = {label.code: label.id for label in labels}
        self.index = GridIndex([(label.id, label.code, label.outline) for label in labels])

    def code(self, grid_id: UUID | None) -> str | None:
        """The code that a grid bears now."""
        label = self.labels.get(grid_id) if grid_id else None
        return label.code if label else None
