"""处置率, 结案率 and 按期结案率 of the cases that a person may read, by place, organisation or worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from server.db import case_figures, places, reading
from server.db.case_figures import CountedBy, FiguresFilter
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.paging import from_cursor, to_cursor
from server.usecases.reading import grants_of
from server.usecases.sessions import Caller
from sync.case_figures import Figures, Tally, figures

_BY_DIVISION = ("county", "street", "community")
_COUNTS = Tally.__struct_fields__


class FiguresPlace(NamedTuple):
    """A place in the list of figures."""

    overdue: int
    key: str


class FiguresLine(Struct, frozen=True, kw_only=True):
    """The figures of one place, organisation or worker; the key is empty where a case has none."""

    key: str
    zh: str
    en: str
    figures: Figures


class FiguresPage(Struct, frozen=True, kw_only=True):
    """All figures together, and those of each, the most overdue first; `next` is the cursor of the next page."""

    by: CountedBy
    total: Figures
    lines: list[FiguresLine]
    next: str | None


async def read_figures(
    services: Services,
    caller: Caller,
    by: CountedBy,
    narrowed: FiguresFilter,
    now: datetime,
    cursor: str | None,
    limit: int,
) -> FiguresPage:
    """A page of figures of the cases whose items the caller may read.

    Raises Problem `parameter_invalid` for a wrong cursor.
    """
    place, grants = from_cursor(cursor, FiguresPlace), grants_of(services, caller)
    async with services.database.read() as connection:
        rows = await case_figures.count_case_figures(connection, grants, by, narrowed, now)
        listed = sorted((row for row in rows if not row["whole"]), key=_order)
        later = [row for row in listed if place is None or _order(row) > (-place.overdue, place.key)]
        shown = later[:limit]
        names = await _names(connection, by, [row["key"] for row in shown if row["key"]])
    whole = next(row for row in rows if row["whole"])
    last = shown[-1] if len(later) > limit else None
    return FiguresPage(
        by=by,
        total=_figures(whole),
        lines=[_line(row, names) for row in shown],
        next=to_cursor(FiguresPlace(last["overdue"], last["key"] or "")) if last else None,
    )


def _order(row: Row) -> tuple[int, str]:
    return -row["overdue"], row["key"] or ""


def _figures(row: Row) -> Figures:
    return figures(Tally(**{name: row[name] for name in _COUNTS}))


def _line(row: Row, names: dict[str, tuple[str, str]]) -> FiguresLine:
    key = row["key"] or ""
    zh, en = names.get(key, ("", ""))
    return FiguresLine(key=key, zh=zh, en=en, figures=_figures(row))


async def _names(connection: Connection, by: CountedBy, keys: Sequence[str]) -> dict[str, tuple[str, str]]:
    """What the keys are called, zh and en; a grid is called by its code."""
    if by in _BY_DIVISION:
        known = await places.divisions_and_communities(connection, keys, [])
        return {one.code: (one.name_zh, one.name_en) for one in known}
    if by == "worker":
        names = await reading.names_of_users(connection, [UUID(key) for key in keys])
        return {str(user_id): (name, name) for user_id, name in names.items()}
    if by == "organisation":
        rows = await case_figures.organisations_of_ids(connection, [UUID(key) for key in keys])
        return {str(row["id"]): (row["name_zh"], row["name_en"]) for row in rows}
    return {}
