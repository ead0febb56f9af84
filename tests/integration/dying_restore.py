"""`python -m tests.integration.dying_restore BACKUP INTO PHASE`: a restore that is killed as a phase begins."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from server.settings import Settings
from server.usecases.restoring import RestoreWish, restore
from server.usecases.telling import Teller


class Dying(Teller):
    """Kills this process, as a power failure would, when it is told of this phase."""

    def __init__(self, last: str) -> None:
        self._last = last

    def phase(self, zh: str, en: str, total: int = 0) -> None:
        """Nothing is told any more."""
        if en == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    backup, into, phase = sys.argv[1:]
    wish = RestoreWish(backup=Path(backup), keys=None, reason="演练", into=into)
    asyncio.run(restore(Settings.from_env(os.environ), wish, Dying(phase)))
