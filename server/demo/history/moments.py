"""When things happened: working hours in the city's time, on the days before the demo is filled in."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from random import Random
from typing import Final
from uuid import UUID

CITY_TIME: Final = timezone(timedelta(hours=8))
"""China has one time and no summer time."""
DAYS: Final = 30
"""How far the history goes back."""

_OPENS, _CLOSES = time(8, 0), time(18, 0)
_SHIFT: Final = timedelta(hours=10)
_DAY: Final = timedelta(days=1)
_STILL: Final = timedelta(minutes=1)
_ROUND_BEGUN: Final = timedelta(minutes=30)
_DAY_BEGUN: Final = timedelta(hours=1)


class Days:
    """The days up to `latest`, the last working moment before the demo is filled in; nothing happens after it.

    In the last minute before the filling in nothing happens either, so that everything told lies behind whoever looks.
    """

    def __init__(self, now: datetime) -> None:
        """`now`: aware. A day that has hardly begun is not told of: there is nothing to report yet."""
        local = now.astimezone(CITY_TIME)
        begun = local >= _on(local, _OPENS) + _DAY_BEGUN
        self.latest = min(local - _STILL, _on(local, _CLOSES)) if begun else _on(local, _CLOSES) - _DAY

    def opens(self, moment: datetime) -> datetime:
        """When work began on the day of this moment (aware)."""
        return _on(moment.astimezone(CITY_TIME), _OPENS)

    def on_day(self, back: int, rng: Random) -> datetime:
        """Some moment of the working day so many days back, once reports come in; of the last day while it lasted."""
        opens = self.opens(self.latest) - back * _DAY
        lasted = min(_SHIFT, self.latest - self.opens(self.latest) if back == 0 else _SHIFT)
        return opens + _ROUND_BEGUN + rng.random() * (lasted - _ROUND_BEGUN)

    def working(self, moment: datetime, rng: Random) -> datetime:
        """This moment, or one soon after offices open again; outside working hours if time has run out."""
        local, opens = moment.astimezone(CITY_TIME), self.opens(moment)
        if local > opens + _SHIFT:
            opens += _DAY
        if local >= opens:
            return min(local, self.latest)
        shifted = opens + rng.random() * timedelta(hours=2)
        return shifted if shifted <= self.latest else min(local, self.latest)


def uuid7(moment: datetime, rng: Random) -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7) of this moment, its random part drawn from `rng`."""
    milliseconds = int(moment.timestamp() * 1000)
    drawn = rng.getrandbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | drawn >> 62 << 64 | 0b10 << 62 | drawn & (1 << 62) - 1)


def _on(local: datetime, clock: time) -> datetime:
    return datetime.combine(local.date(), clock, CITY_TIME)
