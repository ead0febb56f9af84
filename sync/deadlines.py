"""Deadlines on working calendars: whole seconds, counted exactly in the calendar's own time zone.

A span of working time is closed at both ends: hours that run out at 17:30 are due at 17:30, not at the next
opening. So adding nothing to an instant inside working hours, ends included, changes nothing, and adding `a`
and then `b` is adding `a + b`. An instant outside working hours counts from the next opening.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from schemas.catalogue import Calendar, Catalogue, HolidayYear, PublicHolidays
from schemas.item_type import Hours, ItemType

ALWAYS = "always"
"""The calendar on which every hour counts."""

WorkingHours = float | Decimal

_DAY = timedelta(days=1)


class Deadlines(Struct, frozen=True):
    """When a case must be accepted, responded to and handled, in UTC; None where nothing is due.

    `year_flagged`: working days were counted in a year whose public holidays are not published yet; the
    deadlines are computed again when they are.
    """

    accept_by: datetime | None = None
    respond_by: datetime | None = None
    handle_by: datetime | None = None
    year_flagged: bool = False


def add_working(start: datetime, hours: WorkingHours, calendar: Calendar, holidays: PublicHolidays) -> datetime:
    """The instant (UTC) at which so many working hours have passed since `start`.

    Raises ValueError for a naive start, negative hours, or a calendar on which nobody ever works.
    """
    left = _duration(hours)
    for opens, closes in _spans(start, calendar, holidays):
        begin = max(opens, start)
        if left <= closes - begin:
            return begin + left
        left -= closes - begin
    raise ValueError("the calendar has no working hours left")


def working_between(start: datetime, end: datetime, calendar: Calendar, holidays: PublicHolidays) -> timedelta:
    """The working time from `start` to `end`; nothing if `end` is not later."""
    total = timedelta()
    for opens, closes in _spans(start, calendar, holidays):
        if opens >= end:
            break
        total += min(closes, end) - max(opens, start)
    return max(total, timedelta())


def deadlines(
    item_type: ItemType,
    urgency: str,
    received_at: datetime,
    dispatched_at: datetime | None,
    catalogue: Catalogue,
) -> Deadlines:
    """The deadlines of an event: accept and handle count from server receipt, respond from dispatch.

    A type without `respond_hours` is closed on submission: only its advice on handling remains. A record has
    none.
    """
    accept = catalogue.deadline_rules.accept_hours if item_type.respond_hours else None
    accept_calendar = ALWAYS if urgency == "critical" else catalogue.deadline_rules.accept_calendar
    accepting = catalogue.calendars[accept_calendar]
    handling = handling_calendar(item_type, urgency, catalogue)
    holidays = catalogue.public_holidays
    accept_by, one = _due(received_at, accept, urgency, accepting, holidays)
    respond_by, two = _due(dispatched_at, item_type.respond_hours, urgency, handling, holidays)
    handle_by, three = _due(received_at, item_type.handle_hours, urgency, handling, holidays)
    return Deadlines(accept_by, respond_by, handle_by, year_flagged=one or two or three)


def resumed(
    due: datetime, stopped_at: datetime, resumed_at: datetime, calendar: Calendar, holidays: PublicHolidays
) -> datetime:
    """A deadline whose clock stood still: the working time that was left runs on from `resumed_at`.

    What was overdue when the clock stopped stays overdue.
    """
    if due <= stopped_at:
        return due
    left = working_between(stopped_at, due, calendar, holidays)
    return add_working(resumed_at, Decimal(round(left.total_seconds())) / 3600, calendar, holidays)


def handling_calendar(item_type: ItemType, urgency: str, catalogue: Catalogue) -> Calendar:
    """The calendar on which a type's case runs, whichever department holds it; critical ones always do."""
    named = item_type.calendar if item_type.deadline_clock == "working" else ALWAYS
    return catalogue.calendars[ALWAYS if urgency == "critical" else named]


def unpublished_year(start: datetime, end: datetime, calendar: Calendar, holidays: PublicHolidays) -> bool:
    """Whether `start` to `end` touches a year whose public holidays are missing from the table."""
    if not calendar.public_holidays:
        return False
    zone = ZoneInfo(calendar.timezone)
    years = range(start.astimezone(zone).year, end.astimezone(zone).year + 1)
    return any(str(year) not in holidays.years for year in years)


def _due(
    start: datetime | None, hours: Hours | None, urgency: str, calendar: Calendar, holidays: PublicHolidays
) -> tuple[datetime | None, bool]:
    if start is None or hours is None or urgency not in hours:
        return None, False
    return _counted(start, hours[urgency], calendar, holidays)


@lru_cache(maxsize=256)
def _counted(
    start: datetime, hours: WorkingHours, calendar: Calendar, holidays: PublicHolidays
) -> tuple[datetime, bool]:
    """Of the events that one set brings many are due after the same time."""
    due = add_working(start, hours, calendar, holidays)
    return due, unpublished_year(start, due, calendar, holidays)


@lru_cache(maxsize=256)
def _duration(hours: WorkingHours) -> timedelta:
    """Whole seconds: the decimal text of a float is what its author wrote: 0.1 is six minutes."""
    seconds = round(Decimal(str(hours)) * 3600)
    if seconds < 0:
        raise ValueError("working hours cannot be negative")
    return timedelta(seconds=seconds)


def _spans(start: datetime, calendar: Calendar, holidays: PublicHolidays) -> Iterator[tuple[datetime, datetime]]:
    """Spans of working time in UTC, in order, from the first that does not end before `start`."""
    if start.tzinfo is None:
        raise ValueError("a start without a time zone has no place on a calendar")
    if not calendar.weekdays or not calendar.hours:
        return
    day = start.astimezone(ZoneInfo(calendar.timezone)).date()
    while day < date.max:
        year = holidays.years.get(str(day.year)) if calendar.public_holidays else None
        for span in _spans_of_day(day, calendar, year):
            if span[1] >= start:
                yield span
        day += _DAY


@lru_cache(maxsize=4096)
def _spans_of_day(day: date, calendar: Calendar, year: HolidayYear | None) -> tuple[tuple[datetime, datetime], ...]:
    """The same days are asked about by every event of a season."""
    if not _is_workday(day, calendar, year):
        return ()
    zone = ZoneInfo(calendar.timezone)
    return tuple((_instant(day, opens, zone), _instant(day, closes, zone)) for opens, closes in calendar.hours)


def _is_workday(day: date, calendar: Calendar, year: HolidayYear | None) -> bool:
    usual = day.isoweekday() in calendar.weekdays
    if year is None:
        return usual
    text = day.isoformat()
    return text in year.shifted_workdays or (usual and text not in year.days_off)


def _instant(day: date, clock: str, zone: ZoneInfo) -> datetime:
    if clock == "24:00":
        day, clock = day + _DAY, "00:00"
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)
