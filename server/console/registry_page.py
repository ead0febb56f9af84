"""The registry browser: divisions with what lies in them, their grids, and looking grids up by code or name."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from unicodedata import normalize

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.response import Redirect

from schemas.grid_code import printed
from server.console.filters import Choice
from server.console.registry_words import (
    KINDS,
    TIERS,
    division_address,
    grid_address,
    kind_words,
    map_address,
    named,
    validity,
)
from server.console.visit import Visit
from server.db.registry_browsing import GridWish
from server.errors import Problem
from server.usecases.registry_browsing import (
    DivisionLine,
    DivisionSheet,
    Figures,
    GridRow,
    Grids,
    list_grids,
    search,
    show_division,
    show_sheet,
)
from server.usecases.registry_views import DivisionName
from sync.access import division_prefix

PAGE_LENGTH = 25
_LONGEST_FIND = 50
_DIVISION = re.compile("[0-9]{12}")
_GRID = re.compile("[0-9]{15,16}")


class Wanted(NamedTuple):
    """What the page shows: a division, or what a text finds; narrowed to a kind."""

    division: str
    find: str
    kind: str
    kinds: list[Choice]
    cursor: str | None

    @property
    def narrowed(self) -> bool:
        """Whether any grid is left out."""
        return bool(self.find or self.kind)

    @property
    def grids(self) -> GridWish:
        """As the use cases take it: digits are how a code begins, anything else is part of a name."""
        kind = self.kind or None
        if not self.find:
            return GridWish(division_prefix(self.division), kind)
        return GridWish(self.find, kind) if self.find.isdigit() else GridWish("", kind, self.find)

    def address(self, **more: str | None) -> str:
        """This page with other parameters."""
        return division_address("" if self.find else self.division, find=self.find, kind=self.kind, **more)


class Step(NamedTuple):
    """A division with its page."""

    name: str
    code: str
    address: str
    tier: str


class Part(NamedTuple):
    """A division inside with what lies in it."""

    step: Step
    figures: Figures


class Line(NamedTuple):
    """A grid in the list."""

    grid: GridRow
    address: str
    printed: str
    kind: str
    community: str
    community_address: str
    validity: str


@get("/registry")
async def show(visit: NamedDependency[Visit]) -> Response[Any]:
    """A division; or what was found, straight on where a whole code was written."""
    wanted = _wanted(visit)
    if not wanted.find:
        sheet = await show_division(visit.services, visit.caller, wanted.division)
        wanted = wanted._replace(division=sheet.here.division.code)
        return _division(visit, wanted, sheet, await _grids(visit, wanted))
    if _GRID.fullmatch(wanted.find):
        return await _by_code(visit, wanted)
    return await _found(visit, wanted)


def step(visit: Visit, one: DivisionName) -> Step:
    """A division as a way through the registry."""
    return Step(named(visit, one), one.code, division_address(one.code), visit.say(TIERS[one.tier]))


def _wanted(visit: Visit) -> Wanted:
    asked = visit.request.query_params
    division, kind = asked.get("division", ""), asked.get("kind", "")
    return Wanted(
        division=division if _DIVISION.fullmatch(division) else "",
        find=_find(asked.get("find", "")),
        kind=kind if kind in KINDS else "",
        kinds=[Choice(one, kind_words(visit, one)) for one in KINDS],
        cursor=asked.get("cursor"),
    )


def _find(text: str) -> str:
    """What is looked for: digits as they stand on plates, in groups or full-width, are read as digits."""
    plain = normalize("NFKC", text).strip()
    digits = re.sub(r"[\s-]", "", plain)
    if digits.isascii() and digits.isdigit():
        return digits[:_LONGEST_FIND]
    return plain if plain.isprintable() and len(plain) <= _LONGEST_FIND else ""


async def _grids(visit: Visit, wanted: Wanted) -> Grids:
    return await list_grids(visit.services, visit.caller, wanted.grids, wanted.cursor, PAGE_LENGTH)


def _division(visit: Visit, wanted: Wanted, sheet: DivisionSheet, grids: Grids) -> Response[str]:
    return visit.page(
        "registry.html",
        sheet=sheet,
        place=step(visit, sheet.here.division),
        above=[step(visit, one) for one in sheet.above],
        inside=[_part(visit, one) for one in sheet.inside],
        map=map_address(wanted.division),
        **_list(visit, wanted, grids),
    )


async def _by_code(visit: Visit, wanted: Wanted) -> Response[Any]:
    """On to the grid, or why there is none."""
    try:
        sheet = await show_sheet(visit.services, visit.caller, wanted.find)
    except Problem as problem:
        if problem.field != "code":
            raise
        words = visit.either(problem.zh, problem.en)
        if problem.code == "not_found":
            words = visit.say("registry.no_such_code", code=wanted.find)
        return _results(visit, wanted, [], Grids([], None), words)
    return Redirect(grid_address(wanted.find[: len(sheet.detail.code)]), status_code=303)


async def _found(visit: Visit, wanted: Wanted) -> Response[Any]:
    found = await search(visit.services, visit.caller, wanted.grids, wanted.cursor, PAGE_LENGTH)
    if any(one.code == wanted.find for one in found.divisions):
        return Redirect(division_address(wanted.find), status_code=303)
    nothing = not found.divisions and not found.grids.grids
    return _results(visit, wanted, found.divisions, found.grids, visit.say("registry.found_nothing") if nothing else "")


def _results(visit: Visit, wanted: Wanted, divisions: list[DivisionName], grids: Grids, problem: str) -> Response[str]:
    return visit.page(
        "registry_found.html",
        divisions=[step(visit, one) for one in divisions],
        problem=problem,
        **_list(visit, wanted, grids),
    )


def _list(visit: Visit, wanted: Wanted, grids: Grids) -> dict[str, Any]:
    """What the list of grids and the form above it are made of."""
    following = wanted.address(cursor=grids.next) if grids.next else None
    return {"lines": [_line(visit, one) for one in grids.grids], "filters": wanted, "next": following}


def _part(visit: Visit, line: DivisionLine) -> Part:
    return Part(step(visit, line.division), line.figures)


def _line(visit: Visit, grid: GridRow) -> Line:
    return Line(
        grid=grid,
        address=grid_address(grid.code),
        printed=printed(grid.code),
        kind=kind_words(visit, grid.kind),
        community=visit.either(grid.community_zh, grid.community_en),
        community_address=division_address(grid.community),
        validity=validity(visit, grid.valid_from, grid.valid_to),
    )
