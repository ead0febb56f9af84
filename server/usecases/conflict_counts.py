"""How many conflicts a person may settle: by kind, item type, community and age; settled ones by what was taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from server.db import conflicts, places
from server.db.conflicts import ConflictFilter
from server.db.database import Connection, Row
from server.services import Services
from server.usecases.conflict_access import grants_of
from server.usecases.sessions import Caller

_HOUR = 3600.0
_AGES: tuple[tuple[float, str, str, str], ...] = (
    (0.0, "hour", "1 小时内", "within an hour"),
    (_HOUR, "day", "1 天内", "within a day"),
    (24 * _HOUR, "three_days", "1 至 3 天", "1 to 3 days"),
    (72 * _HOUR, "week", "3 至 7 天", "3 to 7 days"),
    (168 * _HOUR, "month", "7 至 30 天", "7 to 30 days"),
    (720 * _HOUR, "older", "30 天以上", "over 30 days"),
)
"""From how many seconds on, the code, and the words of an age, zh and en."""

_IN_ALL = 0b11111
_BY_KIND, _BY_TYPE, _BY_COMMUNITY, _BY_AGE, _BY_TAKE = 0b01111, 0b10111, 0b11011, 0b11101, 0b11110


class Count(Struct, frozen=True):
    """How many conflicts have something in common: its code, and its words where it has any."""

    code: str
    zh: str
    en: str
    count: int


class Counts(Struct, frozen=True, kw_only=True):
    """All conflicts that were asked for. `oldest`: when the first of them was opened, in UTC; None without any.

    `kinds` and `takes` have no words of their own here. `divisions`: by community; the code is empty where no grid is
    known yet. `takes`: of settled ones what was taken.
    """

    total: int
    oldest: datetime | None
    kinds: list[Count]
    types: list[Count]
    divisions: list[Count]
    ages: list[Count]
    takes: list[Count]


async def count_conflicts(services: Services, actor: Caller, wanted: ConflictFilter, now: datetime) -> Counts:
    """The counts of what this person may settle; raises Problem `forbidden` if he has no role for it at all."""
    grants = grants_of(services, actor)
    async with services.database.read() as connection:
        rows = await conflicts.count_conflicts(connection, grants, wanted, now, [age[0] for age in _AGES])
        names = await _communities(connection, rows)
    in_all = next(row for row in rows if row["grouped"] == _IN_ALL)

    def by(grouped: int, words: Callable[[Row], tuple[str, str, str]]) -> list[Count]:
        return [Count(*words(row), row["count"]) for row in rows if row["grouped"] == grouped]

    return Counts(
        total=in_all["count"],
        oldest=in_all["oldest"],
        kinds=by(_BY_KIND, lambda row: (row["kind"], "", "")),
        types=by(_BY_TYPE, lambda row: _type_words(services, row["type"])),
        divisions=by(_BY_COMMUNITY, lambda row: names.get(row["community"]) or ("", "网格待定", "no grid yet")),
        ages=sorted(by(_BY_AGE, _age_words), key=lambda one: _AGE_ORDER[one.code]),
        takes=[one for one in by(_BY_TAKE, lambda row: (row["take"] or "", "", "")) if one.code],
    )


async def authors_named(services: Services, key: str) -> tuple[UUID, ...]:
    """Those whom somebody means who writes an id, a login phone or a name; nobody is no error."""
    try:
        user_id = UUID(key) if "-" in key else None
    except ValueError:
        user_id = None
    async with services.database.read() as connection:
        return await conflicts.people_named(connection, user_id, services.keyring.index("phone", key), key)


_AGE_ORDER = {code: place for place, (_, code, _, _) in enumerate(_AGES)}


def _age_words(row: Row) -> tuple[str, str, str]:
    return _AGES[max(row["age"] - 1, 0)][1:]


def _type_words(services: Services, code: str) -> tuple[str, str, str]:
    item_type = services.catalogue.types[code].type
    return code, item_type.name_zh, item_type.name_en


async def _communities(connection: Connection, rows: Sequence[Row]) -> dict[Any, tuple[str, str, str]]:
    codes = sorted({row["community"] for row in rows if row["grouped"] == _BY_COMMUNITY and row["community"]})
    named = await places.divisions_and_communities(connection, codes, [])
    return {one.code: (one.code, one.name_zh, one.name_en) for one in named}
