"""What is known of a mutant."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PATCHES = Path(__file__).parent / "patches"
UNIT, INTEGRATION, PROTOCOL = "tests/unit", "tests/integration", "tests/protocol"


class Killer(NamedTuple):
    """A test that must turn red, whatever its parameters, and a piece of the line that tells the invariant."""

    test: str
    assertion: str


class Mutant(NamedTuple):
    """A way to break sync. `beside`: tests that are run too, only to see whether they notice."""

    name: str
    invariant: str
    breaks: str
    killers: tuple[Killer, ...]
    beside: tuple[str, ...] = ()

    @property
    def patch(self) -> Path:
        """Where its patch stands."""
        return PATCHES / f"{self.name}.patch"

    @property
    def tests(self) -> list[str]:
        """All that are run for it."""
        return [*(killer.test for killer in self.killers), *self.beside]
