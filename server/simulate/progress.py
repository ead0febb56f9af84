"""Tells how far a run has come: a bar where there is a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_SECONDS_BETWEEN_LINES = 4.0


class Teller:
    """Progress on stderr. `phases` holds the seconds of every phase that has ended."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.phases: dict[str, float] = {}
        self._steps = 0
        self._total = 0
        self._named = ""
        self._told_at = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True) if console.is_terminal else None
        self._task = self._bar.add_task("") if self._bar else None

    @contextmanager
    def phase(self, zh: str, en: str, total: int) -> Generator[None]:
        """A phase of `total` steps begins; it is over when the block ends."""
        began = time.monotonic()
        self._steps, self._total, self._named = 0, total, f"{zh} / {en}"
        self._show()
        try:
            yield
        finally:
            self.phases[en] = round(time.monotonic() - began, 1)

    def step(self) -> None:
        """One more step of the phase is done."""
        self._steps += 1
        self._show()

    @contextmanager
    def shown(self) -> Generator[None]:
        """Show progress while the block runs."""
        if self._bar is None:
            yield
            return
        with self._bar:
            yield

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=self._named, completed=self._steps, total=self._total)
        elif time.monotonic() > self._told_at + _SECONDS_BETWEEN_LINES:
            self._told_at = time.monotonic()
            self.console.print(f"{self._named} {self._steps}/{self._total}", highlight=False)
