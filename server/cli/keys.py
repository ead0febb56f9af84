"""Single keys and lines that a person types: at a terminal without Enter, from a file or a pipe a line each."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Collection, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

END = ""
"""What is read where nothing more comes, or somebody breaks off."""

_BREAKS = frozenset({"\x03", "\x04"})


class Keys:
    """Asks on a console and reads what is typed."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def key(self, question: str, allowed: Collection[str]) -> str:
        """The first allowed key; END at the end of what is typed."""
        with _at_once():
            self._ask(question)
            while True:
                typed = _one()
                if typed in allowed or typed == END:
                    self.console.print(Text(typed))
                    return typed

    def line(self, question: str, default: str = "") -> str:
        """A line without its end; the default where nothing was typed."""
        self._ask(question)
        try:
            return sys.stdin.readline().strip() or default
        except KeyboardInterrupt:
            return default

    def _ask(self, question: str) -> None:
        self.console.print(Text(f"{question} "), end="")
        self.console.file.flush()


@contextmanager
def _at_once() -> Generator[None]:
    """The terminal gives each key as it is typed; from before the question, so that none is lost."""
    if not sys.stdin.isatty():
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def _one() -> str:
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.strip()[:1].lower() or "\n" if line else END
    try:
        typed = os.read(sys.stdin.fileno(), 1).decode(errors="replace").lower()
    except KeyboardInterrupt:
        return END
    return END if typed in _BREAKS else typed
