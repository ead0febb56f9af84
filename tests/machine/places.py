"""I7 at rest: every item is in one current grid or waits for one, and what brought it there is told with the grids."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from uuid import UUID

from tests.machine.books import holds
from tests.machine.city import City

_MISPLACED = """
SELECT i.id, g.id IS NOT NULL AND g.to_version IS NULL AS placed, g.id IS NULL AS nowhere, EXISTS (
    SELECT FROM conflict c WHERE c.item_id = i.id AND c.state = 'open'
    AND (c.kind IN ('code', 'territory') OR (c.op = 'create' AND c.kind <> 'duplicate'))
) AS waits
FROM item i LEFT JOIN grid g ON g.id = i.grid_id
WHERE NOT i.deleted AND i.stream_class <> 'author'
"""
_LABELS = "SELECT grid_id, code, from_version, coalesce(to_version, 1000000) AS to_version FROM grid_label"
_STANDING = 1_000_000
_TWO_LABELS = "SELECT grid_id FROM grid_label WHERE to_version IS NULL GROUP BY grid_id HAVING count(*) > 1"
_RECODES = """
SELECT * FROM (
    SELECT item_id, version, op, grid_id, registry, derivation::text AS derivation,
        lag(grid_id) OVER (PARTITION BY item_id ORDER BY version) AS former
    FROM revision
) r WHERE version > 1 AND grid_id IS DISTINCT FROM former
"""


class Label(NamedTuple):
    """A code of a grid, from one registry version up to another."""

    grid: UUID
    code: str
    from_version: int
    to_version: int


async def every_item_has_a_place(city: City) -> None:
    """One current grid, or else an open conflict about where it belongs; never both."""
    rows = await city.rows(_MISPLACED)
    homeless = [row["id"] for row in rows if not row["placed"] and not (row["nowhere"] and row["waits"])]
    holds("I7", not homeless, "an item is in one current grid or in a conflict about it", homeless[:3])
    twice = [row["id"] for row in rows if row["placed"] and row["waits"]]
    holds("I7", not twice, "an item that waits for its grid has none", twice[:3])
    doubled = await city.rows(_TWO_LABELS)
    holds("I7", not doubled, "a grid bears one code", doubled)


async def every_recode_is_told(city: City) -> None:
    """A revision by which an item changed its grid says why; one by the registry names versions and grids."""
    labels = [Label(*row) for row in await city.rows(_LABELS)]
    kinds = {(row["version"], grid): row["kind"] for row in await city.rows(_STEPS) for grid in row["predecessors"]}
    for row in await city.rows(_RECODES):
        told = json.loads(row["derivation"]) if row["derivation"] else {}
        if row["op"] == "move":
            _check_move(row, told, labels, kinds)
        else:
            holds("I7", told.get("source") or row["grid_id"] is None, "a recode has a derivation", dict(row))
    await _rebased_is_told(city, labels)


_STEPS = "SELECT version, kind, predecessors FROM lineage"


def _check_move(row: Any, told: dict[str, Any], labels: list[Label], kinds: dict[tuple[int, UUID], str]) -> None:
    """Which version took it from which grid, by which step, into which grid."""
    version, former, about = row["registry"], row["former"], dict(row)
    holds("I7", told.get("registry") == version, "a move names its registry version", about)
    holds("I7", told.get("from") == str(former), "a move names the grid that it left", about)
    before = next(one.code for one in labels if one.grid == former and one.from_version < version <= one.to_version)
    wrote = told.get("written", {})
    holds("I7", (wrote.get("code"), wrote.get("registry")) == (before, version - 1), "a move names the old code", about)
    steps = [hop for hop in told.get("path", ()) if before in hop["before"]]
    found = [(hop["version"], hop["kind"]) for hop in steps]
    holds("I7", found == [(version, kinds.get((version, former)))], "a move names its step", about, kinds)
    borne = {one.code for one in labels if one.grid == row["grid_id"] and one.to_version > version}
    holds("I7", told.get("code") in (borne or {None}), "a move names the grid that it came to", about, borne)


async def _rebased_is_told(city: City, labels: list[Label]) -> None:
    """What was told to be rebased names the ended grid that its code named, or the grid in whose ground it was written,
    and the grid that it came to.
    """
    current = {one.grid for one in labels if one.to_version == _STANDING}
    ended = {one.code for one in labels if one.grid not in current}
    rows = await city.rows("SELECT item_id, version, grid_id, derivation::text AS derivation FROM revision")
    known = {(row["item_id"], row["version"]): row for row in rows}
    for place in city.told.rebased:
        row = known.get(place)
        told = json.loads(row["derivation"]) if row and row["derivation"] else {}
        about, former = dict(row or {}), told.get("from")
        named = told.get("written", {}).get("code") in ended
        changed = former in {str(one.grid) for one in labels} and row is not None and former != str(row["grid_id"])
        holds("I7", named or changed, "what is rebased names the grid that it left", place, about)
        steps = [hop["version"] for hop in told.get("path", ())]
        told_steps = all(one <= told["registry"] for one in steps) and (steps or changed)
        holds("I7", told_steps, "what is rebased tells the steps", place, about)
        codes = {one.code for one in labels if row and one.grid == row["grid_id"]}
        holds("I7", told.get("code") in codes, "what is rebased tells its grid", place, about)
