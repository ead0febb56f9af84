"""How far a long act has come."""

from __future__ import annotations


class Teller:
    """Is told the phases of a long act; this one keeps them to itself."""

    def phase(self, zh: str, en: str, total: int = 0) -> None:
        """A phase of `total` steps begins, 0 where they cannot be counted, and the one before it is over."""

    def step(self) -> None:
        """One more step of the phase is done."""
