"""What offices read: items by the grants of a reader, their history, and the steps of their reviews and cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, to_builtins

from server.db.database import Connection, Row
from server.db.named import inner, sql
from sync.access import Grant

Grants = Sequence[Grant]

_STREET_DIGITS = 9
_FEW_TYPES = 3
_LAST = UUID(int=2**128 - 1)

FIRST = (-1, datetime.min.replace(tzinfo=UTC), UUID(int=0))
"""What comes before every place of a queue: urgency, since when, which item."""


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
    statement = sql(name).replace("{near}", near).replace("{reached}", sql("reached"))
    return statement.replace("{grants}", sql("grants"))


def _are_wide(grants: Grants) -> bool:
    """Whether they reach more than a few types beyond one street."""
    prefixes = [(grant.reach.division_prefix, len(grant.types)) for grant in grants]
    return any(prefix and len(prefix) < _STREET_DIGITS and types > _FEW_TYPES for prefix, types in prefixes)


def listed(name: str, place: str, narrowed: str | None = None, item: str = "", near: str = "within") -> str:
    """The statement of a list that is quick however many items a reader reaches, and however few there are.

    It stands by this name, and what both of its ways share by the same with `_wanted`. `place`: the argument with the
    first digits of grid codes; `item`: the id that is looked up in turn; `near` and `narrowed`: the statements of what
    the reader may reach and of what is asked for.
    """
    few = sql("candidates").replace("{narrowed}", inner(narrowed) if narrowed else "SELECT item_id FROM near")
    few = few.replace("{within}", inner(near)).replace("{within}", inner("within"))
    statement = sql(name).replace("{candidates}", few).replace("{wanted}", inner(f"{name}_wanted"))
    statement = statement.replace("{many}", sql("many")).replace("{seen}", sql("seen"))
    statement = statement.replace("{reached}", sql("reached").replace("{grants}", "given g"))
    return statement.replace("{grants}", sql("grants")).replace("{item}", item).replace("{place}", f"{place}::text")


def of_type(grants: Grants, item_type: str | None) -> Grants:
    """What is left of grants where only items of one type are asked for."""
    if item_type is None:
        return grants
    return [Grant(types=(item_type,), reach=grant.reach) for grant in grants if item_type in grant.types]


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
        listed("list_items", "$3", _way(narrowed), "q.id"),
        grant_rows(of_type(grants, narrowed.type)),
        after or _LAST,
        narrowed.division,
        narrowed.review,
        narrowed.case,
        limit,
    )


def _way(narrowed: ItemFilter) -> str | None:
    """The statement of what is asked for, if that may be little."""
    if narrowed.case is not None:
        return "items_in_case_state"
    return "items_under_review" if narrowed.review in ("pending", "returned") else None


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
