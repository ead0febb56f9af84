"""Keeps a part alive: starts it anew when it died, slower each time, and gives up on one that never stays."""

import time

from server.embedded.part import Part
from server.embedded.words import StartError, say

_STEADY_SECONDS = 10.0
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_DEATHS_TO_GIVE_UP = 5


class Keeper:
    """One part and its record of early deaths: those within ten seconds of a start."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._early_deaths = 0
        self._started = time.monotonic()
        self._due: float | None = None

    def look(self) -> float:
        """Restart the part if that is due; seconds until it should be looked at again. Raises StartError."""
        now = time.monotonic()
        if not self.part.has_ended():
            return _LONGEST_DELAY
        if self._due is None:
            self._due = now + self._delay_after_death(now - self._started)
        if now < self._due:
            return self._due - now
        self.part.start()
        self._started, self._due = now, None
        return _LONGEST_DELAY

    def _delay_after_death(self, lived: float) -> float:
        self._early_deaths = self._early_deaths + 1 if lived < _STEADY_SECONDS else 1
        name, why = self.part.name, self.part.last_words()
        if self._early_deaths >= _DEATHS_TO_GIVE_UP:
            raise StartError(
                f"{name} 反复意外结束（{why}），服务器已停止；请处理后重新运行 onegrid up",
                f"{name} keeps ending ({why}), so the server stops: mend it, then run onegrid up again",
            )
        delay = min(_FIRST_DELAY * 2 ** (self._early_deaths - 1), _LONGEST_DELAY)
        say(
            f"{name} 意外结束（{why}），{delay:g} 秒后重启",
            f"{name} ended ({why}), restarting in {delay:g} s",
        )
        return delay
