"""Cases, their steps, the organisations that handle them and the photos that prove the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from sync.access import Organisation


async def cases_of_items(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """The cases of these items with `organisations`; whoever changes one holds its item's lock."""
    return await connection.fetch(sql("cases_of_items"), item_ids)


async def upsert_cases(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """New cases, or their new state."""
    if rows:
        await connection.execute(sql("upsert_cases"), to_json(rows))


async def insert_case_steps(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Steps in the order given; each item's are numbered on."""
    if rows:
        await connection.execute(sql("insert_case_steps"), to_json(rows))


async def verified_photos(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """item_id, sha256, size, role of the photos that count; those from after the work only of the present round."""
    return await connection.fetch(sql("verified_photos"), item_ids)


async def organisations_above(
    connection: Connection, departments: Sequence[str], divisions: Sequence[str]
) -> list[Organisation]:
    """The organisations of these departments in these divisions."""
    rows = await connection.fetch(sql("organisations_above"), departments, divisions)
    return [Organisation(row["id"], row["department"], row["division"]) for row in rows]
