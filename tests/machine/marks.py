"""Values that are found nowhere else, and what of them must never stand in the clear."""

from __future__ import annotations

import re
from itertools import count

WORD = "密记"
"""Every marked text begins with it."""
_BIRTHPLACE = "34118219"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PHONE = re.compile(r"(?<![0-9A-Za-z])1717[0-9]{7}(?![0-9A-Za-z])")
_NATIONAL_ID = re.compile(r"(?<![0-9A-Za-z])34118219[0-9]{9}[0-9X](?![0-9A-Za-z])")


class Marks:
    """Gives out values, each once."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def text(self) -> str:
        """A marked text."""
        return f"{WORD}{next(self._numbers):06}"

    def open_text(self) -> str:
        """A text that may stand in the clear."""
        return f"明记{next(self._numbers):06}"

    def phone(self) -> str:
        """A mobile number."""
        return f"1717{next(self._numbers):07}"

    def door(self) -> str:
        """What a field for a door takes."""
        return f"{WORD}-{next(self._numbers):06}"

    def national_id(self) -> str:
        """A valid identity number."""
        number = next(self._numbers)
        year, day = 50 + number // 26_000 % 40, number // 990 % 28 + 1
        digits = f"{_BIRTHPLACE}{year:02}01{day:02}{number % 990 + 1:03}"
        total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
        return digits + "10X98765432"[total % 11]


def planted_in(text: str) -> list[str]:
    """The marked values that a text shows."""
    found = [WORD] if WORD in text else []
    return found + _PHONE.findall(text)[:3] + _NATIONAL_ID.findall(text)[:3]
