"""The one place where the supervisor waits: for a condition, a child's end, or the order to stop."""

import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType

_LOOK_AGAIN = 0.03


class StopAsked(Exception):
    """SIGTERM, SIGHUP or Ctrl-C arrived."""


class Attention:
    """Signals as events of a single-threaded program. Implements `part.Wait`.

    Until `stopping` is set, the order to stop interrupts every wait with StopAsked.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._asked = False
        self._bell, ringer = os.pipe()
        for end in (self._bell, ringer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        # Under nohup the end of the terminal is not the end of the server.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._ask)
        # A handler of our own, for the default one would not ring.
        signal.signal(signal.SIGCHLD, _nothing)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def __call__(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until `condition` holds, at most `seconds`; tells whether it does. Raises StopAsked."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.rest(min(left, _LOOK_AGAIN))
        return True

    def rest(self, seconds: float) -> None:
        """Sleep until a signal arrives, at most `seconds`. Raises StopAsked."""
        if select.select([self._bell], [], [], seconds)[0]:
            os.read(self._bell, 4096)
        if self._asked and not self.stopping:
            raise StopAsked


def _nothing(number: int, frame: FrameType | None) -> None:
    pass
