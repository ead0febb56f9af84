"""What offices read: items by the grants of a reader, their history, and the steps of their reviews and cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, to_builtins

from server.db.database import Connection, Row
from server.db.named import sql
from sync.access import Grant

Grants = Sequence[Grant]

_STREET_DIGITS = 9
_FEW_TYPES = 3


class ItemFilter(Struct, frozen=True, kw_only=True):
    """What a list is narrowed to; `division` is the prefix of grid codes."""

    type: str | None = None
    division: str | None = None
    review: str | None = None
    case: str | None = None


class ExportFilter(Struct, frozen=True, kw_only=True):
    """What an export is narrowed to; received from `begins` until before `ends`; `division` as in `ItemFilter`."""

    type: str
    division: str | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    approved_only: bool = True


def reached(name: str, grants: Grants | None = None) -> str:
    """A statement with the one condition that says which items a reader's grants reach.

    Items are looked for only where the grants can reach them, unless that is half the city.
    """
    near = "true" if grants is None or _are_wide(grants) else sql("near")
    return sql(name).replace("{near}", near).replace("{reached}", sql("reached"))


def _are_wide(grants: Grants) -> bool:
    """Whether they reach more than a few types beyond one street."""
    prefixes = [(grant.reach.division_prefix, len(grant.types)) for grant in grants]
    return any(prefix and len(prefix) < _STREET_DIGITS and types > _FEW_TYPES for prefix, types in prefixes)


def grant_rows(grants: Grants) -> list[dict[str, Any]]:
    """Grants as the condition takes them."""
    return [{"types": grant.types, **to_builtins(grant.reach)} for grant in grants]


async def readable_items(connection: Connection, item_ids: Sequence[UUID], grants: Grants) -> set[UUID]:
    """Those of these items that the grants reach and that are not deleted."""
    rows = await connection.fetch(reached("readable_items", grants), grant_rows(grants), item_ids)
    return {row["id"] for row in rows}


async def items_within(connection: Connection, item_ids: Sequence[UUID], grants: Grants) -> set[UUID]:
    """Those of these items that the grants reach, deleted and erased ones included."""
    rows = await connection.fetch(reached("items_within", grants), grant_rows(grants), item_ids)
    return {row["id"] for row in rows}


async def list_items(
    connection: Connection, grants: Grants, narrowed: ItemFilter, after: UUID | None, limit: int
) -> list[Row]:
    """Items that the grants reach, the newest first."""
    return await connection.fetch(
        reached("list_items", grants),
        grant_rows(grants),
        after,
        narrowed.type,
        narrowed.division,
        narrowed.review,
        narrowed.case,
        limit,
    )


async def export_items(
    connection: Connection, grants: Grants, narrowed: ExportFilter, after: UUID | None, limit: int
) -> list[Row]:
    """Items that the grants reach in the order of their ids, with values, keys, and what is said of them."""
    return await connection.fetch(
        reached("export_items", grants),
        grant_rows(grants),
        after,
        narrowed.type,
        narrowed.division,
        narrowed.begins,
        narrowed.ends,
        narrowed.approved_only,
        limit,
    )


async def history_of_item(connection: Connection, item_id: UUID) -> list[Row]:
    """Its revisions with the names of their authors, oldest first."""
    return await connection.fetch(sql("history_of_item"), item_id)


async def names_of_users(connection: Connection, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What these users are called."""
    return {row["id"]: row["name"] for row in await connection.fetch(sql("names_of_users"), user_ids)}


async def review_steps_of_item(connection: Connection, item_id: UUID) -> list[Row]:
    """The steps of its review with the names of who took them, in order."""
    return await connection.fetch(sql("review_steps_of_item"), item_id)


async def case_steps_of_item(connection: Connection, item_id: UUID) -> list[Row]:
    """The steps of its case with the names of who took them and of the organisation then in charge, in order."""
    return await connection.fetch(sql("case_steps_of_item"), item_id)


async def items_with_keys(connection: Connection, item_ids: Sequence[UUID]) -> list[Row]:
    """Heads of items with their wrapped keys, by id, without locking them; deleted ones are left out."""
    return await connection.fetch(sql("items_with_keys"), item_ids)
