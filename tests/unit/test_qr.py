"""The drawing of a QR code holds the modules that the library made, and the white around them."""

from __future__ import annotations

import re

import pytest
import segno

from server.console.qr import draw_qr


@pytest.mark.parametrize("text", ["A", "onegrid://enrol?url=https%3A%2F%2Fgrid.example&code=ABCDEFGHJKMN"])
def test_the_path_covers_each_dark_module_once(text: str) -> None:
    drawn = draw_qr(text)
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", drawn.path)
    assert "".join(f"M{x} {y}h{n}v1h-{n}z" for x, y, n, _ in runs) == drawn.path
    dark = [(int(x) + step, int(y)) for x, y, length, _ in runs for step in range(int(length))]
    matrix = segno.make(text, error="m", micro=False).matrix
    expected = {(x + 4, y + 4) for y, row in enumerate(matrix) for x, module in enumerate(row) if module}
    assert len(dark) == len(set(dark))
    assert set(dark) == expected
    assert drawn.size == len(matrix) + 8
