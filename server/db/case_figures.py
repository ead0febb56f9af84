"""Cases counted for figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from server.db.database import Connection, Row
from server.db.named import sql
from server.db.reading import Grants, grant_rows, reached
from sync.case_table import UNHANDLED

CountedBy = Literal["county", "street", "community", "grid", "organisation", "worker"]


class FiguresFilter(Struct, frozen=True, kw_only=True):
    """What is counted; `division`: the prefix of grid codes; opened from `begins` until before `ends`."""

    type: str | None = None
    division: str | None = None
    begins: datetime | None = None
    ends: datetime | None = None


async def count_case_figures(
    connection: Connection, grants: Grants, by: CountedBy, narrowed: FiguresFilter, now: datetime
) -> list[Row]:
    """A row for each key with the counts of a tally, and one for all (`whole`).

    `key`: a code, or the id of an organisation or of who reported; null where there is none.
    """
    return await connection.fetch(
        reached("count_case_figures", grants),
        grant_rows(grants),
        by,
        narrowed.type,
        narrowed.division,
        narrowed.begins,
        narrowed.ends,
        now,
        UNHANDLED,
    )


async def organisations_of_ids(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """These organisations: id, department, division, tier, names."""
    return await connection.fetch(sql("organisations_of_ids"), ids)
