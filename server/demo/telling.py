"""Tells how far the demo city has come: a line for each step that is done, and at a terminal the one that goes on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from server.embedded.words import write

_HEAD: Final = "onegrid: 演示城市 demo city: "
_ERASE_LINE: Final = "\r\x1b[2K"
_SECONDS_BETWEEN_LINES: Final = 5.0


class Teller:
    """Steps on stderr, each named in both languages, like `网格 grids`; in a pipe a long one is told now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._step = self._told = ""
        self._told_at = time.monotonic()

    def now(self, step: str) -> None:
        """A step goes on; called as often as its figure changes."""
        if self._terminal and step != self._step:
            write(2, f"{_ERASE_LINE}{_HEAD}{step} ……")
        elif time.monotonic() > self._told_at + _SECONDS_BETWEEN_LINES:
            self._line(step)
        self._step = step

    def done(self, step: str) -> None:
        """A step has ended."""
        self._erase()
        if step != self._told:
            self._line(step)

    def settle(self) -> None:
        """The step that went on has ended; what was told of it last is how it ended."""
        self.done(self._step)

    @contextmanager
    def shown(self) -> Generator[None]:
        """Leave no step unfinished on the terminal when the block ends, however it does."""
        try:
            yield
        finally:
            self._erase()

    def _line(self, step: str) -> None:
        write(2, f"{_HEAD}{step}\n")
        self._step, self._told = "", step
        self._told_at = time.monotonic()

    def _erase(self) -> None:
        if self._terminal and self._step:
            write(2, _ERASE_LINE)
