"""QR codes as drawings: the template draws, so that nothing of a code is ever marked as safe text."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import segno

_QUIET = 4
"""Modules left white around a code, without which cameras do not find it."""


class Drawing(NamedTuple):
    """A square of `size` modules; `path` is path data of the dark ones."""

    size: int
    path: str


def draw_qr(text: str) -> Drawing:
    """The code of a text that a worn camera still reads: a seventh of it may be illegible."""
    rows = [bytes(row) for row in segno.make(text, error="m", micro=False).matrix_iter(border=_QUIET)]
    return Drawing(len(rows), "".join(_runs(y, row) for y, row in enumerate(rows)))


def _runs(y: int, row: bytes) -> str:
    parts: list[str] = []
    x = 0
    for dark, run in groupby(row):
        length = len(list(run))
        if dark:
            parts.append(f"M{x} {y}h{length}v1h-{length}z")
        x += length
    return "".join(parts)
