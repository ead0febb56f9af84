"""What the supervisor says to the person at the terminal: short lines, Chinese first."""

import os
from contextlib import suppress
from pathlib import Path

# What the preparing process says on stdout; all else there is a reason why it failed.
NEXT_KEY_IN_USE = "next master key in use"
NEW_EPOCH = "new epoch"


class StartError(Exception):
    """The server cannot be started or kept up; the text is one clear sentence in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


def say(zh: str, en: str) -> None:
    """Write one line about progress to stderr."""
    write(2, f"onegrid: {zh} / {en}\n")


def write(descriptor: int, text: str) -> None:
    """Write to a terminal, file or pipe; a server outlives those who read what it says."""
    with suppress(OSError):
        os.write(descriptor, text.encode())


def last_line(log: Path) -> str:
    """Last line of a part's log, for the sentence that says why the part ended."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
