"""Whatever the clocks of a phone do, a capture is dated inside the bounds, and the phone's error is told in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from schemas.wire import Capture, Clock
from sync.clocks import SKEW_NOTED, estimate_capture, skew_seconds

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
_EVER = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
_MONO = st.integers(0, 2**53 - 1)
_BOOTS = st.sampled_from(["", "one", "two"])
_SPELL = st.timedeltas(timedelta(0), timedelta(days=60))
_WRONG = st.timedeltas(timedelta(days=-366 * 30), timedelta(days=366 * 30))


class Phone(NamedTuple):
    """A phone at a true instant: how wrong its wall clock is then, and when it was switched on last."""

    at: datetime
    wrong: timedelta
    booted_at: datetime

    @property
    def wall(self) -> datetime:
        return self.at + self.wrong

    @property
    def mono(self) -> int:
        return (self.at - self.booted_at) // timedelta(milliseconds=1)

    def capture(self) -> Capture:
        return Capture(self.wall, self.mono, str(self.booted_at))

    def clock(self) -> Clock:
        return Clock(self.wall, self.mono, str(self.booted_at))


@st.composite
def _offline_spells(draw: st.DrawFn) -> tuple[timedelta, timedelta]:
    """How long before the receipt the phone had last sent everything, and how long before it something was written."""
    drained = draw(_SPELL)
    return drained, draw(st.timedeltas(timedelta(0), drained))


@given(_EVER, _MONO, _BOOTS, _EVER, _MONO, _BOOTS, _SPELL)
def test_the_estimate_lies_between_the_last_drained_exchange_and_the_receipt(
    wall: datetime, mono: int, boot: str, sent_wall: datetime, sent_mono: int, sent_boot: str, spell: timedelta
) -> None:
    capture, sent = Capture(wall, mono, boot), Clock(sent_wall, sent_mono, sent_boot)
    estimate = estimate_capture(capture, sent, NOW, NOW - spell)
    assert NOW - spell <= estimate <= NOW
    skew = skew_seconds(capture, estimate)
    assert (skew is None) == (abs(wall - estimate) <= SKEW_NOTED)
    if skew is not None:
        assert abs(wall - estimate - timedelta(seconds=skew)) <= timedelta(seconds=0.5)


@given(_offline_spells(), _WRONG, _WRONG)
def test_within_one_boot_no_turning_of_the_wall_clock_moves_the_estimate(
    spell: tuple[timedelta, timedelta], wrong: timedelta, later: timedelta
) -> None:
    drained, age = spell
    booted_at = NOW - timedelta(days=61)
    written, sent = Phone(NOW - age, wrong, booted_at), Phone(NOW, later, booted_at)
    estimate = estimate_capture(written.capture(), sent.clock(), NOW, NOW - drained)
    assert abs(estimate - written.at) <= timedelta(milliseconds=1)
    skew = skew_seconds(written.capture(), estimate)
    if abs(wrong) > SKEW_NOTED + timedelta(seconds=1):
        assert skew is not None
        assert abs(skew - wrong.total_seconds()) <= 1
    elif abs(wrong) < SKEW_NOTED - timedelta(seconds=1):
        assert skew is None


@given(_offline_spells(), _WRONG, st.timedeltas(timedelta(0), timedelta(days=1)))
def test_across_a_reboot_a_clock_that_is_as_wrong_as_before_still_tells_the_age(
    spell: tuple[timedelta, timedelta], wrong: timedelta, uptime: timedelta
) -> None:
    drained, age = spell
    written = Phone(NOW - age, wrong, NOW - age - uptime)
    sent = Phone(NOW, wrong, NOW - min(uptime, age) / 2)
    assert estimate_capture(written.capture(), sent.clock(), NOW, NOW - drained) == written.at


@given(_offline_spells(), _WRONG, _WRONG)
def test_across_a_reboot_a_clock_that_was_turned_is_off_by_no_more_than_it_was_turned(
    spell: tuple[timedelta, timedelta], wrong: timedelta, later: timedelta
) -> None:
    drained, age = spell
    written, sent = Phone(NOW - age, wrong, NOW - age), Phone(NOW, later, NOW)
    estimate = estimate_capture(written.capture(), sent.clock(), NOW, NOW - drained)
    assert NOW - drained <= estimate <= NOW
    assert abs(estimate - written.at) <= abs(later - wrong)


@given(_offline_spells(), _WRONG)
def test_a_monotonic_clock_that_runs_backwards_counts_for_nothing(
    spell: tuple[timedelta, timedelta], wrong: timedelta
) -> None:
    drained, age = spell
    capture = Capture(NOW - age + wrong, 5_000, "one")
    sent = Clock(NOW + wrong, 4_999, "one")
    assert estimate_capture(capture, sent, NOW, NOW - drained) == NOW - age


@given(_offline_spells(), st.integers(1, 2**53 - 1))
def test_a_monotonic_clock_that_jumps_ahead_leads_to_the_earliest_bound_at_most(
    spell: tuple[timedelta, timedelta], jump: int
) -> None:
    drained, age = spell
    mono = age // timedelta(milliseconds=1)
    capture, sent = Capture(NOW - age, 0, "one"), Clock(NOW, min(mono + jump, 2**53 - 1), "one")
    estimate = estimate_capture(capture, sent, NOW, NOW - drained)
    assert NOW - drained <= estimate <= NOW - age + timedelta(milliseconds=1)
