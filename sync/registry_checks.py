"""Whether grids may enter the registry: every fault of every row, before any of them does.

Each check looks only at rows that the ones before it found sound, so one slip is told once and not as the five others
that follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import shapely
from msgspec import Struct

from schemas.grid_code import GridCode, GridCodeError, parse_grid_code, parse_printed
from sync.grid_index import Rings
from sync.registry_faults import Fault, code_fault, fault
from sync.registry_geometry import (
    LEAST_AREA_M2,
    SLIVER_WIDTH_M,
    Patch,
    crossings,
    gaps,
    mended,
    outside,
    overlaps,
    polygons,
    thin_parts,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTY_REACH_M: Final = 1_000.0
"""A grid may lie this far outside the outline of its county, where its community and street have none: the published
outlines of counties are generalised to a vertex every few kilometres, and two of them differ by a tenth in area."""

_PRINTED_DIGITS: Final = 16


class Candidate(Struct, frozen=True, kw_only=True):
    """A grid of a file. `code` has 15 digits, or 16 as printed; `community` may be empty.

    `outline` is in WGS-84, closed, each ring with three different points; None where it could not be read.
    """

    row: int
    code: str
    community: str = ""
    outline: Rings | None


class Place(NamedTuple):
    """A division as grids are checked against it.

    `outline` as in `sync.registry.GridLabel`, where there is one; `host_county`: the county in whose outline a
    statistical zone, or a street of it, lies.
    """

    name: str
    outline: Rings | None = None
    host_county: str | None = None


class Registered(NamedTuple):
    """What the registry holds: current outlines by code, and codes that were given up, each with the code that its grid
    bears now, None where the grid is retired."""

    current: Mapping[str, Rings]
    given_up: Mapping[str, str | None]


class _Sound(NamedTuple):
    """A row whose outline can be measured. `code` is parsed where it is one, and the first row of its code."""

    candidate: Candidate
    code: GridCode | None


def read_code(text: str) -> GridCode:
    """The code of 15 digits, or of 16 whose check digit must fit; raises `GridCodeError`."""
    return parse_printed(text) if len(text) == _PRINTED_DIGITS and text.isdigit() else parse_grid_code(text)


def check_grids(
    candidates: Sequence[Candidate],
    divisions: Mapping[str, Place],
    registered: Registered,
    prefixes: tuple[str, ...],
) -> list[Fault]:
    """Every fault of these rows, in the order of rows. `prefixes`: divisions whose grids the importer may publish."""
    faults: list[Fault] = []
    codes = _check_codes(candidates, faults)
    for candidate, code in zip(candidates, codes, strict=True):
        if code is not None:
            faults += _label_faults(candidate, code, divisions, registered, prefixes)
    drawn = [
        (candidate, code, candidate.outline)
        for candidate, code in zip(candidates, codes, strict=True)
        if candidate.outline is not None
    ]
    shapes = polygons([outline for _, _, outline in drawn])
    unfit = dict(_unfit(shapes, [candidate for candidate, _, _ in drawn]))
    faults += unfit.values()
    fit = [at for at in range(len(drawn)) if at not in unfit]
    sound = [_Sound(*drawn[at][:2]) for at in fit]
    faults += _check_ground(sound, shapes[fit], _unmeasured(candidates, sound), divisions, registered)
    return sorted(faults, key=lambda one: one.row or 0)


def _check_codes(candidates: Sequence[Candidate], faults: list[Fault]) -> list[GridCode | None]:
    """The parsed code of each row; None, with a fault, where it is none or stands in an earlier row too."""
    codes: list[GridCode | None] = []
    first: dict[str, int] = {}
    for candidate in candidates:
        code = None
        try:
            code = read_code(candidate.code)
        except GridCodeError as error:
            faults.append(code_fault(error, candidate.row, candidate.code))
        if code is not None and (earlier := first.setdefault(code.code, candidate.row)) != candidate.row:
            faults.append(fault("code_duplicate", candidate.row, code.code, other=earlier))
            code = None
        codes.append(code)
    return codes


def _label_faults(
    candidate: Candidate,
    code: GridCode,
    divisions: Mapping[str, Place],
    registered: Registered,
    prefixes: tuple[str, ...],
) -> Iterator[Fault]:
    row, text, community = candidate.row, code.code, code.community_code
    if text in registered.given_up:
        bearer = registered.given_up[text]
        yield fault("code_of_other", row, text, other=bearer) if bearer else fault("code_retired", row, text)
    if candidate.community not in ("", community):
        yield fault("community_mismatch", row, text, community=community)
    elif community not in divisions:
        yield fault("community_unknown", row, text, community=community)
    if not text.startswith(prefixes):
        yield fault("out_of_area", row, text)


def _unfit(shapes: NDArray[Any], candidates: Sequence[Candidate]) -> Iterator[tuple[int, Fault]]:
    """Outlines that enclose nothing or cross themselves, by place."""
    flat = shapely.area(shapely.convex_hull(shapes)) < LEAST_AREA_M2
    crossed = crossings(shapes)
    small = flat | (shapely.area(shapes) < LEAST_AREA_M2)
    for at, candidate in enumerate(candidates):
        if at in crossed and not flat[at]:
            yield at, fault("ring_crosses", candidate.row, candidate.code, place=_place(crossed[at]))
        elif small[at]:
            yield at, fault("ring_area", candidate.row, candidate.code, least=f"{LEAST_AREA_M2:g}")


def _unmeasured(candidates: Iterable[Candidate], sound: Iterable[_Sound]) -> set[str]:
    """Communities with a grid whose ground is not known: what it leaves empty is no hole."""
    known = {one.candidate.row for one in sound}
    return {candidate.code[:12] for candidate in candidates if candidate.row not in known}


def _check_ground(
    sound: Sequence[_Sound],
    shapes: NDArray[Any],
    unmeasured: set[str],
    divisions: Mapping[str, Place],
    registered: Registered,
) -> Iterator[Fault]:
    """Faults of outlines that are polygons, alone and beside each other."""
    told = {one.code.code for one in sound if one.code is not None}
    staying = {code: rings for code, rings in registered.current.items() if code not in told}
    standing = mended(polygons(list(staying.values())))
    yield from _thin_faults(sound, shapes)
    yield from _outside_faults(sound, shapes, divisions)
    yield from _overlap_faults(sound, shapes, list(staying), standing)
    yield from _gap_faults(sound, shapes, unmeasured, list(staying), standing, divisions)


def _thin_faults(sound: Sequence[_Sound], shapes: NDArray[Any]) -> Iterator[Fault]:
    for at, (length_m, place) in thin_parts(shapes).items():
        candidate = sound[at].candidate
        facts = {"width": f"{SLIVER_WIDTH_M:g}", "length": f"{length_m:.0f}", "place": _place(place)}
        yield fault("sliver", candidate.row, candidate.code, **facts)


def _outside_faults(sound: Sequence[_Sound], shapes: NDArray[Any], divisions: Mapping[str, Place]) -> Iterator[Fault]:
    for reach_m, whole_of in ((0.0, _own_whole), (COUNTY_REACH_M, _county_whole)):
        wholes = [whole_of(one.code, divisions) if one.code else None for one in sound]
        bounded = [(at, whole, whole.outline) for at, whole in enumerate(wholes) if whole and whole.outline]
        places = [at for at, _, _ in bounded]
        found = outside(shapes[places], mended(polygons([outline for _, _, outline in bounded])), reach_m)
        for at, patch in found.items():
            yield _ground_fault("outside_community", sound[places[at]].candidate, patch, whole=bounded[at][1].name)


def _own_whole(code: GridCode, divisions: Mapping[str, Place]) -> Place | None:
    """The community, or else the street, if it has an outline."""
    return _first_drawn((code.community_code, code.street_code), divisions)


def _county_whole(code: GridCode, divisions: Mapping[str, Place]) -> Place | None:
    """Where community and street have no outline: the county, or for a statistical zone the county that it lies in."""
    if _own_whole(code, divisions):
        return None
    above = [divisions[one] for one in (code.street_code, code.county_code) if one in divisions]
    hosts = [one.host_county for one in above if one.host_county]
    return _first_drawn((*hosts, code.county_code), divisions)


def _first_drawn(codes: Iterable[str], divisions: Mapping[str, Place]) -> Place | None:
    return next((divisions[code] for code in codes if code in divisions and divisions[code].outline), None)


def _overlap_faults(
    sound: Sequence[_Sound], shapes: NDArray[Any], staying: Sequence[str], standing: NDArray[Any]
) -> Iterator[Fault]:
    """Of rows that tell a grid for the first time; the later row of two is told."""
    first = [at for at, one in enumerate(sound) if one.code is not None]
    names = [*(sound[at].candidate.code for at in first), *staying]
    for found in overlaps(shapes[first], standing):
        one, other = found.one, found.other
        if other < len(first):
            one, other = other, one
        yield _ground_fault("overlap", sound[first[one]].candidate, found.patch, other=names[other])


def _gap_faults(
    sound: Sequence[_Sound],
    shapes: NDArray[Any],
    unmeasured: set[str],
    staying: Sequence[str],
    standing: NDArray[Any],
    divisions: Mapping[str, Place],
) -> Iterator[Fault]:
    """Of each community that the file touches; the first of its rows is told."""
    rows: dict[str, int] = {}
    for one in sound:
        if one.code is not None:
            rows.setdefault(one.code.community_code, one.candidate.row)
    every = np.concatenate((shapes, standing))
    of = np.array([*(one.code.community_code if one.code else "" for one in sound), *(code[:12] for code in staying)])
    wholes = {code: divisions[code].outline for code in rows if code in divisions}
    for community in rows.keys() - unmeasured:
        outline = wholes.get(community)
        whole = mended(polygons([outline]))[0] if outline else None
        for patch in gaps(whole, every[of == community], every[of != community]):
            yield fault("hole", rows[community], community, area=f"{patch.area_m2:,.0f}", place=_place(patch.place))


def _ground_fault(name: str, candidate: Candidate, patch: Patch, **facts: str) -> Fault:
    area, place = f"{patch.area_m2:,.0f}", _place(patch.place)
    return fault(name, candidate.row, candidate.code, area=area, place=place, **facts)


def _place(place: tuple[float, float]) -> str:
    return f"{place[0]:.6f},{place[1]:.6f}"
