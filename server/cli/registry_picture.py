"""A plan of registry changes as a picture: what was drawn dashed, what will be in colours, and what lies around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from server.console.map_drawing import Area, Drawing, Paper, draw_map
from server.console.map_frame import bounds_of
from server.usecases.registry_planning import Planned
from sync.registry import GridLabel

_PAPER: Final = Paper(width=1000.0, lowest=300.0, highest=1200.0, inset=40.0)
_STYLE: Final = """
svg{font-family:"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;background:#fff}
path{stroke-linejoin:round;fill:none;stroke:#9aa3ad}
.near{fill:#f4f5f6}
.begun{fill:#cfe8d5;stroke:#1d7a3d;stroke-width:2}
.changed{fill:#d6e4f7;stroke:#1f5fa8;stroke-width:2}
.former{stroke:#b3261e;stroke-width:1.5;stroke-dasharray:6 4}
.empty{fill:#f7d4d1}
.bar{stroke:#333}
text{text-anchor:middle;fill:#111;paint-order:stroke;stroke:#fff;stroke-width:3px}
.key{text-anchor:start}
"""
_KEYS: Final = (
    ("begun", "新网格 new"),
    ("changed", "变更后 changed"),
    ("former", "原边界 former outline"),
    ("empty", "无网格 without a grid"),
)


def picture_of(planned: Planned) -> str | None:
    """The plan as an SVG document; None where nothing is drawn of it."""
    looks = dict(_looks(planned))
    areas = [area for area, _ in looks.values()]
    drawing = draw_map(areas, _PAPER)
    if drawing is None:
        return None
    shown = [
        f'<path class="{look}" d="{drawing.paths[key]}"><title>{escape(_title(key))}</title></path>'
        for key, (_, look) in looks.items()
        if key in drawing.paths
    ]
    return "\n".join([_head(drawing), *shown, *_texts(drawing), *_legend(drawing), "</svg>\n"])


def _looks(planned: Planned) -> Iterator[tuple[str, tuple[Area, str]]]:
    """What is drawn by its key, in the order of painting, each with how it looks."""
    changed, grids = planned.changed, planned.draft.standing.grids
    before = {label.id: label for label in grids.values()}
    former = [*changed.ended, *(before[label.id] for label in changed.relabelled)]
    touched = {label.id for label in former}
    uncovered = {one.code for one in planned.report.uncovered}
    for label in _near(planned, [*former, *changed.labels]):
        if label.id not in touched:
            yield f"near {label.code}", (_area("near", label, named=True, framed=False), "near")
    for label in (one for one in former if one.code in uncovered):
        yield f"empty {label.code}", (_area("empty", label, named=False), "empty")
    for look, labels in (("changed", changed.relabelled), ("begun", changed.begun)):
        for label in labels:
            yield f"{look} {label.code}", (_area(look, label, named=True), look)
    for label in former:
        yield f"former {label.code}", (_area("former", label, named=label.code in uncovered), "former")


def _near(planned: Planned, labels: list[GridLabel]) -> Iterator[GridLabel]:
    """Grids whose boxes touch the box around what is drawn."""
    corners = [corner for label in labels for corner in label.outline[0]]
    if not corners:
        return
    around = bounds_of(corners)
    for label in planned.draft.standing.grids.values():
        box = bounds_of(label.outline[0])
        if (
            box.west <= around.east
            and box.east >= around.west
            and box.south <= around.north
            and box.north >= around.south
        ):
            yield label


def _area(look: str, label: GridLabel, *, named: bool, framed: bool = True) -> Area:
    rank = 1 if look == "near" else 0
    labels = [(label.code[-6:], label.name), (label.code[-3:],)] if named else []
    return Area(f"{look} {label.code}", [label.outline], labels, 13.0 if framed else 11.0, rank, framed)


def _title(key: str) -> str:
    look, _, code = key.partition(" ")
    return f"{code} {dict(_KEYS).get(look, '')}".strip()


def _head(drawing: Drawing) -> str:
    size = f"{drawing.width:g} {drawing.height:g}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"><style>{_STYLE}</style>'


def _texts(drawing: Drawing) -> Iterator[str]:
    for label in drawing.labels:
        for line in label.lines:
            place = f'x="{line.x:g}" y="{line.y:g}" font-size="{label.size:g}"'
            yield f"<text {place}>{escape(line.text)}</text>"


def _legend(drawing: Drawing) -> Iterator[str]:
    foot, bar = drawing.height - 9, drawing.bar
    yield f'<path class="bar" d="M12 {foot - 7:g}v5h{bar.length:g}v-5"/>'
    yield f'<text class="key" x="{18 + bar.length:g}" y="{foot:g}" font-size="12">{bar.metres} m</text>'
    for at, (look, words) in enumerate(_KEYS):
        left = drawing.width - 660 + 165 * at
        yield f'<path class="{look}" d="M{left:g} {foot - 11:g}h18v11h-18z"/>'
        yield f'<text class="key" x="{left + 24:g}" y="{foot:g}" font-size="12">{words}</text>'
