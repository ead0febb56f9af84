"""Cases, their steps, the organisations that handle them and the photos that prove the work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection, Row, to_json
from server.db.named import sql
from server.db.new_items import Photo
from server.db.reading import FIRST, Grants, grant_rows, listed, of_type
from sync.access import Organisation
from sync.case_table import UNHANDLED
from sync.routing import Above


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


async def share_verified(connection: Connection, photos: set[Photo]) -> set[Photo]:
    """Keep the states of these photos as they are until the transaction ends; returns those that are verified.

    Called after items were locked: photos come after them in the one order of locks.
    """
    if not photos:
        return set()
    named = [{"sha256": bytes.fromhex(sha256), "size": size} for sha256, size in sorted(photos)]
    rows = await connection.fetch(sql("share_photos"), to_json(named))
    return {(row["sha256"].hex(), row["size"]) for row in rows if row["state"] == "verified"}


async def organisations_above(
    connection: Connection, departments: Sequence[str], divisions: Sequence[str]
) -> list[Organisation]:
    """The organisations of these departments in these divisions."""
    rows = await connection.fetch(sql("organisations_above"), departments, divisions)
    return [Organisation(row["id"], row["department"], row["division"]) for row in rows]


async def offices_above(
    connection: Connection, departments: Sequence[str], divisions: Sequence[str]
) -> tuple[dict[str, Above], list[Organisation]]:
    """Divisions with all that lies above them, as `places.tree_above`, and the departments' organisations in these."""
    rows = await connection.fetch(sql("offices_above"), departments, divisions)
    tree = {row["code"]: Above(row["parent"], row["host_county"]) for row in rows}
    return tree, [Organisation(row["id"], row["department"], row["code"]) for row in rows if row["id"]]


class CaseFilter(Struct, frozen=True, kw_only=True):
    """What a queue is narrowed to.

    `ids`: the least and the greatest. `division`: the prefix of grid codes. `offices`: rows of department and prefix;
    one of them holds the case or assists. `overdue_at`: some deadline has passed unmet by then.
    """

    ids: tuple[UUID, UUID] | None = None
    state: str | None = None
    type: str | None = None
    division: str | None = None
    offices: list[dict[str, str]] | None = None
    overdue_at: datetime | None = None


async def list_cases(
    connection: Connection,
    grants: Grants,
    office_areas: Sequence[str],
    narrowed: CaseFilter,
    after: tuple[int, datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """Cases with type, grid, review state and organisations, the most urgent first.

    Those of items that the grants reach, and those with an open request in the areas of an office.
    """
    arguments = case_arguments(grants, office_areas, narrowed, after, limit)
    return await connection.fetch(cases_statement(narrowed), *arguments)


def cases_statement(narrowed: CaseFilter) -> str:
    """The statement of a list that is narrowed so; its arguments are those of `case_arguments`."""
    asked = {
        "cases_between": narrowed.ids,
        "cases_of_offices": narrowed.offices,
        "cases_in_state": narrowed.state,
        "cases_in_hand": narrowed.overdue_at,
    }
    way = next((name for name, value in asked.items() if value is not None), None)
    return listed("list_cases", "$7", way, near="within_or_asking").replace("{lines}", sql("case_lines"))


def case_arguments(
    grants: Grants,
    office_areas: Sequence[str],
    narrowed: CaseFilter,
    after: tuple[int, datetime, UUID] | None,
    limit: int,
) -> tuple[Any, ...]:
    """What the statement of the list takes."""
    return (
        grant_rows(of_type(grants, narrowed.type)),
        office_areas,
        *(narrowed.ids or (None, None)),
        narrowed.state,
        narrowed.type,
        narrowed.division,
        narrowed.offices,
        narrowed.overdue_at,
        UNHANDLED,
        *(after or FIRST),
        limit,
    )


async def find_case(connection: Connection, item_id: UUID) -> Row:
    """One case as `list_cases` gives it; whoever calls has decided that it may be seen."""
    (row,) = await connection.fetch(sql("find_case").replace("{lines}", sql("case_lines")), item_id)
    return row


async def find_organisation(connection: Connection, organisation_id: UUID) -> Organisation | None:
    """One organisation."""
    row = await connection.fetchrow(sql("find_organisation"), organisation_id)
    return Organisation(row["id"], row["department"], row["division"]) if row else None


async def organisations_of_area(
    connection: Connection, department: str | None, above: Sequence[str], prefixes: Sequence[str]
) -> list[Row]:
    """Organisations in these divisions or in those with these prefixes: id, department, division, tier, names."""
    return await connection.fetch(sql("organisations_of_area"), department, above, prefixes)
