"""The grid map of a division, one level at a time, and the same as a list."""

from __future__ import annotations

import re
from typing import NamedTuple

from litestar import Response, get
from litestar.di import NamedDependency

from server.console.map_drawing import Paper, draw_map
from server.console.map_lines import picture
from server.console.map_looks import WORKLOAD, Look
from server.console.registry_page import step
from server.console.registry_words import division_address, grid_address, kind_words, map_address, named
from server.console.visit import Visit
from server.usecases.registry_map import DivisionMap, MapShape, division_map, may_see_work

_PAPER = Paper(width=1000, lowest=420, highest=640, inset=18)
_DIVISION = re.compile("[0-9]{12}")
_INNERMOST = 2


class Row(NamedTuple):
    """A shape in the list beneath the map; `open` is empty where the map does not tell how much work is open."""

    address: str
    name: str
    code: str
    kind: str
    kind_words: str
    open: str


class Group(NamedTuple):
    """What lies in one of the shapes directly inside; without a head, all of it."""

    head: Row | None
    rows: list[Row]


class Layer(NamedTuple):
    """A way to colour the map."""

    address: str
    words: str
    current: bool


@get("/registry/map")
async def show(visit: NamedDependency[Visit]) -> Response[str]:
    """The page."""
    asked = visit.request.query_params
    code = asked.get("division", "")
    counted = asked.get("layer") == WORKLOAD
    found = await division_map(
        visit.services, visit.caller, code if _DIVISION.fullmatch(code) else "", with_work=counted
    )
    here, look = found.sheet.here.division, Look(visit, found)
    alt = visit.say("map.alt", name=named(visit, here))
    synthetic = any(one.shape.synthetic for one in look.shown)
    return visit.page(
        "map.html",
        place=step(visit, here),
        above=[step(visit, one)._replace(address=map_address(one.code)) for one in found.sheet.above],
        figures=found.sheet.here.figures,
        picture=picture(visit, draw_map(look.areas(), _PAPER), look.lines(), alt, synthetic=synthetic),
        legend=look.legend(),
        counted=found.work is not None,
        groups=_groups(visit, found),
        layers=_layers(visit, here.code, found),
        registry=division_address(here.code),
    )


def _layers(visit: Visit, code: str, found: DivisionMap) -> list[Layer]:
    """None where there is no choice."""
    if not may_see_work(visit.services, visit.caller):
        return []
    counted = found.work is not None
    return [
        Layer(map_address(code), visit.say("map.layer_kinds"), not counted),
        Layer(map_address(code, layer=WORKLOAD), visit.say("map.layer_work"), counted),
    ]


def _groups(visit: Visit, found: DivisionMap) -> list[Group]:
    """The same as on the map: what lies directly inside, each with what lies in it."""
    inside = [one for one in found.shapes if one.depth == 1]
    if found.sheet.here.division.tier == "community":
        return [Group(None, [_row(visit, found, one) for one in inside])] if inside else []
    rows: dict[str, list[Row]] = {one.code: [] for one in inside}
    for one in found.shapes:
        if one.depth == _INNERMOST and one.parent in rows:
            rows[one.parent].append(_row(visit, found, one))
    return [Group(_row(visit, found, one), rows[one.code]) for one in inside]


def _row(visit: Visit, found: DivisionMap, one: MapShape) -> Row:
    is_grid = one.tier == "grid"
    return Row(
        address=grid_address(one.code) if is_grid else map_address(one.code),
        name=visit.either(one.name_zh, one.name_en),
        code=one.code,
        kind=one.kind,
        kind_words=kind_words(visit, one.kind) if is_grid else "",
        open=visit.say("map.work_of", count=found.open_in(one.prefix)) if found.work is not None else "",
    )
