"""What a template needs to draw a map: shapes in the order in which they are painted, with their links and titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from server.console.map_drawing import Drawing
from server.console.visit import Visit


class MapLine(NamedTuple):
    """What is said of a drawn area: `look`: classes of the stylesheet; without an address it is no link."""

    key: str
    address: str
    look: str
    title: str
    fill: str = ""


class Shape(NamedTuple):
    """A line with its path."""

    line: MapLine
    path: str


class Picture(NamedTuple):
    """A whole map for the template."""

    drawing: Drawing
    shapes: list[Shape]
    looks: dict[str, str]
    alt: str
    bar: str
    synthetic: bool


def picture(
    visit: Visit, drawing: Drawing | None, lines: Sequence[MapLine], alt: str, *, synthetic: bool
) -> Picture | None:
    """The lines whose areas can be seen, in their order."""
    if drawing is None:
        return None
    metres = drawing.bar.metres
    scale = ("sketch.metres", metres) if metres < 1000 else ("sketch.kilometres", metres // 1000)
    return Picture(
        drawing=drawing,
        shapes=[Shape(line, drawing.paths[line.key]) for line in lines if line.key in drawing.paths],
        looks={line.key: line.look for line in lines},
        alt=alt,
        bar=visit.say(scale[0], n=scale[1]),
        synthetic=synthetic,
    )
