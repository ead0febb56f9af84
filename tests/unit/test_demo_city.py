"""The demo city: exact borders, believable sizes, and enough people, offices and phones for the whole loop."""

import re
from collections import Counter, defaultdict
from datetime import date
from random import Random

import pytest
import shapely

from schemas.catalogue import load
from schemas.grid_code import parse_grid_code
from schemas.identity import check_credit_code, check_phone, check_plate, check_resident_id
from server.demo import names
from server.demo.city import (
    CITY_CODE,
    COUNTY_CODE,
    STREET_CODE,
    Grid,
    county_outline,
    demo_divisions,
    demo_grids,
)
from server.demo.offices import demo_organisations
from server.demo.people import Person, demo_field_devices, demo_people

METRES_LAT = 111_195.0
METRES_LON = METRES_LAT * 0.84075
"""Metres a degree of longitude at 32.78 N."""


def degrees(grid: Grid) -> shapely.Polygon:
    return shapely.Polygon(grid.outline[0], grid.outline[1:])


def square_kilometres(polygon: shapely.Polygon) -> float:
    return polygon.area * METRES_LAT * METRES_LON / 1e6


def test_the_street_has_thirteen_communities_below_its_county_and_city() -> None:
    divisions = demo_divisions()
    known: set[str | None] = {None}
    for division in divisions:
        assert division.parent in known
        known.add(division.code)
    assert Counter(division.tier for division in divisions) == {"city": 1, "county": 8, "street": 1, "community": 13}
    assert {CITY_CODE, COUNTY_CODE, STREET_CODE} < known
    named = {division.code: division.name_zh for division in divisions}
    assert (named["341182001000"], named["341182001006"]) == ("明光街道", "市府社区")


@pytest.mark.parametrize("seed", [1, 7, 341182])
def test_grids_tile_the_street_without_gap_or_overlap(seed: int) -> None:
    polygons = [degrees(grid) for grid in demo_grids(seed)]
    assert len(polygons) == 118
    assert all(polygon.is_valid and polygon.exterior.is_ccw for polygon in polygons)
    assert shapely.coverage_is_valid(polygons, gap_width=1e-4)
    street = shapely.union_all(polygons)
    assert isinstance(street, shapely.Polygon)
    assert not street.interiors
    assert street.area == pytest.approx(sum(polygon.area for polygon in polygons), rel=1e-9)
    assert shapely.Polygon(county_outline()[0]).contains_properly(street)


@pytest.mark.parametrize("seed", [1, 7, 341182])
def test_grids_have_the_size_and_shape_of_city_grids(seed: int) -> None:
    for grid in demo_grids(seed):
        polygon = degrees(grid)
        assert 0.05 < square_kilometres(polygon) < 0.3, grid.code
        flat = shapely.transform(polygon, lambda points: points * (METRES_LON, METRES_LAT))
        assert 12.566 * flat.area / flat.length**2 > 0.4, grid.code


def test_communities_are_whole_and_numbered_without_holes() -> None:
    communities: defaultdict[str, list[Grid]] = defaultdict(list)
    for grid in demo_grids():
        assert parse_grid_code(grid.code).kind == grid.kind
        assert grid.code.startswith(grid.community_code)
        communities[grid.community_code].append(grid)
    assert set(communities) == {one.code for one in demo_divisions() if one.tier == "community"}
    for grids in communities.values():
        assert isinstance(shapely.union_all([degrees(grid) for grid in grids]), shapely.Polygon)
        general = [grid for grid in grids if grid.kind == "general"]
        assert [int(grid.code[-3:]) for grid in general] == list(range(1, len(general) + 1))
        assert 8 <= len(grids) <= 10
    assert Counter(grid.kind for grid in demo_grids()) == {"general": 116, "dedicated": 2}


