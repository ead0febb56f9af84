"""The organisations of the demo city: each department of the catalogue in the street and in the county.

A community has its residents committee. Names of street units come from the catalogue; those of county units
are usual ones. They stand for offices as such a county has them, not for its real ones.
"""

from functools import cache
from importlib.resources import files
from typing import Final, Literal
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from schemas.catalogue import Department, load
from server.demo.city import COUNTY_CODE, STREET_CODE, Division, demo_divisions

COMMUNITY_OFFICE: Final = "shequ"
STREET_OFFICE: Final = "jiedao"
_NAMESPACE: Final = UUID("0d1b7c52-58b3-5f7e-8a8e-4e7b1d9a6c02")


class Organisation(Struct, frozen=True):
    """A department in a division: what a case is dispatched to. `id` is made from the two."""

    id: UUID
    department: str
    division_code: str
    tier: Literal["community", "street", "county"]
    name_zh: str
    name_en: str


@cache
def demo_organisations() -> tuple[Organisation, ...]:
    """Organisations of the county, of the street, then the residents committees."""
    departments = load().departments
    divisions = {division.code: division for division in demo_divisions()}
    communities = [division for division in divisions.values() if division.tier == "community"]
    return (
        *(_county(dept, divisions[COUNTY_CODE]) for dept in departments if "county" in dept.tiers),
        *(_street(dept, divisions[STREET_CODE]) for dept in departments if "street" in dept.tiers),
        *(_committee(community) for community in communities),
    )


def _county(department: Department, county: Division) -> Organisation:
    name_zh = county.name_zh + _county_units()[department.code]
    name_en = f"{county.name_en}: {department.name_en}"
    return Organisation(_id(department.code, county), department.code, county.code, "county", name_zh, name_en)


def _street(department: Department, street: Division) -> Organisation:
    unit_zh = (department.street_unit_zh or department.name_zh).removeprefix("街道")
    name_en = f"{street.name_en}: {department.street_unit_en or department.name_en}"
    name_zh = street.name_zh + unit_zh
    return Organisation(_id(department.code, street), department.code, street.code, "street", name_zh, name_en)


def _committee(community: Division) -> Organisation:
    name_zh, name_en = f"{community.name_zh}居委会", f"{community.name_en}: Residents committee"
    id_ = _id(COMMUNITY_OFFICE, community)
    return Organisation(id_, COMMUNITY_OFFICE, community.code, "community", name_zh, name_en)


def _id(department: str, division: Division) -> UUID:
    return uuid5(_NAMESPACE, f"{department}@{division.code}")


@cache
def _county_units() -> dict[str, str]:
    document = (files("server.demo") / "data" / "county_units.json").read_bytes()
    return msgspec.json.decode(document, type=dict[str, str])
