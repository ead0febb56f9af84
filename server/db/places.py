"""Divisions by name, for people who look at lists of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.db.database import Connection
from server.db.named import sql
from sync.routing import Above


class Division(NamedTuple):
    """A division: its 12-digit code, its tier and its names; `name_en` may be empty."""

    code: str
    tier: str
    name_zh: str
    name_en: str


async def divisions_and_communities(
    connection: Connection, codes: Sequence[str], prefixes: Sequence[str]
) -> list[Division]:
    """Divisions with these codes and the communities whose codes begin so, in the order of codes."""
    rows = await connection.fetch(sql("divisions_and_communities"), codes, prefixes)
    return [Division(*row.values()) for row in rows]


async def tree_above(connection: Connection, divisions: Sequence[str]) -> dict[str, Above]:
    """These divisions and everything above them, the host counties of statistical zones included, by code."""
    rows = await connection.fetch(sql("tree_above"), divisions)
    return {row["code"]: Above(row["parent"], row["host_county"]) for row in rows}