def test_serials_run_from_the_north_west_to_the_south_east() -> None:
    for community in {grid.community_code for grid in demo_grids()}:
        own = [degrees(grid).centroid for grid in demo_grids() if grid.community_code == community]
        northern, southern = own[: len(own) // 2], own[len(own) // 2 :]
        assert sum(one.y for one in northern) / len(northern) > sum(one.y for one in southern) / len(southern)
        assert own[0].x < own[1].x


def test_all_that_is_made_up_says_so_and_is_the_same_again() -> None:
    assert {grid.label for grid in demo_grids()} == {"合成 synthetic"}
    assert demo_grids.__wrapped__() == demo_grids()
    assert demo_people.__wrapped__() == demo_people()
    assert demo_grids(1)[0].id == demo_grids()[0].id
    assert demo_grids(1)[0].outline != demo_grids()[0].outline


def test_every_coordinate_has_six_digits_and_rings_are_closed() -> None:
    for grid in demo_grids():
        for ring in grid.outline:
            assert ring[0] == ring[-1]
            assert len(set(ring)) == len(ring) - 1
            assert all(round(value, 6) == value for corner in ring for value in corner)


def team(role: str) -> dict[str, list[Person]]:
    teams: defaultdict[str, list[Person]] = defaultdict(list)
    for person in demo_people():
        for held in person.assignments:
            if held.role == role and held.grid_code is not None:
                teams[held.grid_code].append(person)
    return teams


def test_every_grid_has_its_workers_and_one_chief() -> None:
    workers, chiefs = team("grid_worker"), team("grid_chief")
    codes = {grid.code for grid in demo_grids()}
    assert set(workers) == set(chiefs) == codes
    assert {len(people) for people in workers.values()} == {2, 3}
    assert {len(people) for people in chiefs.values()} == {1}
    assert {len(person.assignments) for people in chiefs.values() for person in people} == {1, 2}
    assert sum(person.employment.kind != "office" for person in demo_people()) == 347


def test_people_are_told_apart() -> None:
    people = demo_people()
    assert len({person.name for person in people}) == len(people)
    assert len({person.phone for person in people}) == len(people)
    assert len({person.id for person in people}) == len(people)
    assert all(re.fullmatch(r"1990550\d{4}", person.phone) for person in people)
    assert all(re.fullmatch(r"[一-龥]{2,4}", person.name) for person in people)
    assert len({person.name[0] for person in people}) > 60


def test_every_role_of_the_catalogue_is_held_at_a_tier_it_allows() -> None:
    tiers = {role.code: set(role.tiers) for role in load().roles}
    of_division = {division.code: division.tier for division in demo_divisions()}
    for person in demo_people():
        for held in person.assignments:
            tier = "grid" if held.grid_code else of_division[held.division_code]
            assert tier in tiers[held.role], held
    assert {person.role for person in demo_people()} == set(tiers)


def test_one_login_for_each_role() -> None:
    logins = [person for person in demo_people() if person.has_password]
    assert sorted(person.role for person in logins) == sorted(role.code for role in load().roles)
    held = {person.role: person.assignments[0] for person in logins}
    assert held["grid_worker"].grid_code == held["grid_chief"].grid_code
    assert held["community"].division_code == held["grid_chief"].division_code
    handler = held["department_handler"]
    assert (handler.department, handler.division_code) == ("xiaofang", STREET_CODE)


def test_every_department_has_an_organisation_and_somebody_in_it() -> None:
    organisations = {(office.department, office.division_code) for office in demo_organisations()}
    assert len(organisations) == len(demo_organisations())
    for department in load().departments:
        for tier, division_code in (("street", STREET_CODE), ("county", COUNTY_CODE)):
            assert ((department.code, division_code) in organisations) == (tier in department.tiers)
    staffed = {
        (held.department or {"community": "shequ", "street": "jiedao"}.get(held.role), held.division_code)
        for person in demo_people()
        for held in person.assignments
    }
    assert organisations <= staffed
    assert all("None" not in office.name_zh + office.name_en for office in demo_organisations())


def test_every_reviewer_that_an_item_type_names_can_be_found() -> None:
    places = {"community": "341182001001", "street": STREET_CODE, "county": COUNTY_CODE}
    held = {(one.role, one.department, one.division_code) for person in demo_people() for one in person.assignments}
    steps = 0
    for item in (item for category in load().categories for item in category.items):
        for step in item.review_by:
            if step.tier == "grid":
                continue
            named = item.lead_department if step.by == "lead_department" else step.by.removeprefix("department:")
            is_office = step.by in ("community", "street")
            wanted = (step.by, None) if is_office else ("department_handler", named)
            assert (*wanted, places[step.tier]) in held, (item.code, step)
            steps += 1
    assert steps >= 10


def test_two_hundred_and_fifty_phones_and_two_in_every_grid() -> None:
    devices = demo_field_devices()
    assert len(devices) == len({device.person_id for device in devices}) == 250
    in_grid = Counter(code for device in devices for code in device.grid_codes)
    assert set(in_grid) == {grid.code for grid in demo_grids()}
    assert min(in_grid.values()) >= 2
    assert Counter(device.role for device in devices)["part_time_worker"] >= 10
    chiefs = {person.id for person in demo_people() if person.role == "grid_chief"}
    assert chiefs <= {device.person_id for device in devices}


@pytest.mark.parametrize("count", [10, 20, 60, 200])
def test_the_first_phones_share_grids_too(count: int) -> None:
    in_grid = Counter(code for device in demo_field_devices()[:count] for code in device.grid_codes)
    shared = [code for code, phones in in_grid.items() if phones >= 2]
    assert len(shared) >= len(in_grid) - 2
    assert len(shared) >= count // 3


def test_made_up_values_are_well_formed() -> None:
    rng = Random(5)
    for _ in range(500):
        assert check_resident_id(names.resident_id(rng, date(1984, 2, 29)), date(2025, 1, 1)) is None
        assert check_credit_code(names.credit_code(rng)) is None
        assert check_plate(names.plate(rng)) is None
        assert check_phone(names.mobile(rng)) is None
        assert re.fullmatch(r"1[3-9]\d{9}", names.mobile(rng))
        assert re.fullmatch(r"[0-9A-Za-z一-龥-]{1,40}", names.unit_no(rng))
        assert len(names.address(rng)) <= 120
    assert int(names.resident_id(rng, date(1990, 1, 1), male=True)[16]) % 2 == 1
    assert int(names.resident_id(rng, date(1990, 1, 1), male=False)[16]) % 2 == 0
