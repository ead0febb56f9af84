"""The registry as people browse it: divisions with what lies in them, grids, and who works there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from server.db.database import Connection, Row
from server.db.named import sql


class Territory(NamedTuple):
    """What somebody may look at: grids that are named, and areas, by how the codes inside begin; "" is all of it."""

    grid_ids: Sequence[UUID]
    prefixes: Sequence[str]


class GridWish(NamedTuple):
    """What a list of grids is narrowed to: how codes begin, a kind, and a part of a grid's or a compound's name."""

    prefix: str = ""
    kind: str | None = None
    name: str | None = None


def in_sight(name: str) -> str:
    """A statement with the conditions that keep it inside a territory, whose two parts are $1 and $2."""
    text = sql(name)
    for part in ("grid_in_sight", "division_in_sight", "digits"):
        text = text.replace(f"{{{part}}}", sql(part))
    return text


async def divisions_around(connection: Connection, sight: Territory, division: str) -> list[Row]:
    """A division, those above and those directly inside, by code; those inside are marked."""
    return await connection.fetch(in_sight("divisions_around"), *sight, division)


async def figures_of_parts(
    connection: Connection, sight: Territory, prefix: str, digits: int, roles: Sequence[str]
) -> list[Row]:
    """Numbers by part and what is counted; `part` is null for all of them together."""
    return await connection.fetch(in_sight("figures_of_parts"), *sight, prefix, digits, list(roles))


async def browse_grids(connection: Connection, sight: Territory, wish: GridWish, after: str, limit: int) -> list[Row]:
    """Current grids that come after a code, in the order of codes."""
    return await connection.fetch(in_sight("browse_grids"), *sight, *wish, after, limit)


async def find_divisions(
    connection: Connection, sight: Territory, prefix: str, name: str | None, limit: int
) -> list[Row]:
    """Divisions whose codes begin so and whose names hold a text, in the order of codes."""
    return await connection.fetch(in_sight("find_divisions"), *sight, prefix, name, limit)


async def grid_under_code(connection: Connection, sight: Territory, code: str) -> Row | None:
    """The newest label, as far as it is in sight, of the grid that bears this code or bore it."""
    return await connection.fetchrow(in_sight("grid_under_code"), *sight, code)


async def people_of_grid(connection: Connection, grid_id: UUID, community: str) -> list[Row]:
    """Those who work in a grid now with their roles, the advisers of its community among them, by name."""
    return await connection.fetch(sql("people_of_grid"), grid_id, community)
