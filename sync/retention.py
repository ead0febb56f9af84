"""The catalogue's retention: from which moment back an item's marked values are no longer kept."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from schemas.item_type import ItemType

_CITY_TIME = ZoneInfo("Asia/Shanghai")


class Limit(Struct, frozen=True, kw_only=True):
    """What is due of one type: records deleted, or events whose case ended, at `ended_by` or before."""

    type: str
    event: bool
    ended_by: datetime


def limits_at(types: Iterable[ItemType], at: datetime) -> list[Limit]:
    """What is due of each of these types at an instant.

    A record's subject has left, or the thing has ended, when the record was deleted: a resident who does not live where
    he is registered (`living_here`) is still one, and his record is kept.
    """
    return [
        Limit(type=one.code, event=one.kind == "event", ended_by=months_before(at, one.retention.months))
        for one in types
    ]


def months_before(at: datetime, months: int) -> datetime:
    """The same hour in the city so many months earlier; where the month is too short, on its last day."""
    here = at.astimezone(_CITY_TIME)
    year, month = divmod(here.year * 12 + here.month - 1 - months, 12)
    day = min(here.day, monthrange(year, month + 1)[1])
    return here.replace(year=year, month=month + 1, day=day)
