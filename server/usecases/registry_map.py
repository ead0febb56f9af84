"""The map of a division: whose outlines it shows, what each is called, and how much work is open where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, convert
from msgspec.structs import replace

from server.db import registry_map
from server.db.database import Row
from server.services import Services
from server.usecases.reading import grants_of
from server.usecases.registry_browsing import DivisionSheet, division_sheet
from server.usecases.registry_sight import own_division, territory_of
from server.usecases.sessions import Caller
from sync.access import division_prefix, tier_of
from sync.case_table import OPEN
from sync.grid_index import Rings

_WITH_GRIDS = ("street", "community")


class MapShape(Struct, frozen=True, kw_only=True):
    """A division or a grid on a map.

    `depth`: 0 the division itself, -1 one beside it, 1 and 2 what lies inside it. `parts`: its outline, or, where it
    has none of its own, those of what lies in it; none where that is not known either. `synthetic` is said of them.
    """

    code: str
    parent: str | None
    tier: str
    depth: int
    name_zh: str
    name_en: str
    kind: str
    parts: list[Rings]
    synthetic: bool

    @property
    def prefix(self) -> str:
        """How the codes of all grids in it begin."""
        return self.code if self.tier == "grid" else division_prefix(self.code)


class DivisionMap(NamedTuple):
    """A division with its figures and the shapes of its map.

    `work`: where it was asked for and the caller may read anything, the number of open items by grid.
    """

    sheet: DivisionSheet
    shapes: list[MapShape]
    work: dict[str, int] | None

    def open_in(self, prefix: str) -> int:
        """How much work is open in the grids whose codes begin so."""
        return sum(number for code, number in (self.work or {}).items() if code.startswith(prefix))


def may_see_work(services: Services, caller: Caller) -> bool:
    """Whether the caller may read any item at all."""
    return bool(grants_of(services, caller))


async def division_map(services: Services, caller: Caller, code: str, *, with_work: bool) -> DivisionMap:
    """The map of a division, without a code of the caller's own. Raises Problem: forbidden, not_found."""
    sight, wanted = territory_of(services, caller), code or own_division(caller)
    grants, prefix = grants_of(services, caller), division_prefix(wanted)
    async with services.database.read() as connection:
        sheet = await division_sheet(connection, sight, wanted)
        rows = await registry_map.map_shapes(
            connection, sight, wanted, prefix, with_grids=tier_of(wanted) in _WITH_GRIDS
        )
        work = None
        if with_work and grants:
            work = await registry_map.open_work_by_grid(connection, grants, prefix, OPEN)
    return DivisionMap(sheet, _shapes(rows), work)


def _shapes(rows: Sequence[Row]) -> list[MapShape]:
    """In the order of rows; what has no outline gets those of what lies in it."""
    shapes = [convert(dict(row), MapShape) for row in rows]
    inside: defaultdict[str | None, list[MapShape]] = defaultdict(list)
    made: dict[str, MapShape] = {}
    for shape in reversed(shapes):  # what lies deepest comes first
        parts = shape.parts or [ring for one in inside[shape.code] for ring in one.parts]
        synthetic = shape.synthetic or (not shape.parts and any(one.synthetic for one in inside[shape.code]))
        made[shape.code] = replace(shape, parts=parts, synthetic=synthetic)
        inside[shape.parent].append(made[shape.code])
    return [made[shape.code] for shape in shapes]
