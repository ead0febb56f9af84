"""Dating of captures: three clocks that lie in different ways, and the bounds that the server knows.

The result is only ever used to judge punctuality and write authority, never to order changes. The phone's own time is
kept beside it, and where the two are far apart, by how much.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from schemas.wire import Capture, Clock

SKEW_NOTED: Final = timedelta(minutes=5)
"""A phone that takes its time from the network is seconds wrong, and one set by hand a minute or two. Beyond this a
person who reads its times, on a photo or in a form, should know that they are not those of the city."""

_CITY_TIME = ZoneInfo("Asia/Shanghai")
_MILLISECOND: Final = timedelta(milliseconds=1)


def city_day(moment: datetime) -> date:
    """The day that an instant falls on in the city."""
    return moment.astimezone(_CITY_TIME).date()


def estimate_capture(capture: Capture, sent: Clock, received_at: datetime, drained_at: datetime) -> datetime:
    """When a change was written, in server time.

    Within one boot the monotonic clock tells how long before sending it was; across boots the wall clocks' difference
    has to do. The estimate is clamped between the device's last exchange that left nothing unsent and the receipt: sets
    of one offline spell may need several exchanges. A wall clock without a sane distance (or without an offset) falls
    to the nearer bound.
    """
    age = _age(capture, sent)
    try:
        estimate = received_at - age
    except OverflowError:
        estimate = drained_at if age > timedelta() else received_at
    return min(max(estimate, drained_at), received_at)


def skew_seconds(capture: Capture, captured_at: datetime) -> int | None:
    """By how many seconds the phone's wall clock was ahead of the estimate, or below zero behind it.

    None where they agree within `SKEW_NOTED`, and for a clock without an offset, which says nothing.
    """
    if capture.wall.tzinfo is None:
        return None
    skew = capture.wall - captured_at
    return round(skew.total_seconds()) if abs(skew) > SKEW_NOTED else None


def _age(capture: Capture, sent: Clock) -> timedelta:
    if capture.boot == sent.boot and capture.boot and sent.mono >= capture.mono:
        return _MILLISECOND * (sent.mono - capture.mono)
    if (capture.wall.tzinfo is None) == (sent.wall.tzinfo is None):
        return sent.wall - capture.wall
    return timedelta()
