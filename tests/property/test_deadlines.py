"""Working time against a clock that is read minute by minute, and the laws that every deadline keeps."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import document, item_types, load
from sync.deadlines import add_working, deadlines, working_between

CATALOGUE = load()
HOLIDAYS = CATALOGUE.public_holidays
RAW = msgspec.json.decode(document())
BEIJING = timezone(timedelta(hours=8))
MINUTE = timedelta(minutes=1)

calendars = st.sampled_from(sorted(CATALOGUE.calendars))
instants = st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2027, 6, 30), timezones=st.just(UTC))
minute_instants = instants.map(lambda at: at.replace(second=0, microsecond=0))
hours = st.integers(0, 70 * 3600).map(lambda seconds: Decimal(seconds) / 3600)


def works_in(calendar: str, minute: datetime) -> bool:
    """Whether the minute that begins then is worked: the words of the document, read by hand."""
    local, rules = minute.astimezone(BEIJING), RAW["calendars"][calendar]
    workday = local.isoweekday() in rules["weekdays"]
    if rules["public_holidays"] and str(local.year) in RAW["public_holidays"]["years"]:
        year, day = RAW["public_holidays"]["years"][str(local.year)], local.strftime("%Y-%m-%d")
        workday = (workday or day in year["shifted_workdays"]) and day not in year["days_off"]
    return workday and any(a <= local.strftime("%H:%M") < b for a, b in rules["hours"])


def naive_add(start: datetime, minutes: int, calendar: str) -> datetime:
    at = start
    if minutes == 0:
        while not (works_in(calendar, at) or works_in(calendar, at - MINUTE)):
            at += MINUTE
        return at
    while minutes:
        minutes -= works_in(calendar, at)
        at += MINUTE
    return at


@settings(max_examples=60, deadline=None)
@given(calendar=calendars, start=minute_instants, minutes=st.integers(0, 1200))
def test_counting_minute_by_minute_gives_the_same(calendar: str, start: datetime, minutes: int) -> None:
    due = add_working(start, Decimal(minutes) / 60, CATALOGUE.calendars[calendar], HOLIDAYS)
    assert due == naive_add(start, minutes, calendar)


@settings(max_examples=30, deadline=None)
@given(calendar=calendars, start=minute_instants, minutes=st.integers(0, 6000))
def test_working_time_between_is_the_worked_minutes(calendar: str, start: datetime, minutes: int) -> None:
    worked = sum(works_in(calendar, start + n * MINUTE) for n in range(minutes))
    end = start + minutes * MINUTE
    assert working_between(start, end, CATALOGUE.calendars[calendar], HOLIDAYS) == worked * MINUTE


@settings(deadline=None)
@given(calendar=calendars, start=instants, a=hours, b=hours)
def test_adding_twice_is_adding_the_sum(calendar: str, start: datetime, a: Decimal, b: Decimal) -> None:
    chosen = CATALOGUE.calendars[calendar]
    stepwise = add_working(add_working(start, a, chosen, HOLIDAYS), b, chosen, HOLIDAYS)
    assert stepwise == add_working(start, a + b, chosen, HOLIDAYS)


@settings(deadline=None)
@given(calendar=calendars, start=instants, later=st.timedeltas(timedelta(), timedelta(days=20)), a=hours, b=hours)
def test_a_later_start_or_more_hours_are_never_due_earlier(
    calendar: str, start: datetime, later: timedelta, a: Decimal, b: Decimal
) -> None:
    chosen = CATALOGUE.calendars[calendar]
    few, many = sorted((a, b))
    due = add_working(start, few, chosen, HOLIDAYS)
    assert due <= add_working(start, many, chosen, HOLIDAYS)
    assert due <= add_working(start + later, few, chosen, HOLIDAYS)


@settings(deadline=None)
@given(calendar=calendars, start=instants, length=hours)
def test_a_deadline_is_in_working_hours_and_never_before_its_start(
    calendar: str, start: datetime, length: Decimal
) -> None:
    due = add_working(start, length, CATALOGUE.calendars[calendar], HOLIDAYS)
    minute = due.replace(second=0, microsecond=0)
    ends_there = due == minute and works_in(calendar, minute - MINUTE)
    assert due >= start
    assert works_in(calendar, minute) or ends_there


@settings(deadline=None)
@given(calendar=calendars, start=instants, length=hours)
def test_between_start_and_deadline_lie_the_hours(calendar: str, start: datetime, length: Decimal) -> None:
    chosen = CATALOGUE.calendars[calendar]
    due = add_working(start, length, chosen, HOLIDAYS)
    assert working_between(start, due, chosen, HOLIDAYS) == timedelta(seconds=round(length * 3600))


@settings(deadline=None)
@given(code=st.sampled_from(sorted(item_types(CATALOGUE))), received=instants, data=st.data())
def test_accepting_and_responding_fit_inside_handling(code: str, received: datetime, data: st.DataObject) -> None:
    item_type = item_types(CATALOGUE)[code]
    urgency = data.draw(st.sampled_from(item_type.urgency.allowed))
    due = deadlines(item_type, urgency, received, received, CATALOGUE)
    if urgency == "critical" and due.handle_by and due.accept_by and due.respond_by:
        respond = timedelta(hours=(item_type.respond_hours or {})["critical"])
        assert due.accept_by + respond <= due.handle_by
        assert due.handle_by == received + timedelta(hours=(item_type.handle_hours or {})["critical"])
