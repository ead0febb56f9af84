"""How a grid was told, as plain values: what is stored with a revision, and read again to be explained.

Codes stand as they were at the time, so that they say the same for good. What a position was accurate to and how far
the border was is kept in whole metres; where it was is a value of the form and is not repeated.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sync.crosswalk import Answer
from sync.lineage import Hop


class Written(Struct, frozen=True):
    """A unified code as a change gave it, at the registry version of its set; `answer` is what it stood for."""

    code: str
    registry: int
    answer: Answer = "one"


class Legacy(Struct, frozen=True):
    """A department's own code as a change gave it; `gave`: the id of the grid that it decided, if it did."""

    department: str
    code: str
    answer: Answer
    gave: str | None = None


class SeenFix(Struct, frozen=True, omit_defaults=True):
    """A position that was asked, in whole metres. `border_m`: from the border of the grid that it decided.

    `reaches`: where it decided none, the codes of the grids that its accuracy circle touches.
    """

    source: str
    accuracy_m: int
    border_m: int | None = None
    reaches: tuple[str, ...] = ()


class Other(Struct, frozen=True):
    """A later source that told another grid, by its id; it moved nothing."""

    source: str
    grid: str


class Derivation(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How a grid was told at a registry version. `source` and `code` are null where none was.

    `source`: one of the catalogue's, or `person`, `held`, `undo` of a settlement. `path`: the steps that led from what
    was written to the grids of today; `candidates`: their codes. `settlement` and `undone` are of a conflict.
    """

    registry: int = 0
    source: str | None = None
    code: str | None = None
    disagreeing: tuple[Other, ...] = ()
    written: Written | None = None
    legacy: Legacy | None = None
    path: tuple[Hop, ...] = ()
    candidates: tuple[str, ...] = ()
    fix: SeenFix | None = None
    settlement: dict[str, Any] | None = None
    undone: dict[str, Any] | None = None
