"""Dating of captures: the monotonic clock within a boot, wall clocks across boots, and always inside the bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.wire import Capture, Clock
from sync.clocks import estimate_capture, skew_seconds

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(days=3)


def capture(wall, mono=0, boot="one"):
    return Capture(wall=wall, mono=mono, boot=boot)


def clock(wall, mono=0, boot="one"):
    return Clock(wall=wall, mono=mono, boot=boot)


def test_within_one_boot_the_wall_clock_does_not_matter():
    written = capture(datetime(1999, 1, 1, tzinfo=UTC), mono=1_000)
    sent = clock(datetime(2050, 1, 1, tzinfo=UTC), mono=61_000)
    assert estimate_capture(written, sent, NOW, EARLIER) == NOW - timedelta(minutes=1)


def test_across_boots_the_difference_of_the_wall_clocks_counts():
    skewed = timedelta(days=400)
    written = capture(NOW - skewed - timedelta(hours=5), boot="one")
    sent = clock(NOW - skewed, boot="two")
    assert estimate_capture(written, sent, NOW, EARLIER) == NOW - timedelta(hours=5)


def test_the_estimate_stays_between_the_last_exchange_and_the_receipt():
    sent = clock(NOW, boot="two")
    assert estimate_capture(capture(NOW - timedelta(days=30)), sent, NOW, EARLIER) == EARLIER
    assert estimate_capture(capture(NOW + timedelta(days=30)), sent, NOW, EARLIER) == NOW


def test_absurd_clocks_fall_to_a_bound():
    sent = clock(NOW, mono=2**53 - 1)
    assert estimate_capture(capture(NOW, mono=0), sent, NOW, EARLIER) == EARLIER
    assert estimate_capture(capture(datetime.min.replace(tzinfo=UTC)), clock(NOW, boot="b"), NOW, EARLIER) == EARLIER
    assert estimate_capture(capture(datetime(2026, 1, 1)), clock(NOW, boot="b"), NOW, EARLIER) == NOW


@pytest.mark.parametrize(
    ("ahead", "skew"),
    [
        (timedelta(minutes=5), None),
        (timedelta(minutes=-5), None),
        (timedelta(minutes=5, seconds=1), 301),
        (timedelta(minutes=-5, seconds=-1), -301),
        (timedelta(days=-9000), -777_600_000),
    ],
)
def test_the_skew_is_told_beyond_five_minutes(ahead, skew):
    assert skew_seconds(capture(NOW + ahead), NOW) == skew


def test_a_clock_without_an_offset_has_no_skew():
    assert skew_seconds(capture(datetime(1999, 1, 1)), NOW) is None
