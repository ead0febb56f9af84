"""One grid: where it lies, what it was called over registry versions, who works there, and its plate."""

from __future__ import annotations

from typing import NamedTuple

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from server.console.map_drawing import Area, Drawing, Paper, draw_map
from server.console.map_lines import MapLine, Picture, picture
from server.console.navigation import LOOKING_AFTER
from server.console.qr import draw_qr
from server.console.registry_page import step
from server.console.registry_words import grid_address, kind_words, map_address, validity
from server.console.visit import Visit
from server.usecases.registry_browsing import GridSheet, TeamMember, show_sheet
from server.usecases.registry_views import GridDetail

_PAPER = Paper(width=480, lowest=300, highest=420, inset=70)


class Member(NamedTuple):
    """Somebody of the team."""

    name: str
    role: str
    phone: str


@get("/registry/grids/{code:str}")
async def show(visit: NamedDependency[Visit], code: FromPath[str]) -> Response[str]:
    """The page, by any code the grid ever bore, printed or not."""
    sheet = await show_sheet(visit.services, visit.caller, code)
    grid = sheet.detail
    departments = {
        one.code: visit.either(one.name_zh, one.name_en) for one in visit.services.catalogue.source.departments
    }
    return visit.page(
        "grid.html",
        grid=grid,
        former=code[:15] if code[:15] != grid.code else "",
        kind=kind_words(visit, grid.kind),
        validity=_validity(visit, grid),
        above=[step(visit, one) for one in reversed(grid.divisions)],
        team=_team(visit, sheet.team),
        legacy=[(departments.get(one["department"], one["department"]), one["code"]) for one in grid.legacy_codes],
        looks_after=bool(visit.caller.roles & LOOKING_AFTER),
        qr=draw_qr(grid.printed),
        picture=_picture(visit, sheet),
        map=map_address(grid.divisions[0].code),
    )


def _validity(visit: Visit, grid: GridDetail) -> str:
    """A grid that has ended says when, whatever was planned."""
    if grid.current:
        return validity(visit, grid.valid_from, grid.valid_to)
    return visit.say("registry.until_version", version=grid.labels[0].to_version)


def _team(visit: Visit, team: list[TeamMember]) -> list[Member]:
    roles = {role.code: visit.either(role.zh, role.en) for role in visit.services.catalogue.source.roles}
    return [Member(one.name, roles.get(one.role, one.role), one.phone) for one in team]


def _picture(visit: Visit, sheet: GridSheet) -> Picture | None:
    grid = sheet.detail
    own = Area(grid.code, [sheet.outline], [(grid.code[-3:], grid.name), (grid.code[-3:],)], size=14)
    near = [Area(one.code, [one.outline], [(one.code[-3:],)], size=12, rank=1, framed=False) for one in sheet.near]
    drawing: Drawing | None = draw_map([*near, own], _PAPER)
    lines = [
        *(MapLine(one.code, grid_address(one.code), "near", f"{one.code} {one.name}") for one in sheet.near),
        MapLine(grid.code, "", "own", f"{grid.code} {grid.name}"),
    ]
    return picture(visit, drawing, lines, visit.say("map.alt_grid", name=grid.name), synthetic=grid.synthetic)
