"""Progress of a command on stderr: a bar where somebody watches a terminal, else nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from server.usecases.telling import Teller


class ShownTeller(Teller):
    """Moves a bar as it is told; a phase whose steps are not counted pulses."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def phase(self, zh: str, en: str, total: int = 0) -> None:
        """A phase of `total` steps begins, 0 where they cannot be counted, and the one before it is over."""
        self._bar.update(self._task, description=f"{zh} / {en}", completed=0, total=total or None)

    def step(self) -> None:
        """One more step of the phase is done."""
        self._bar.advance(self._task)


@contextmanager
def progress(*, quiet: bool) -> Generator[Teller]:
    """Somebody to tell while the block runs; `quiet`: one document is awaited, so nothing is shown."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Teller()
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        yield ShownTeller(bar, bar.add_task("", total=None))
