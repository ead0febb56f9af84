"""Deadlines on days that were looked up in the calendar by hand. Local times are of Asia/Shanghai."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas.catalogue import Calendar, item_types, load
from sync.deadlines import add_working, deadlines, unpublished_year, working_between

CATALOGUE = load()
TYPES = item_types(CATALOGUE)
HOLIDAYS = CATALOGUE.public_holidays
OFFICE, CITYOPS = CATALOGUE.calendars["office"], CATALOGUE.calendars["cityops"]


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=8)))


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2025-06-18 09:00", 2, "2025-06-18 11:00"),
        ("2025-06-18 09:00", 3, "2025-06-18 12:00"),
        ("2025-06-18 09:00", 4, "2025-06-18 15:30"),
        ("2025-06-18 13:00", 1, "2025-06-18 15:30"),
        ("2025-06-18 13:00", 0, "2025-06-18 14:30"),
        ("2025-06-18 17:30", 0, "2025-06-18 17:30"),
        ("2025-06-18 09:00", 6.5, "2025-06-19 09:00"),
        ("2025-06-20 17:00", 1, "2025-06-23 09:00"),
    ],
)
def test_office_hours(start: str, hours: float, due: str) -> None:
    assert add_working(local(start), hours, OFFICE, HOLIDAYS) == local(due)


def test_the_zone_in_which_a_start_is_given_does_not_matter() -> None:
    start = local("2025-06-18 20:00")
    for offset in (-12, 0, 14):
        given = start.astimezone(timezone(timedelta(hours=offset)))
        assert add_working(given, 2, CITYOPS, HOLIDAYS) == local("2025-06-19 08:00")


def test_the_national_day_week_is_skipped_and_the_shifted_saturday_is_worked() -> None:
    eve = local("2025-09-30 17:00")
    assert add_working(eve, 1, OFFICE, HOLIDAYS) == local("2025-10-09 09:00")
    assert add_working(local("2025-10-10 17:00"), 1, OFFICE, HOLIDAYS) == local("2025-10-11 09:00")


def test_city_operations_work_through_holidays() -> None:
    assert add_working(local("2025-10-01 20:00"), 2, CITYOPS, HOLIDAYS) == local("2025-10-02 08:00")


def test_a_year_that_is_not_published_counts_monday_to_friday_and_is_flagged() -> None:
    new_year_2030 = local("2030-01-01 08:30")
    assert add_working(new_year_2030, 1, OFFICE, HOLIDAYS) == local("2030-01-01 09:30")
    assert unpublished_year(new_year_2030, new_year_2030, OFFICE, HOLIDAYS)
    assert not unpublished_year(new_year_2030, new_year_2030, CITYOPS, HOLIDAYS)
    received = local("2026-12-31 16:00")
    assert deadlines(TYPES["0701"], "normal", received, received, CATALOGUE).year_flagged
    assert not deadlines(TYPES["0701"], "critical", received, received, CATALOGUE).year_flagged


def test_hours_are_read_as_written() -> None:
    assert add_working(local("2025-06-18 00:00"), 0.1, CATALOGUE.calendars["always"], HOLIDAYS) == local(
        "2025-06-18 00:06"
    )


def test_critical_runs_round_the_clock() -> None:
    night = local("2025-10-01 23:00")
    due = deadlines(TYPES["0701"], "critical", night, night, CATALOGUE)
    assert due.accept_by == local("2025-10-01 23:15")
    assert due.respond_by == local("2025-10-02 00:00")
    assert due.handle_by == local("2025-10-02 03:00")


def test_accepting_runs_on_city_operations_and_responding_waits_for_dispatch() -> None:
    received = local("2025-06-18 20:00")
    due = deadlines(TYPES["0401"], "normal", received, None, CATALOGUE)
    assert due.accept_by == local("2025-06-19 10:00")
    assert due.respond_by is None
    assert due.handle_by == received + timedelta(hours=72)
    dispatched = local("2025-06-19 09:00")
    assert deadlines(TYPES["0401"], "normal", received, dispatched, CATALOGUE).respond_by == local("2025-06-20 09:00")


def test_the_calendar_stays_with_the_type() -> None:
    friday = local("2025-06-20 20:30")
    assert deadlines(TYPES["0601"], "urgent", friday, friday, CATALOGUE).handle_by == local("2025-06-21 10:30")


def test_what_closes_on_submission_and_records_have_nobody_to_respond() -> None:
    received = local("2025-06-18 09:00")
    publicity = deadlines(TYPES["0301"], "normal", received, None, CATALOGUE)
    assert (publicity.accept_by, publicity.respond_by) == (None, None)
    assert publicity.handle_by == received + timedelta(hours=48)
    assert deadlines(TYPES["0101"], "normal", received, None, CATALOGUE).handle_by is None


def test_working_between_counts_nothing_backwards() -> None:
    assert working_between(local("2025-06-18 11:00"), local("2025-06-18 15:00"), OFFICE, HOLIDAYS) == timedelta(
        hours=1, minutes=30
    )
    assert working_between(local("2025-06-18 15:00"), local("2025-06-18 11:00"), OFFICE, HOLIDAYS) == timedelta()


def test_what_cannot_be_counted_is_refused() -> None:
    start = datetime(2025, 6, 18, tzinfo=UTC)
    never = Calendar(zh="", en="", timezone="Asia/Shanghai", weekdays=(), hours=(), public_holidays=False)
    with pytest.raises(ValueError, match="no working hours"):
        add_working(start, 1, never, HOLIDAYS)
    with pytest.raises(ValueError, match="negative"):
        add_working(start, -1, OFFICE, HOLIDAYS)
    with pytest.raises(ValueError, match="time zone"):
        add_working(start.replace(tzinfo=None), 1, OFFICE, HOLIDAYS)
