"""The organisations of the demo: every department of the catalogue in the city, each county and zone, street and town.

A community has its residents committee. Names of street units come from the catalogue; those of county and city units
are usual ones. They stand for offices as such places have them, not for the real ones.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from schemas.catalogue import Department, load
from server.demo.divisions import Division, Tier, read_data

COMMUNITY_OFFICE: Final = "shequ"
STREET_OFFICE: Final = "jiedao"
_NAMESPACE: Final = UUID("0d1b7c52-58b3-5f7e-8a8e-4e7b1d9a6c02")


class Organisation(Struct, frozen=True):
    """A department in a division: what a case is dispatched to. `id` is made from the two."""

    id: UUID
    department: str
    division_code: str
    tier: Tier
    name_zh: str
    name_en: str


class _Units(Struct, frozen=True):
    note: str
    county: dict[str, str]
    city: dict[str, str]


def organisations_of(divisions: Iterable[Division]) -> tuple[Organisation, ...]:
    """The organisations of each division in turn, in the order of the catalogue's departments."""
    return tuple(office for division in divisions for office in _offices(division))


def _offices(division: Division) -> Iterator[Organisation]:
    for department in load().departments:
        if division.tier not in department.tiers:
            continue
        if division.tier == "community":
            if department.code == COMMUNITY_OFFICE:
                yield _office(department, division, "居委会", "Residents committee")
        elif division.tier == "street":
            yield _office(department, division, *_street_unit(department, division))
        else:
            yield _office(department, division, _unit_zh(department.code, division), department.name_en)


def _street_unit(department: Department, street: Division) -> tuple[str, str]:
    if department.code == STREET_OFFICE:
        return seat_of(street)
    unit_zh = (department.street_unit_zh or department.name_zh).removeprefix("街道")
    unit_en = (department.street_unit_en or department.name_en).removeprefix("Street ")
    return unit_zh, unit_en[0].upper() + unit_en[1:]


def seat_of(street: Division) -> tuple[str, str]:
    """What governs a street, a town or a zone, in both languages, after its name."""
    if street.name_zh.endswith("街道"):
        return "办事处", "Sub-district office"
    return ("人民政府", "Town government") if street.name_zh.endswith("镇") else ("管委会", "Administration")


def _unit_zh(department: str, division: Division) -> str:
    units = _units()
    usual = units.county[department]
    return units.city.get(department, usual) if division.tier == "city" else usual


def _office(department: Department, division: Division, unit_zh: str, unit_en: str) -> Organisation:
    return Organisation(
        id=uuid5(_NAMESPACE, f"{department.code}@{division.code}"),
        department=department.code,
        division_code=division.code,
        tier=division.tier,
        name_zh=division.name_zh + unit_zh,
        name_en=f"{division.name_en}: {unit_en}",
    )


@cache
def _units() -> _Units:
    return msgspec.json.decode(read_data("units.json"), type=_Units)
