"""The clocks of one simulated phone: all three that a capture carries, each with its own way of being wrong."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from random import Random

from schemas.wire import Capture, Clock, Fix

# Most phones are right within seconds; some were never set, one in thirty is a day off.
_YEAR = timedelta(days=365)
_JUMPS = (timedelta(minutes=11), timedelta(hours=7), timedelta(days=3), 2 * _YEAR)
_ZONES = (-11, -5, 0, 5.5, 8, 14)
_SKEWS = ((0.7, timedelta(seconds=2)), (0.93, timedelta(minutes=9)), (0.97, timedelta(hours=8)), (1.0, timedelta(1)))


class PhoneClock:
    """Simulated time as one phone shows it. Time only moves forward."""

    def __init__(self, rng: Random, at: datetime) -> None:
        """Switched on at the instant `at` (aware)."""
        self._rng = rng
        self.at = at
        self._skew = self._draw_skew()
        self._zone = at.tzinfo
        self.reboot()

    def move_to(self, at: datetime) -> None:
        """Let time pass until `at`; earlier instants change nothing."""
        self.at = max(self.at, at)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)

    def reboot(self) -> None:
        """The monotonic clock begins again under another boot id."""
        self._booted_at = self.at - timedelta(seconds=self._rng.randint(20, 90))
        self._boot = f"{self._rng.getrandbits(64):016x}"

    def go_wrong(self, rng: Random) -> None:
        """Be wrong by years from now on."""
        self._skew += rng.choice((-9, -3, 4)) * _YEAR

    def jump(self, rng: Random) -> None:
        """Somebody, or the network, sets the clock: by minutes, hours, days or years."""
        self._skew += rng.choice(_JUMPS) * rng.choice((-1, 1))

    def change_zone(self, rng: Random) -> None:
        """Show another zone's time; the instant is the same."""
        self._zone = timezone(timedelta(hours=rng.choice(_ZONES)))

    @property
    def wall(self) -> datetime:
        """What the phone shows."""
        return (self.at + self._skew).astimezone(self._zone)

    @property
    def _mono(self) -> int:
        return int((self.at - self._booted_at).total_seconds() * 1000)

    def capture(self, position: Fix | None) -> Capture:
        """Now and here."""
        return Capture(self.wall, self._mono, self._boot, position)

    def clock(self) -> Clock:
        """Now, as a request carries it."""
        return Clock(self.wall, self._mono, self._boot)

    def _draw_skew(self) -> timedelta:
        drawn = self._rng.random()
        most = next(most for share, most in _SKEWS if drawn <= share)
        return most * self._rng.uniform(-1, 1)
